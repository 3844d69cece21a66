from __future__ import annotations

import multiprocessing
import shutil
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.clock import SystemClock
from engine.definition import Commits, MaintenanceWindow
from engine.errors import Stale
from engine.ledger import tables as t
from engine.ledger.database import Database
from engine.ledger.protocol import Settlement, decide, gate, settle
from engine.ledger.queue import claim, extend, is_work_left, next_wake
from engine.ledger.reviews import reopen
from engine.ledger.runs import open_run
from engine.rate import Rate
from tests.engine.conftest import LEASE, Bench, invoice, make_workflow


def pause(bench: Bench, app: str, seconds: float) -> None:
    with bench.database.write() as connection:
        now = bench.clock.now()
        closed = {"failures": 5, "open_until": now + timedelta(seconds=seconds)}
        connection.execute(sa.update(t.apps).where(t.apps.c.app == app).values(**closed))


def test_a_claim_says_everything_a_worker_needs(bench: Bench) -> None:
    opened = bench.enqueue(1)
    claimed = bench.claim("worker-7")
    item, attempt = bench.one(t.items), bench.one(t.attempts)
    assert (item.state, item.owner, item.fence) == ("working", "worker-7", 1)
    assert item.lease_until == bench.clock.now() + LEASE
    assert (attempt.fence, attempt.worker, attempt.started_at) == (1, "worker-7", bench.clock.now())
    assert (claimed.run_id, claimed.kind, claimed.fence, claimed.attempt_id) == (opened.run_id, "entry", 1, attempt.id)
    assert (claimed.failures, claimed.orphans, claimed.intents, claimed.corrects) == (0, 0, (), None)


def test_the_order_is_priority_then_deadline_then_age(bench: Bench) -> None:
    now = bench.clock.now()
    bench.enqueue(1)
    bench.settle(bench.claim(), Settlement("retry", available_at=now + timedelta(seconds=30)))
    bench.enqueue(2, 3)
    bench.enqueue(4, due_at=now + timedelta(hours=2))
    bench.enqueue(5, due_at=now + timedelta(hours=1))
    bench.enqueue(6, priority=5)
    bench.enqueue(7, workflow=make_workflow(name="urgent", app="bank", priority=7))
    bench.later(seconds=30)
    order = [bench.claim().reference for _ in range(7)]
    assert order == [f"东方/INV-{number}" for number in (7, 6, 5, 4, 1, 2, 3)]


def test_an_account_is_never_used_in_more_sessions_than_it_has_whoever_claims(bench: Bench) -> None:
    two = make_workflow(max_sessions=2)
    bench.enqueue(1, 2, 3, workflow=two)
    bench.enqueue(4, workflow=make_workflow(name="other", app="bank"))
    first = bench.claim("worker-1")
    bench.claim("worker-2")
    assert bench.claim("worker-3").app == "bank", "other applications go on"
    assert bench.nothing_to_claim("worker-3")
    bench.settle(first, Settlement("passed"))
    assert bench.claim("worker-3").reference == "东方/INV-3"
    assert bench.nothing_to_claim("worker-3")


def test_a_dead_workers_sessions_are_free_when_its_leases_have_run_out(bench: Bench) -> None:
    bench.enqueue(1, 2, workflow=make_workflow(max_sessions=1))
    bench.claim("worker-1")
    bench.later(seconds=60)
    assert bench.nothing_to_claim("worker-2")
    bench.later(seconds=0.001)
    assert bench.claim("worker-2").reference == "东方/INV-1"


def test_the_newest_run_decides_the_limits_of_an_application(bench: Bench) -> None:
    bench.enqueue(1, 2, workflow=make_workflow(max_sessions=1))
    bench.claim()
    assert bench.nothing_to_claim()
    bench.enqueue(3, workflow=make_workflow(max_sessions=3))
    assert bench.claim().reference == "东方/INV-2"


def test_items_of_an_application_are_started_no_faster_than_its_rate(bench: Bench) -> None:
    bench.enqueue(1, 2, workflow=make_workflow(rate=Rate(30, "m")))
    bench.claim("worker-1")
    assert bench.nothing_to_claim("worker-2")
    assert next_wake(bench.database) == bench.clock.now() + timedelta(seconds=2)
    bench.later(seconds=2)
    assert bench.claim("worker-2").reference == "东方/INV-2"


def test_nothing_is_started_while_an_application_is_maintained(bench: Bench) -> None:
    window = MaintenanceWindow(days=("mon",), start="10:00", end="11:00", timezone="Europe/Berlin")
    workflow = make_workflow()
    bench.enqueue(1, workflow=replace(workflow, app=replace(workflow.app, maintenance=(window,))))
    bench.later(minutes=60)  # Monday, 09:00 UTC
    assert bench.nothing_to_claim()
    bench.later(minutes=60)
    assert bench.claim().reference == "东方/INV-1"


def test_what_a_worker_refuses_is_left_for_others(bench: Bench) -> None:
    other = make_workflow(name="other")
    bench.enqueue(1)
    bench.enqueue(2, workflow=other)
    assert bench.claim(refused=[bench.workflow.hash]).workflow == "other"
    assert bench.nothing_to_claim(refused=[bench.workflow.hash])
    assert is_work_left(bench.database)
    assert is_work_left(bench.database, refused=[bench.workflow.hash])
    assert not is_work_left(bench.database, refused=[bench.workflow.hash, other.hash])
    assert bench.claim().workflow == "invoice-entry"


def test_leased_and_delayed_items_and_paused_applications_are_left_alone(bench: Bench) -> None:
    bench.enqueue(1, 2)
    bench.enqueue(3, workflow=make_workflow(name="other", app="bank"))
    bench.claim()
    bench.settle(bench.claim(), Settlement("retry", available_at=bench.clock.now() + timedelta(seconds=30)))
    pause(bench, "bank", 20)
    assert bench.nothing_to_claim()
    assert next_wake(bench.database) == bench.clock.now() + timedelta(seconds=20)
    bench.later(seconds=20)
    assert bench.claim().workflow == "other"
    assert next_wake(bench.database) == bench.clock.now() + timedelta(seconds=10)
    bench.later(seconds=10)
    assert bench.claim().reference == "东方/INV-2"
    assert bench.nothing_to_claim()


def test_a_worker_may_ask_for_some_runs_only(bench: Bench) -> None:
    bench.enqueue(1)
    mine = bench.enqueue(2)
    assert bench.claim(run_ids=[mine.run_id]).reference == "东方/INV-2"
    assert bench.nothing_to_claim(run_ids=[mine.run_id])
    assert bench.nothing_to_claim(run_ids=[])
    assert next_wake(bench.database, [mine.run_id]) == bench.clock.now() + LEASE


def test_when_every_run_is_done_there_is_nothing_to_wake_for(bench: Bench) -> None:
    assert next_wake(bench.database) is None
    run = bench.enqueue(1)
    assert next_wake(bench.database, [run.run_id]) == bench.clock.now()


def test_an_expired_lease_is_claimed_with_the_next_fence_and_orphans_the_earlier_attempt(bench: Bench) -> None:
    bench.enqueue(1)
    bench.claim("worker-1")
    bench.later(seconds=60)
    assert bench.nothing_to_claim("worker-2"), "the lease holds to its very end"
    bench.later(seconds=1)
    second = bench.claim("worker-2")
    assert (second.fence, second.worker, second.orphans) == (2, "worker-2", 1)
    first, now = bench.rows(t.attempts)
    assert (first.outcome, first.error_kind, first.error_code) == ("orphaned", "system", "worker_lost")
    assert first.ended_at == bench.clock.now()
    assert (now.outcome, now.fence) == (None, 2)


def test_orphans_count_anew_after_a_person_has_looked(bench: Bench) -> None:
    bench.enqueue(1)
    for _ in range(3):
        bench.claim()
        bench.later(seconds=61)
    dead = bench.claim()
    assert dead.orphans == 3
    bench.settle(dead, Settlement("review", reason="too_many_attempts", error_kind="business"))
    reopen(bench.database, dead.item_id, "ana", "the machine was replaced")
    assert bench.claim().orphans == 0


def test_every_write_of_the_old_fence_is_stale_and_changes_nothing(bench: Bench) -> None:
    bench.enqueue(1)
    old = bench.claim("worker-1")
    intent = gate(bench.database, old, 0, Commits())
    bench.later(seconds=61)
    bench.claim("worker-2")
    before = bench.everything()
    with pytest.raises(Stale):
        gate(bench.database, old, 0, Commits())
    for outcome in ("sent", "absent", "not_clicked", "rejected"):
        with pytest.raises(Stale):
            decide(bench.database, old, intent, outcome, url="http://erp.invalid/1")
    for outcome in ("passed", "review", "retry", "in_doubt", "released"):
        with pytest.raises(Stale):
            bench.settle(old, Settlement(outcome, error_kind="system", reason="x"))  # type: ignore[arg-type]
    assert extend(bench.database, "worker-1", [(old.item_id, old.fence)], LEASE) == {(old.item_id, old.fence)}
    assert bench.everything() == before


def test_a_settled_item_cannot_be_settled_again(bench: Bench) -> None:
    bench.enqueue(1)
    claimed = bench.claim()
    bench.settle(claimed, Settlement("passed"))
    before = bench.everything()
    with pytest.raises(Stale):
        bench.settle(claimed, Settlement("review"))
    assert extend(bench.database, "worker-1", [(claimed.item_id, claimed.fence)], LEASE) == {
        (claimed.item_id, claimed.fence)
    }
    assert bench.everything() == before


def test_extending_moves_only_the_leases_that_are_held(bench: Bench) -> None:
    bench.enqueue(1, 2, 3)
    one, two = bench.claim("worker-1"), bench.claim("worker-1")
    bench.claim("worker-2")
    bench.later(seconds=30)
    held = [(one.item_id, one.fence), (two.item_id, two.fence + 1)]
    assert extend(bench.database, "worker-1", held, LEASE) == {held[1]}
    ends = [item.lease_until - bench.clock.now() for item in bench.rows(t.items)]
    assert ends == [LEASE, timedelta(seconds=30), timedelta(seconds=30)]
    assert extend(bench.database, "worker-1", [], LEASE) == set()


def claim_all(path: str, worker: str, start: Barrier) -> None:
    """Claim until nothing is left, and settle; runs in a process of its own."""
    database = Database(path, SystemClock())
    start.wait(60)
    workflow = make_workflow()
    first = True
    while (claimed := claim(database, worker, LEASE)) is not None:
        if first:  # neither may finish before the other has begun: SQLite's lock is not fair
            start.wait(60)
            first = False
        settle(database, claimed, Settlement("passed", message=worker), app=workflow.app)
    database.close()


def test_two_processes_claim_each_item_exactly_once(migrated: Path, tmp_path: Path) -> None:
    path = tmp_path / "shared.db"
    shutil.copy(migrated, path)
    database = Database(str(path), SystemClock())
    open_run(database, make_workflow(), [invoice(n) for n in range(200)], trigger="test")
    spawn = multiprocessing.get_context("spawn")
    start = spawn.Barrier(2)
    workers = [spawn.Process(target=claim_all, args=(str(path), f"process-{n}", start)) for n in (1, 2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    with database.read() as connection:
        attempts = list(connection.execute(sa.select(t.attempts)))
        states = Counter(connection.execute(sa.select(t.items.c.state)).scalars())
    database.close()
    assert states == {"passed": 200}
    assert sorted(attempt.item_id for attempt in attempts) == list(range(1, 201))
    assert all(attempt.fence == 1 and attempt.worker == attempt.message for attempt in attempts)
    assert len({attempt.worker for attempt in attempts}) == 2
