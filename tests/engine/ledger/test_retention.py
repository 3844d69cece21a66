"""Files and payloads go when their time is over; what the ledger says of them stays, and what is needed is kept."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.definition import Evidence, Workflow
from engine.errors import UserError
from engine.evidence import EvidenceStore
from engine.ledger import reviews
from engine.ledger import tables as t
from engine.ledger.check import check
from engine.ledger.retention import Pruned, prune, prune_some
from engine.ledger.run_audit import claim_audit, close_audit
from engine.ledger.runs import RejectedInput
from tests.engine.conftest import LEASE, Bench, make_workflow
from tests.engine.simulated_app import Application
from tests.engine.story import Story

KEEP, PAYLOAD = timedelta(days=90), timedelta(days=400)
DAY = timedelta(days=1)


def policy(keep_payload: timedelta | None = PAYLOAD) -> Workflow:
    """Return the story's definition with times to keep."""
    workflow = make_workflow()
    object.__setattr__(workflow, "evidence", Evidence(keep=KEEP, keep_payload=keep_payload))
    return workflow


@pytest.fixture
async def story(bench: Bench, store: EvidenceStore) -> Story:
    """A run that is done: three items passed, one waits for a person."""
    bench.enqueue(1, 2, 3, 4, rejected=[RejectedInput("x.csv:9", ("no key",), {"supplier": "李明"})])
    story = Story(bench, Application(bench.clock), store)
    story.app.will("send", "reject")
    for _ in range(4):
        await story.attempt()
    close(story)
    return story


def close(story: Story) -> None:
    """Audit what is due."""
    story.wait(60)
    due = claim_audit(story.bench.database, "auditor", LEASE)
    assert due is not None
    close_audit(story.bench.database, "auditor", due, {item.item_id: item.expected for item in due.items})


def test_files_go_first_then_words_and_figures_never(story: Story) -> None:
    bench, store = story.bench, story.store
    files = [Path(store.root / row.path) for row in bench.rows(t.evidence)]
    assert prune(bench.database, store, lambda _: policy()) == Pruned()
    bench.clock.advance(KEEP + DAY)
    of_passed = len(bench.rows(t.evidence, t.evidence.c.item_id > 1))
    assert prune(bench.database, store, lambda _: policy()) == Pruned(files=of_passed)
    assert [path.exists() for path in files].count(True) == len(files) - of_passed, "what waits for a person is kept"
    assert prune(bench.database, store, lambda _: policy()) == Pruned()
    assert {item.payload != {} for item in bench.rows(t.items)} == {True}

    before = bench.everything()
    bench.clock.advance(PAYLOAD - KEEP)
    assert prune(bench.database, store, lambda _: policy()) == Pruned(payloads=3)
    after = bench.everything()
    assert [item.payload == {} for item in after["items"]] == [False, True, True, True]
    assert [attempt.read_back is None for attempt in after["attempts"]] == [True, True, True, True]
    for name, columns in {
        "items": ("reference", "payload_hash", "state", "closed_at", "record_url", "app_id"),
        "attempts": ("outcome", "error_code", "steps", "started_at", "ended_at"),
        "verdicts": ("decision", "probability"),
        "evidence": ("sha256", "size"),
        "intents": ("outcome", "url"),
    }.items():
        for column in columns:
            assert [getattr(row, column) for row in after[name]] == [getattr(row, column) for row in before[name]]
    rejected = bench.one(t.events, t.events.c.kind == "source.rejected")
    assert rejected.data == {}
    assert check(bench.database, store).wrong == []
    assert bench.enqueue(1, 2, 3, 4).enqueued == 0, "it is still known"


def test_what_waits_for_a_person_goes_when_the_person_has_decided_and_the_time_is_over(story: Story) -> None:
    bench = story.bench
    bench.clock.advance(PAYLOAD + DAY)
    prune(bench.database, story.store, lambda _: policy())
    reviews.decide(bench.database, 1, "reject", "ana", workflow=bench.workflow, reason="wrong")
    bench.clock.advance(DAY)
    assert prune(bench.database, story.store, lambda _: policy()) == Pruned()
    bench.clock.advance(PAYLOAD)
    done = prune(bench.database, story.store, lambda _: policy())
    assert done.payloads == 1
    assert done.files > 0
    assert bench.one(t.runs).prune_at == t.NEVER, "nothing is left to look for"


def test_without_a_time_payloads_stay_for_ever(story: Story) -> None:
    story.bench.clock.advance(PAYLOAD * 10)
    assert prune(story.bench.database, story.store, lambda _: policy(None)).payloads == 0


def test_a_call_does_a_little_and_the_next_goes_on(story: Story) -> None:
    bench = story.bench
    bench.clock.advance(PAYLOAD + DAY)
    calls = [prune_some(bench.database, story.store, lambda _: policy(), limit=2) for _ in range(3)]
    assert [call.payloads for call in calls] == [1, 2, 0]
    assert [call.more for call in calls] == [True, True, False]


async def test_a_run_that_was_taken_up_again_is_looked_at_again(story: Story) -> None:
    bench = story.bench
    bench.clock.advance(KEEP + DAY)
    prune(bench.database, story.store, lambda _: policy())
    reviews.reopen(bench.database, 1, "ana", "again")
    assert (bench.one(t.runs).prune_at, bench.one(t.runs).prune_from) == (t.UNKNOWN, 0)
    bench.clock.advance(PAYLOAD)
    assert prune(bench.database, story.store, lambda _: policy()) == Pruned(), "it is open"
    await story.attempt()
    close(story)
    assert prune(bench.database, story.store, lambda _: policy()) == Pruned()
    bench.clock.advance(PAYLOAD)
    assert prune(bench.database, story.store, lambda _: policy()).payloads == 4


def test_files_that_a_killed_worker_never_sealed_go_too(story: Story) -> None:
    bench, store = story.bench, story.store
    with bench.database.write() as connection:
        connection.execute(sa.delete(t.evidence).where(t.evidence.c.item_id == 2))
    torn = store.folder(1, 2, 1) / "payload.json"
    assert torn.exists()
    bench.clock.advance(KEEP + DAY)
    prune(bench.database, store, lambda _: policy())
    assert not torn.exists()


def test_a_definition_that_cannot_be_loaded_keeps_its_data(story: Story) -> None:
    def broken(_: str) -> Workflow:
        raise UserError("no such step")

    story.bench.clock.advance(PAYLOAD + DAY)
    before = story.bench.rows(t.items)
    assert prune(story.bench.database, story.store, broken) == Pruned()
    assert story.bench.rows(t.items) == before


def test_what_is_of_no_use_any_more_is_dropped(story: Story) -> None:
    bench, now = story.bench, story.bench.clock.now()
    with bench.database.write() as connection:
        incident = {"kind": "worker.lost", "subject": "old", "message": "-", "data": {}}
        for key, closed in (("1", now - timedelta(days=401)), ("2", now), ("3", None)):
            row = {**incident, "key": key, "opened_at": now - timedelta(days=500), "closed_at": closed}
            connection.execute(sa.insert(t.incidents).values(row))
    assert prune(bench.database, story.store, lambda _: policy()) == Pruned(rows=1)
    assert [row.key for row in bench.rows(t.incidents)] == ["2", "3"]
