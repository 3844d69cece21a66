"""What becomes of a commit that nobody confirmed (DESIGN section 5, recovery)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.definition import Commits, Retry
from engine.evidence import EvidenceStore
from engine.executor import NotYet
from engine.ledger import tables as t
from tests.engine.conftest import Bench, make_workflow
from tests.engine.simulated_app import Application
from tests.engine.story import Story

NOT_AUTHORITATIVE = Commits(find_authoritative=False)


@pytest.fixture
def story(bench: Bench, store: EvidenceStore) -> Story:
    bench.enqueue(1)
    return Story(bench, Application(bench.clock), store)


def use(story: Story, **options: object) -> None:
    """Work under another definition than the fixture's."""
    story.bench.workflow = make_workflow(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("fault", ["answer_late", "error_after_commit", "cut_after_commit", "crash_after_commit"])
async def test_a_commit_that_was_not_confirmed_is_found_and_never_sent_again(story: Story, fault: str) -> None:
    story.app.will("send", fault)
    first = await story.attempt()
    assert first.outcome == "in_doubt"
    assert first.available_at == story.bench.one(t.intents).lands_until
    assert story.item.state == "submitting"
    assert (await story.to_the_end()).outcome == "passed"
    assert (story.app.count("send"), len(story.app.records)) == (1, 1)
    assert story.intents == ["sent"]


@pytest.mark.parametrize("fault", ["cut_before_commit", "crash_before_commit", "session_lost"])
async def test_a_commit_that_never_arrived_is_sent_exactly_once_more(story: Story, fault: str) -> None:
    story.app.will("send", fault)
    assert (await story.attempt()).outcome == "in_doubt"
    assert (await story.to_the_end()).outcome == "passed"
    assert (story.app.count("send"), len(story.app.records)) == (2, 1)
    assert story.intents == ["absent", "sent"]


async def test_a_request_that_lands_late_is_waited_for(story: Story) -> None:
    story.app.delay = timedelta(seconds=40)
    story.app.will("send", "commit_late")
    assert (await story.to_the_end()).outcome == "passed"
    assert (story.app.count("send"), len(story.app.records)) == (1, 1)


async def test_while_a_request_may_still_land_nothing_is_asked_or_typed(story: Story) -> None:
    story.app.will("send", "cut_before_commit")
    await story.attempt()
    with story.bench.database.write() as connection:  # another reason to claim it early: a person, a bug, a clock
        connection.execute(t.items.update().values(available_at=story.bench.clock.now()))
    before = len(story.app.log)
    end = await story.attempt()
    assert isinstance(story.errors[-1], NotYet)
    assert (end.outcome, end.available_at) == ("in_doubt", story.bench.one(t.intents).lands_until)
    assert [action for action in story.app.log[before:] if action not in {"begin", "end"}] == []


async def test_a_record_that_is_not_seen_where_the_search_proves_nothing_goes_to_a_person(story: Story) -> None:
    use(story, commits=NOT_AUTHORITATIVE)
    story.app.will("send", "cut_before_commit")
    end = await story.to_the_end()
    assert (end.outcome, end.reason, end.error_kind) == ("review", "in_doubt", "business")
    assert (story.app.count("send"), story.intents) == (1, [None])


async def test_a_record_that_looks_alike_goes_to_a_person(story: Story) -> None:
    story.app.will("send", "cut_before_commit")
    story.app.will("find", "alike")
    end = await story.to_the_end()
    assert (end.outcome, end.reason) == ("review", "in_doubt")
    assert story.app.count("send") == 1


async def test_two_records_found_in_recovery_are_a_duplicate(story: Story) -> None:
    story.app.will("send", "answer_late")
    await story.attempt()
    story.app.post(story.app.records[0].key, story.app.records[0].values)
    end = await story.to_the_end()
    assert (end.outcome, end.reason, story.app.count("send")) == ("review", "duplicate", 1)


async def test_two_records_found_in_verification_are_a_duplicate(story: Story) -> None:
    story.app.will("send", "twice")
    end = await story.to_the_end()
    assert (end.outcome, end.reason, story.app.count("send")) == ("review", "duplicate", 1)
    assert story.item.record_url is not None


async def test_without_a_find_an_unconfirmed_commit_goes_to_a_person(story: Story) -> None:
    use(story, find=False)
    story.app.will("send", "answer_late")
    end = await story.to_the_end()
    assert (end.outcome, end.reason) == ("review", "in_doubt")
    assert (story.app.count("send"), story.app.count("find")) == (1, 0)


async def test_a_session_lost_in_recovery_is_entered_again(story: Story) -> None:
    story.app.will("send", "answer_late")
    story.app.will("find", "session_lost")
    assert (await story.to_the_end()).outcome == "passed"
    assert story.app.count("send") == 1


async def test_a_recovery_that_fails_backs_off_and_ends_with_a_person(story: Story) -> None:
    story.app.will("send", "answer_late")
    story.app.will("find", *["error"] * 10)
    await story.attempt()
    story.wait(60)
    waits = []
    for _ in range(3):
        end = await story.attempt()
        assert end.outcome == "retry"
        assert end.available_at is not None
        waits.append((end.available_at - story.bench.clock.now()).total_seconds())
        story.wait(waits[-1])
    assert waits == [5, 10, 20]
    end = await story.attempt()
    assert (end.outcome, story.intents, story.app.count("send")) == ("review", [None], 1)


async def test_endless_sending_is_refused(story: Story) -> None:
    use(story, retry=Retry(attempts=3, jitter=False))
    story.app.will("send", *["cut_before_commit"] * 10)
    end = await story.to_the_end()
    assert (end.outcome, end.reason, end.error_kind) == ("review", "too_many_attempts", "business")
    assert (story.app.count("send"), story.intents) == (3, ["absent"] * 3)
