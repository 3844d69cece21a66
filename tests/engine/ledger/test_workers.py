"""Who works, what each does, and who fell silent."""

from __future__ import annotations

from datetime import timedelta

from engine.ledger import queue, workers
from engine.ledger.incidents import incidents
from engine.ledger.protocol import Settlement
from tests.engine.conftest import LEASE, Bench


def join(bench: Bench, name: str, *, slots: int = 2) -> None:
    workers.register(bench.database, name, "worker", slots=slots, lease=LEASE)


def states(bench: Bench) -> dict[str, str]:
    return {row.name: row.state for row in workers.listing(bench.database)}


def test_each_worker_is_shown_with_what_it_is_doing(bench: Bench) -> None:
    join(bench, "anna")
    join(bench, "ben")
    bench.enqueue(1, 2)
    claimed = bench.claim("ben")
    bench.later(seconds=5)
    anna, ben = workers.listing(bench.database)
    assert (anna.name, anna.working, anna.slots, anna.state) == ("anna", (), 2, "running")
    (doing,) = ben.working
    assert (doing.item_id, doing.reference, doing.state) == (claimed.item_id, "东方/INV-1", "working")
    assert bench.clock.now() - doing.since == timedelta(seconds=5)
    bench.settle(claimed, Settlement("passed"))
    assert workers.listing(bench.database)[1].working == ()


def test_a_worker_that_is_silent_for_more_than_its_lease_is_lost_and_an_incident_until_it_is_heard_again(
    bench: Bench,
) -> None:
    join(bench, "anna")
    join(bench, "ben")
    workers.leave(bench.database, "ben", "stopped")
    bench.later(seconds=91)
    assert states(bench) == {"anna": "lost", "ben": "stopped"}
    for _ in range(2):
        assert workers.report_lost(bench.database) == ["anna"]
    (lost,) = incidents(bench.database)
    assert (lost.kind, lost.subject) == ("worker.lost", "anna")
    assert queue.extend(bench.database, "anna", [], LEASE) == set()
    assert states(bench)["anna"] == "running"
    assert workers.report_lost(bench.database) == []
    assert incidents(bench.database) == []


def test_a_worker_whose_entry_was_made_but_not_answered_enters_again(bench: Bench) -> None:
    join(bench, "anna")
    join(bench, "anna")
    assert states(bench) == {"anna": "running"}


def test_workers_of_the_day_before_yesterday_are_forgotten_with_their_incidents(bench: Bench) -> None:
    join(bench, "anna")
    bench.later(hours=1)
    workers.report_lost(bench.database)
    bench.later(hours=24)
    join(bench, "ben")
    assert states(bench) == {"ben": "running"}
    workers.report_lost(bench.database)
    assert incidents(bench.database) == []
    assert [one.kind for one in incidents(bench.database, only_open=False)] == ["worker.lost"]
