from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from engine.clock import Clock, SystemClock
from engine.errors import Stale
from engine.heart import Heart
from engine.ledger import tables as t
from engine.ledger.database import Database
from engine.ledger.protocol import Settlement
from engine.ledger.queue import Claim, claim
from engine.ledger.run_audit import claim_audit, close_audit
from engine.ledger.runs import open_run
from tests.engine.conftest import LEASE, Bench, invoice, make_workflow

LIMIT = timedelta(minutes=3)
SPAN = timedelta(seconds=30)


@pytest.fixture
def held(bench: Bench) -> tuple[Heart, Claim]:
    """A heart that holds one item; it beats when a test says so."""
    heart = Heart(bench.database, "worker-1", LEASE)
    bench.enqueue(1)
    asked_at = bench.clock.monotonic()
    claimed = bench.claim("worker-1")
    heart.hold(claimed.item_id, claimed.fence, asked_at, LIMIT)
    return heart, claimed


def test_a_beat_extends_the_lease(bench: Bench, held: tuple[Heart, Claim]) -> None:
    heart, claimed = held
    bench.later(seconds=40)
    assert not heart.outlives(claimed.item_id, claimed.fence, SPAN)
    heart.beat()
    assert heart.outlives(claimed.item_id, claimed.fence, SPAN)
    assert bench.one(t.items).lease_until == bench.clock.now() + LEASE
    assert not heart.outlives(claimed.item_id, claimed.fence, LEASE), "a lease does not outlive itself"


def test_past_its_limit_an_item_is_let_go(bench: Bench, held: tuple[Heart, Claim]) -> None:
    heart, claimed = held
    for _ in range(4):
        bench.later(seconds=45)
        heart.beat()
    lease_end = bench.one(t.items).lease_until
    assert lease_end == bench.clock.now() + timedelta(seconds=15), "extended last at 135 s, not at 180 s"
    assert not heart.outlives(claimed.item_id, claimed.fence, SPAN)
    bench.later(seconds=16)
    assert bench.claim("worker-2").fence == 2


def test_an_item_that_the_ledger_gave_to_another_is_not_ours_from_the_next_beat(
    bench: Bench, held: tuple[Heart, Claim]
) -> None:
    heart, claimed = held
    with bench.database.write() as connection:
        connection.execute(sa.update(t.items).values(owner="worker-2", fence=2))
    assert heart.outlives(claimed.item_id, claimed.fence, SPAN), "nobody told us yet"
    heart.beat()
    assert not heart.outlives(claimed.item_id, claimed.fence, SPAN)
    assert not heart.outlives(claimed.item_id, claimed.fence, timedelta())


def test_a_settled_item_is_not_extended(bench: Bench, held: tuple[Heart, Claim]) -> None:
    heart, claimed = held
    heart.drop(claimed.item_id, claimed.fence)
    assert not heart.outlives(claimed.item_id, claimed.fence, timedelta())
    bench.later(seconds=30)
    heart.beat()
    assert bench.one(t.items).lease_until == bench.clock.now() + timedelta(seconds=30)
    bench.settle(claimed, Settlement("passed"))
    heart.hold(claimed.item_id, claimed.fence, bench.clock.monotonic(), LIMIT)
    heart.beat()
    assert bench.one(t.items).lease_until is None


def test_a_slot_that_lost_its_item_to_another_slot_of_its_process_does_not_speak_for_it(
    bench: Bench, held: tuple[Heart, Claim]
) -> None:
    heart, old = held
    bench.later(seconds=61)  # the page hung past its limit, and nobody extended the lease
    asked_at = bench.clock.monotonic()
    new = bench.claim("worker-1")
    heart.hold(new.item_id, new.fence, asked_at, LIMIT)
    assert not heart.outlives(old.item_id, old.fence, timedelta())
    heart.beat()
    assert not heart.outlives(old.item_id, old.fence, timedelta()), "the other slot's lease is not ours"
    heart.drop(old.item_id, old.fence)
    bench.later(seconds=40)
    heart.beat()
    assert heart.outlives(new.item_id, new.fence, SPAN)
    assert bench.one(t.items).lease_until == bench.clock.now() + LEASE


def test_an_audit_is_ours_while_it_is_made_however_long_and_anybodys_soon_after_its_worker_died(bench: Bench) -> None:
    bench.enqueue(1)
    bench.settle(bench.claim(), Settlement("passed"))
    bench.later(minutes=1)
    heart = Heart(bench.database, "worker-1", LEASE)
    due = claim_audit(bench.database, "worker-1", LEASE)
    assert due is not None
    with heart.auditing(due.run_id, timedelta(minutes=20)):
        for _ in range(25):
            bench.later(seconds=45)
            heart.beat()
            assert claim_audit(bench.database, "worker-2", LEASE) is None
        bench.later(minutes=2)  # past its limit
        heart.beat()
        assert claim_audit(bench.database, "worker-2", LEASE) is not None
    with pytest.raises(Stale):
        close_audit(bench.database, "worker-1", due, {})
    heart.beat()
    assert bench.one(t.runs).audit_lease_until == bench.clock.now() + LEASE, "the other's, and not extended by us"


async def test_the_heart_beats_while_the_event_loop_is_blocked(open_ledger: Callable[[Clock], Database]) -> None:
    database = open_ledger(SystemClock())
    lease = timedelta(milliseconds=240)
    open_run(database, make_workflow(), [invoice(1)], trigger="test")
    asked_at = database.clock.monotonic()
    claimed = claim(database, "worker-1", lease)
    assert claimed is not None
    with Heart(database, "worker-1", lease) as heart:
        heart.hold(claimed.item_id, claimed.fence, asked_at, timedelta(seconds=60))
        threading.Event().wait(0.6)  # this is the event loop, and it does nothing else
        assert claim(database, "worker-2", lease) is None
        assert heart.outlives(claimed.item_id, claimed.fence, timedelta())
    threading.Event().wait(0.3)
    taken = claim(database, "worker-2", lease)
    assert taken is not None
    assert taken.fence == 2


def test_a_missed_beat_is_logged_and_the_heart_goes_on(open_ledger: Callable[[Clock], Database]) -> None:
    database = open_ledger(SystemClock())
    lease = timedelta(milliseconds=60)
    open_run(database, make_workflow(), [invoice(1)], trigger="test")
    claimed = claim(database, "worker-1", lease)
    assert claimed is not None
    with database.write() as connection:
        connection.execute(sa.text("alter table items rename to hidden"))
    with Heart(database, "worker-1", lease) as heart:
        heart.hold(claimed.item_id, claimed.fence, database.clock.monotonic(), timedelta(seconds=60))
        threading.Event().wait(0.05)
        with database.write() as connection:
            connection.execute(sa.text("alter table hidden rename to items"))
        threading.Event().wait(0.2)
        assert heart._thread.is_alive()
        assert heart.outlives(claimed.item_id, claimed.fence, timedelta())
