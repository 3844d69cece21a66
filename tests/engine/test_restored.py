"""What a bot does with items that may have been entered after the backup from which the ledger was restored."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from engine.definition import Commits
from engine.errors import UserError
from engine.evidence import EvidenceStore
from engine.ledger import reviews
from engine.ledger import tables as t
from engine.ledger.run_audit import claim_audit, close_audit
from engine.ledger.trust import distrust, trust
from tests.engine.conftest import Bench, invoice, make_workflow
from tests.engine.simulated_app import Application
from tests.engine.story import Story

LANDED = timedelta(minutes=5)


@pytest.fixture
def story(bench: Bench, store: EvidenceStore) -> Story:
    """A ledger that was restored a while ago."""
    with bench.database.write() as connection:
        distrust(connection, bench.clock.now() - timedelta(hours=1), bench.clock.now())
    bench.enqueue(1)
    bench.clock.advance(LANDED)
    return Story(bench, Application(bench.clock), store)


def entered(story: Story, **changes: Any) -> None:
    """Let the record be in the application already."""
    values = invoice(1).payload | changes
    story.app.post((str(values["supplier"]), str(values["invoice_no"]), 3), values)


async def test_a_record_that_is_there_is_not_entered_again_but_read_back_and_audited(story: Story) -> None:
    entered(story)
    assert (await story.attempt()).outcome == "passed"
    assert (story.app.count("send"), story.app.count("fill"), len(story.app.records)) == (0, 0, 1)
    assert story.intents == ["sent"]
    story.wait(60)
    due = claim_audit(story.bench.database, "auditor", LANDED)
    assert due is not None
    assert [item.expected for item in due.items] == [1]
    assert close_audit(story.bench.database, "auditor", due, {due.items[0].item_id: 1}).as_expected == 1


async def test_a_record_that_is_provably_not_there_is_entered(story: Story) -> None:
    assert (await story.attempt()).outcome == "passed"
    assert (story.app.count("send"), len(story.app.records)) == (1, 1)
    assert story.app.log.index("find") < story.app.log.index("fill")


async def test_a_record_that_is_there_with_other_data_goes_to_a_person(story: Story) -> None:
    entered(story, total=invoice(2).payload["total"])
    end = await story.attempt()
    assert (end.outcome, end.reason, story.app.count("send")) == ("review", "mismatch", 0)


async def test_two_records_are_a_duplicate(story: Story) -> None:
    entered(story)
    entered(story)
    end = await story.attempt()
    assert (end.outcome, end.reason, story.app.count("send")) == ("review", "duplicate", 0)


@pytest.mark.parametrize("why", ["search proves nothing", "looks alike", "no find"])
async def test_what_is_not_to_be_seen_is_a_persons_to_decide(story: Story, why: str) -> None:
    if why == "looks alike":
        story.app.will("find", "alike")
    elif why == "no find":
        story.bench.workflow = make_workflow(find=False)
    else:
        story.bench.workflow = make_workflow(commits=Commits(find_authoritative=False))
    end = await story.attempt()
    assert (end.outcome, end.reason, story.app.count("send")) == ("review", "in_doubt", 0)


async def test_what_was_under_way_when_the_ledger_was_restored_is_waited_for(story: Story) -> None:
    bench = story.bench
    with bench.database.write() as connection:
        distrust(connection, bench.clock.now(), bench.clock.now())
    end = await story.attempt()
    commits = bench.workflow.app.commits
    assert end.outcome == "in_doubt"
    assert end.available_at == bench.clock.now() + commits.click_window + commits.submit_timeout + commits.settle_time
    entered(story)  # the request of the fleet that is gone lands
    assert (await story.to_the_end()).outcome == "passed"
    assert (story.app.count("send"), len(story.app.records)) == (0, 1)


async def test_a_commit_that_failed_before_the_backup_is_asked_for_too(story: Story) -> None:
    bench = story.bench
    claimed = bench.claim()
    with bench.database.write() as connection:
        now = bench.clock.now()
        row = {"item_id": claimed.item_id, "segment": 0, "fence": 1, "gate": 0, "payload_hash": "-"}
        connection.execute(
            sa.insert(t.intents).values(**row, at=now, lands_until=now, outcome="absent", decided_at=now)
        )
    bench.later(minutes=5)
    entered(story)  # sent again after the backup
    assert (await story.attempt("worker-2")).outcome == "passed"
    assert (story.app.count("send"), len(story.app.records)) == (0, 1)


@pytest.mark.parametrize("segments", [2])
async def test_each_commit_of_an_item_is_asked_for(story: Story, segments: int) -> None:
    story.bench.workflow = make_workflow(segments=segments)
    entered(story)  # the first commit's record; the second is not there yet
    assert (await story.to_the_end()).outcome == "passed"
    assert (story.app.count("send"), len(story.app.records), story.intents) == (1, 2, ["sent", "sent"])


@pytest.mark.parametrize(("made", "outcome", "sends"), [(True, "passed", 0), (False, "review", 0)])
async def test_a_correction_is_done_if_the_record_reads_so_and_else_a_persons(
    story: Story, made: bool, outcome: str, sends: int
) -> None:
    """A correction's record is always there: repeating one that a later one overtook would undo that."""
    bench = story.bench
    entered(story, total=invoice(2).payload["total"])
    assert (await story.attempt()).reason == "mismatch"
    if made:
        story.app.records.clear()
        entered(story)
    item = bench.one(t.items)
    changes = {"total": invoice(1).payload["total"]}
    reviews.correct(bench.database, item.id, changes, "ana", workflow=bench.workflow)
    end = await story.attempt()
    assert (end.outcome, story.app.count("send")) == (outcome, sends)
    assert end.reason == (None if made else "in_doubt")


async def test_once_somebody_trusts_the_ledger_new_and_reopened_items_are_entered_without_asking(story: Story) -> None:
    bench = story.bench
    story.bench.workflow = make_workflow(commits=Commits(find_authoritative=False))
    assert (await story.attempt()).reason == "in_doubt"
    reviews.reopen(bench.database, 1, "ana", "look again")
    assert (await story.attempt()).reason == "in_doubt", "giving it back does not make the ledger complete"
    trust(bench.database, "ana")
    with pytest.raises(UserError, match="ana trusted"):
        trust(bench.database, "bob")
    reviews.reopen(bench.database, 1, "ana", "it is not there")
    bench.enqueue(2)
    for _ in range(2):
        assert (await story.attempt()).outcome == "passed"
    assert story.app.count("send") == 2
