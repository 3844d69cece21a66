from __future__ import annotations

from datetime import timedelta

import pytest

from engine.definition import Commits
from engine.errors import Stale
from engine.ledger import tables as t
from engine.ledger.protocol import Settlement, decide, gate
from engine.ledger.queue import next_wake
from engine.ledger.reviews import reopen
from engine.ledger.run_audit import DueAudit, claim_audit, close_audit, give_back
from tests.engine.conftest import Bench

AUDIT_LEASE = timedelta(minutes=10)


def enter(bench: Bench, *numbers: int) -> None:
    """Enter items, as a worker does, and let the settle time pass."""
    bench.enqueue(*numbers)
    for _ in numbers:
        claimed = bench.claim()
        decide(bench.database, claimed, gate(bench.database, claimed, 0, Commits()), "sent")
        bench.settle(claimed, Settlement("passed"))
    bench.later(seconds=10)


def take(bench: Bench, worker: str = "worker-1") -> DueAudit:
    due = claim_audit(bench.database, worker, AUDIT_LEASE)
    assert due is not None
    return due


def test_a_run_is_audited_after_the_settle_time_and_by_one_worker(bench: Bench) -> None:
    enter(bench, 1, 2)
    bench.clock.advance(-timedelta(seconds=1))
    assert claim_audit(bench.database, "worker-1", AUDIT_LEASE) is None
    bench.later(seconds=1)
    due = take(bench)
    assert [(item.reference, item.expected) for item in due.items] == [("东方/INV-1", 1), ("东方/INV-2", 1)]
    assert claim_audit(bench.database, "worker-2", AUDIT_LEASE) is None
    result = close_audit(bench.database, "worker-1", due, {1: 1, 2: 1})
    assert (result.keys, result.as_expected, result.missing, result.duplicates) == (2, 2, (), ())
    run = bench.one(t.runs)
    assert (run.state, run.audit["keys"], run.audit_owner) == ("done", 2, None)
    assert next_wake(bench.database) is None


def test_a_late_duplicate_and_a_missing_record_put_passed_items_in_review(bench: Bench) -> None:
    enter(bench, 1, 2, 3)
    result = close_audit(bench.database, "worker-1", take(bench), {1: 2, 2: 1})
    assert (result.as_expected, result.missing, result.duplicates) == (1, ("东方/INV-3",), ("东方/INV-1",))
    assert [(item.state, item.reason) for item in bench.rows(t.items)] == [
        ("review", "audit_duplicate"),
        ("passed", None),
        ("review", "audit_missing"),
    ]
    findings = [row.findings[0] for row in bench.rows(t.verdicts)]
    assert [(finding["check"], finding["code"]) for finding in findings] == [
        ("run_audit", "audit_duplicate"),
        ("run_audit", "audit_missing"),
    ]
    assert "2 record(s)" in findings[0]["message"]
    seen = bench.one(t.events, t.events.c.kind == "run.audited").data
    assert seen["duplicates"] == ["东方/INV-1"]
    assert seen["unforeseen"] == ["东方/INV-1", "东方/INV-3"]


def test_what_the_audit_gives_to_a_person_waits_since_then(bench: Bench) -> None:
    enter(bench, 1)
    close_audit(bench.database, "worker-1", take(bench), {})
    assert bench.one(t.items).closed_at == bench.clock.now()


def test_an_item_that_was_never_sent_is_not_looked_for(bench: Bench) -> None:
    bench.enqueue(1)
    bench.settle(bench.claim(), Settlement("review", error_kind="business", reason="unknown_choice"))
    bench.later(seconds=10)
    due = take(bench)
    assert due.items == ()
    assert close_audit(bench.database, "worker-1", due, {}).keys == 0


def test_an_item_in_doubt_that_landed_after_all_is_reported(bench: Bench) -> None:
    bench.enqueue(1)
    claimed = bench.claim()
    gate(bench.database, claimed, 0, Commits())
    bench.settle(claimed, Settlement("review", error_kind="business", reason="in_doubt"))
    bench.later(seconds=10)
    due = take(bench)
    assert [item.expected for item in due.items] == [0]
    close_audit(bench.database, "worker-1", due, {1: 1})
    assert "1 record(s)" in bench.one(t.verdicts).findings[0]["message"]
    assert (bench.one(t.items).state, bench.one(t.items).reason) == ("review", "in_doubt")


def test_an_audit_whose_worker_died_is_taken_over_and_the_dead_one_changes_nothing(bench: Bench) -> None:
    enter(bench, 1)
    dead = take(bench, "worker-1")
    assert next_wake(bench.database) == bench.clock.now() + AUDIT_LEASE
    bench.later(seconds=601)
    due = take(bench, "worker-2")
    before = bench.everything()
    with pytest.raises(Stale):
        close_audit(bench.database, "worker-1", dead, {1: 2})
    assert bench.everything() == before
    close_audit(bench.database, "worker-2", due, {1: 1})
    before = bench.everything()
    with pytest.raises(Stale):
        close_audit(bench.database, "worker-2", due, {1: 2})
    assert bench.everything() == before


def test_a_run_that_is_reopened_meanwhile_is_audited_anew(bench: Bench) -> None:
    enter(bench, 1)
    bench.enqueue(2)
    claimed = bench.claim()
    bench.settle(claimed, Settlement("review", reason="mismatch"))
    bench.later(seconds=10)
    take(bench)
    due = take(bench)
    reopen(bench.database, claimed.item_id, "ana", "again")
    with pytest.raises(Stale):
        close_audit(bench.database, "worker-1", due, {})
    bench.settle(bench.claim(), Settlement("passed"))
    bench.later(seconds=10)
    assert take(bench, "worker-2").run_id == due.run_id, "the abandoned audit does not hold up the new one"


def test_an_audit_that_could_not_be_made_is_tried_again_later(bench: Bench) -> None:
    enter(bench, 1)
    give_back(bench.database, take(bench), timedelta(seconds=30))
    assert claim_audit(bench.database, "worker-1", AUDIT_LEASE) is None
    assert next_wake(bench.database) == bench.clock.now() + timedelta(seconds=30)
    bench.later(seconds=30)
    assert take(bench).run_id == bench.one(t.runs).id


def test_a_worker_may_ask_for_its_own_runs(bench: Bench) -> None:
    enter(bench, 1)
    assert claim_audit(bench.database, "worker-1", AUDIT_LEASE, run_ids=[99]) is None
    assert claim_audit(bench.database, "worker-1", AUDIT_LEASE, run_ids=[1]) is not None
