from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from engine.definition import Retry, Time
from engine.ledger import tables as t
from engine.ledger.durations import NEWEST, items_per_slot, service_times
from engine.ledger.protocol import Settlement
from engine.snapshot import Snapshot
from engine.workload import ServiceTimes
from tests.engine.conftest import Bench, make_workflow
from tests.engine.ledger.test_database import sqlite_only

PASSED = Settlement("passed")
DEFINITION = """
name: invoice-entry
time: {standard: 40s, limit: 3m}
retry: {attempts: 3, max_wait: 2m}
"""


def measured(bench: Bench, workflow: str = "invoice-entry") -> ServiceTimes:
    with bench.database.read() as connection:
        return service_times(connection, [workflow])[workflow]


def work(bench: Bench, seconds: float, end: Settlement = PASSED) -> None:
    claimed = bench.claim()
    bench.later(seconds=seconds)
    bench.settle(claimed, end)


def test_the_service_time_is_claim_to_settle_and_a_retry_is_an_attempt_of_its_own(bench: Bench) -> None:
    bench.enqueue(*range(20))
    for number in range(20):
        work(bench, 10.0 + number)
    bench.enqueue(99)
    retry = Settlement("retry", reason="timeout", error_kind="system", available_at=bench.clock.now())
    work(bench, 5.0, retry)
    bench.later(seconds=30)
    work(bench, 7.0)
    found = measured(bench)
    assert found.measured == 22
    assert sorted(one.seconds for one in found.attempts) == [5.0, 7.0, *(10.0 + n for n in range(20))]
    assert [one.wait for one in found.attempts if one.wait is not None] == [30.0]
    assert found.per_item == pytest.approx(sum((1 / 22) ** n for n in range(4)))


def test_an_attempt_whose_worker_was_lost_is_not_measured(bench: Bench) -> None:
    bench.enqueue(*range(21))
    for _ in range(20):
        work(bench, 10.0)
    bench.claim()
    bench.later(hours=9)
    work(bench, 10.0)
    assert {one.seconds for one in measured(bench).attempts} == {10.0}
    assert measured(bench).measured == 21


def test_with_too_few_attempts_the_standard_time_of_the_newest_definition_counts(bench: Bench) -> None:
    bench.workflow = make_workflow(time=Time(standard=timedelta(seconds=40)), retry=Retry(attempts=3))
    object.__setattr__(bench.workflow, "snapshot", Snapshot("w.yaml", DEFINITION, "apps/erp.yaml", "", None, {}))
    bench.enqueue(*range(19))
    for _ in range(19):
        work(bench, 10.0)
    found = measured(bench)
    assert ([one.seconds for one in found.attempts], found.measured, found.most) == ([40.0], 0, 3)
    bench.enqueue(100)
    work(bench, 10.0)
    assert measured(bench).measured == 20


def test_a_workflow_that_never_ran_has_the_default_standard_time(bench: Bench) -> None:
    assert [one.seconds for one in measured(bench, "nothing").attempts] == [60.0]


def test_only_the_newest_attempts_count_and_those_of_other_workflows_do_not(bench: Bench) -> None:
    bench.enqueue(1)
    now = bench.clock.now()
    with bench.database.write() as connection:
        for workflow, seconds, count in (("invoice-entry", 90, 50), ("invoice-entry", 20, NEWEST), ("other", 1, 300)):
            rows = [
                {
                    "item_id": 1,
                    "workflow": workflow,
                    "fence": fence,
                    "worker": "w",
                    "started_at": now,
                    "ended_at": now + timedelta(seconds=seconds),
                    "outcome": "passed",
                }
                for fence in range(seconds * 1000, seconds * 1000 + count)
            ]
            connection.execute(sa.insert(t.attempts), rows)
    assert {one.seconds for one in measured(bench).attempts} == {20.0}
    assert measured(bench).measured == NEWEST


@sqlite_only
def test_the_newest_attempts_are_found_by_index_without_sorting(bench: Bench) -> None:
    query = "select id from attempts where workflow = 'invoice-entry' order by id desc limit 500"
    with bench.database.read() as connection:
        plan = " ".join(row.detail for row in connection.execute(sa.text(f"explain query plan {query}")))
    assert "ix_attempts_workflow_id" in plan
    assert "TEMP B-TREE" not in plan


def test_items_a_slot_are_those_of_its_past_runs(bench: Bench) -> None:
    with bench.database.read() as connection:
        assert items_per_slot(connection, ["invoice-entry"])["invoice-entry"].median is None
    bench.enqueue(*range(50))
    with bench.database.read() as connection:
        by_hand = items_per_slot(connection, ["invoice-entry"])["invoice-entry"]
    assert (by_hand.counts, by_hand.scheduled) == ((50,), False)
    schedule = {"workflow": "invoice-entry", "path": "w.yaml", "written": {}, "state": "active"}
    now = bench.clock.now()
    with bench.database.write() as connection:
        connection.execute(sa.insert(t.schedules).values(**schedule, pauses=[], since=now, walked_to=now))
    for day, count in enumerate((10, 20, 30, 40, 100)):
        first = 1000 * (day + 1)
        slot = f"2026-01-{day + 1:02}T06:00"
        run = bench.enqueue(*range(first, first + count), slot=slot)
        values = {"schedule": "invoice-entry", "slot": slot, "fire_at": now, "status": "fired", "run_id": run.run_id}
        with bench.database.write() as connection:
            connection.execute(sa.insert(t.slots).values(**values, decided_by="s", decided_at=now))
    with bench.database.read() as connection:
        found = items_per_slot(connection, ["invoice-entry"])["invoice-entry"]
    assert (found.counts, found.scheduled, found.median, found.high) == ((100, 40, 30, 20, 10), True, 30, 76)
