from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from engine.definition import Time
from engine.errors import NotSent, Rejected, Stale, SystemException
from engine.evidence import EvidenceStore
from engine.executor import MAX_GATES, MAX_LOGINS
from engine.ledger import tables as t
from engine.ledger.reviews import reopen
from tests.engine.conftest import Bench, make_workflow
from tests.engine.simulated_app import Application
from tests.engine.story import Story


@pytest.fixture
def story(bench: Bench, store: EvidenceStore) -> Story:
    bench.enqueue(1)
    return Story(bench, Application(bench.clock), store)


def use(story: Story, **options: object) -> None:
    """Work under another definition than the fixture's."""
    story.bench.workflow = make_workflow(**options)  # type: ignore[arg-type]


async def test_an_item_is_entered_once_found_and_read_back(story: Story) -> None:
    end = await story.attempt()
    assert (end.outcome, end.reason) == ("passed", None)
    assert story.app.log == ["begin", "open", "fill", "aim", "click", "send", "find", "read", "end"]
    (record,) = story.app.records
    assert record.values["total"] == Decimal("1235.50")
    assert end.read_back is not None
    assert end.read_back["supplier"] == "东方贸易有限公司"
    assert (story.item.state, story.item.record_url, story.item.app_id) == ("passed", "http://erp.invalid/1", "R-1")
    assert story.intents == ["sent"]


async def test_each_step_is_timed_against_its_standard(story: Story) -> None:
    await story.attempt()
    steps = story.bench.one(t.attempts).steps
    assert [(step["step"], step["action"]) for step in steps] == [
        ("1 open", "open"),
        ("2 fill", "fill"),
        ("3 commit", "aim"),
        ("3 commit", "send"),
        ("3 commit", "find"),
        ("4 read", "read"),
    ]


async def test_without_a_find_a_confirmed_commit_is_read_back_where_it_was_confirmed(story: Story) -> None:
    use(story, find=False)
    assert (await story.to_the_end()).outcome == "passed"


async def test_the_application_says_that_the_data_are_invalid(story: Story) -> None:
    story.app.will("send", "reject")
    end = await story.attempt()
    assert isinstance(story.errors[-1], Rejected)
    assert (end.outcome, end.error_kind, end.reason) == ("review", "business", "application_rejected")
    assert story.intents == ["rejected"]
    assert end.verdict is not None
    assert end.verdict.findings[0].field == "total"


async def test_a_rejected_item_that_a_person_reopens_is_sent_again(story: Story) -> None:
    story.app.will("send", "reject")
    await story.attempt()
    reopen(story.bench.database, story.item.id, "ana", "the supplier was unlocked")
    assert (await story.attempt()).outcome == "passed"
    assert story.intents == ["rejected", "sent"]


async def test_what_was_not_sent_is_an_ordinary_retry(story: Story) -> None:
    story.app.will("send", "not_sent")
    end = await story.attempt()
    assert isinstance(story.errors[-1], NotSent)
    assert (end.outcome, end.reason) == ("retry", "covered")
    assert (story.intents, story.item.state) == (["not_clicked"], "ready")
    assert (await story.to_the_end()).outcome == "passed"
    assert (story.intents, story.app.count("send")) == (["not_clicked", "sent"], 1)


async def test_a_click_window_that_passed_takes_the_gate_again(story: Story) -> None:
    story.app.will("send", "window_passes")
    assert (await story.attempt()).outcome == "passed"
    assert (story.intents, story.app.count("send")) == (["not_clicked", "sent"], 1)
    assert [row.gate for row in story.bench.rows(t.intents)] == [0, 1]


async def test_the_gate_is_taken_a_few_times_only(story: Story) -> None:
    story.app.will("send", *["window_passes"] * (MAX_GATES + 1))
    end = await story.attempt()
    assert (end.outcome, end.reason) == ("retry", "click_window_over")
    assert (story.intents, story.app.count("send")) == (["not_clicked"] * MAX_GATES, 0)


async def test_a_session_lost_after_a_passed_click_window_fills_the_form_again(story: Story) -> None:
    story.app.will("send", "window_passes")
    story.app.will("aim", "ok", "session_lost")
    assert (await story.attempt()).outcome == "passed"
    assert len(story.app.records) == 1


async def test_a_lease_that_is_gone_at_the_last_moment_sends_nothing(story: Story) -> None:
    story.holds_lease = lambda: False
    end = await story.attempt()
    assert (end.outcome, end.reason) == ("retry", "lease_lost")
    assert (story.intents, story.app.count("send"), story.app.records) == (["not_clicked"], 0, [])


async def test_a_lease_too_short_for_the_commit_is_never_gated(story: Story) -> None:
    story.app.will("fill", "slow", "slow")
    story.app.will("open", "slow")
    end = await story.attempt()
    assert (end.outcome, end.reason) == ("retry", "lease_too_short")
    assert (story.intents, story.app.count("click")) == ([], 0)


@pytest.mark.parametrize("place", ["open", "fill", "aim", "find", "read"])
async def test_a_lost_session_is_entered_again_and_the_item_goes_on(story: Story, place: str) -> None:
    story.app.will(place, "session_lost")
    assert (await story.attempt()).outcome == "passed"
    assert (story.app.count("begin"), story.app.count("send"), len(story.app.records)) == (2, 1, 1)


async def test_a_session_is_entered_again_a_few_times_only(story: Story) -> None:
    story.app.will("fill", *["session_lost"] * (MAX_LOGINS + 1))
    end = await story.attempt()
    assert (end.outcome, end.reason) == ("retry", "session_lost")
    assert (story.app.count("begin"), story.app.count("send")) == (1 + MAX_LOGINS, 0)
    assert (await story.to_the_end()).outcome == "passed"


async def test_a_confirmed_record_that_the_list_hides_for_a_while_is_waited_for(story: Story) -> None:
    story.app.will("send", "hidden")
    end = await story.attempt()
    sent = story.bench.one(t.intents)
    assert (end.outcome, end.reason) == ("in_doubt", "record_not_visible_yet")
    assert end.available_at == sent.decided_at + story.bench.workflow.app.commits.settle_time
    assert story.item.state == "submitted"
    assert (await story.to_the_end()).outcome == "passed"
    assert story.app.count("send") == 1


async def test_a_confirmed_record_that_does_not_exist_is_missing_and_not_sent_again(story: Story) -> None:
    story.app.will("send", "lost")
    end = await story.to_the_end()
    assert (end.outcome, end.reason, story.app.count("send")) == ("review", "record_missing", 1)
    reopen(story.bench.database, story.item.id, "ana", "look again")
    assert (await story.to_the_end()).reason == "record_missing"
    assert story.app.count("send") == 1


@pytest.mark.parametrize("place", ["begin", "open", "fill", "aim"])
@pytest.mark.parametrize("fault", ["error", "crash"])
async def test_an_error_before_the_commit_is_an_ordinary_retry(story: Story, place: str, fault: str) -> None:
    story.app.will(place, fault)
    end = await story.attempt()
    assert (end.outcome, end.error_kind, story.item.failures) == ("retry", "system", 1)
    assert end.available_at == story.bench.clock.now() + timedelta(seconds=5)
    assert (await story.to_the_end()).outcome == "passed"
    assert len(story.app.records) == 1


async def test_after_the_last_attempt_a_person_decides(story: Story) -> None:
    story.app.will("fill", *["error"] * 4)
    end = await story.to_the_end()
    assert (end.outcome, end.error_kind, end.reason) == ("review", "system", "element_missing")
    assert len(story.bench.rows(t.attempts)) == 4


async def test_wrong_data_are_never_retried(story: Story) -> None:
    story.app.will("fill", "business")
    end = await story.attempt()
    assert (end.outcome, end.error_kind, end.reason) == ("review", "business", "unknown_choice")


@pytest.mark.parametrize("place", ["find", "read"])
async def test_an_error_after_the_commit_verifies_again_and_never_sends_again(story: Story, place: str) -> None:
    story.app.will(place, "error")
    end = await story.attempt()
    assert (end.outcome, story.item.state) == ("retry", "submitted")
    assert (await story.to_the_end()).outcome == "passed"
    assert story.app.count("send") == 1


async def test_a_value_that_the_application_changed_is_a_mismatch(story: Story) -> None:
    story.app.will("send", "cut_after_commit")
    await story.attempt()
    story.app.records[0].values["total"] = Decimal("1.00")
    end = await story.to_the_end()
    assert (end.outcome, end.reason) == ("review", "mismatch")


async def test_a_second_commit_that_fails_never_repeats_the_first(story: Story) -> None:
    use(story, segments=2)
    story.app.will("send", "ok", "cut_before_commit", "error_after_commit")
    end = await story.to_the_end()
    assert end.outcome == "passed"
    assert [record.key[2] for record in story.app.records] == [3, 7]
    assert story.app.count("send") == 3
    assert [(row.segment, row.outcome) for row in story.bench.rows(t.intents)] == [
        (0, "sent"),
        (1, "absent"),
        (1, "sent"),
    ]


async def test_what_an_earlier_segment_read_survives_a_lost_session(story: Story) -> None:
    use(story, segments=2)
    story.app.will("fill", "ok", "session_lost")
    end = await story.attempt()
    assert (end.outcome, story.app.count("send")) == ("passed", 2)


async def test_a_workflow_that_only_reads_commits_nothing(story: Story) -> None:
    workflow = story.bench.workflow
    object.__setattr__(workflow, "steps", (workflow.steps[0], workflow.steps[1]))
    end = await story.attempt()
    assert (story.intents, story.app.records) == ([], [])
    assert end.reason == "mismatch", "nothing was read, so nothing is proven"


async def test_a_step_that_hangs_ends_at_its_limit(story: Story) -> None:
    use(story, step_limit=timedelta(milliseconds=20))
    story.app.will("fill", "hang")
    end = await story.attempt()
    assert (end.outcome, end.reason) == ("retry", "step_timeout")
    assert isinstance(story.errors[-1], SystemException)


async def test_a_step_limit_never_cuts_a_send_short(story: Story) -> None:
    use(story, step_limit=timedelta(milliseconds=20), time=Time(limit=timedelta(milliseconds=120)))
    story.app.will("send", "hang")
    end = await story.attempt()
    assert (end.outcome, end.reason, story.intents) == ("in_doubt", "item_timeout", [None])
    assert (await story.to_the_end()).outcome == "passed"
    assert len(story.app.records) == 1


async def test_an_item_that_another_worker_took_meanwhile_is_left_alone(story: Story) -> None:
    def taken() -> bool:
        story.wait(61)
        story.bench.claim("worker-2")
        return False

    story.holds_lease = taken
    with pytest.raises(Stale):
        await story.attempt()
    assert (story.app.count("send"), story.app.records) == (0, [])
    assert (story.item.owner, story.intents) == ("worker-2", [None]), "the gate's row is the next worker's to recover"


async def test_an_error_that_only_looks_like_a_time_out_is_named_as_it_is(story: Story) -> None:
    use(story, step_limit=timedelta(seconds=30))
    story.app.will("fill", "socket_timeout")
    with pytest.raises(TimeoutError, match="socket"):
        await story.attempt()
