from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random

import pytest
import sqlalchemy as sa

from engine.ledger import tables as t
from engine.ledger import workers
from engine.ledger.backlog import open_runs
from engine.ledger.incidents import Incident, incidents
from engine.ledger.protocol import Settlement
from engine.ledger.queue import Claim, claim
from engine.planning.forecast import RunForecast, forecast, sentence, watch_deadlines
from tests.engine.conftest import LEASE, Bench, make_workflow

PASSED = Settlement("passed")
sqlite_only = pytest.mark.parametrize("backend", ["sqlite"])


def workers_live(bench: Bench, slots: int, name: str = "worker-1") -> None:
    workers.register(bench.database, name, "worker", slots=slots, lease=LEASE)


def history(bench: Bench, seconds: Sequence[float]) -> None:
    """Let the workflow have had attempts that took so long, back to back."""
    bench.enqueue(*range(10_000, 10_000 + len(seconds)))
    for one in seconds:
        claimed = bench.claim()
        bench.later(seconds=one)
        bench.settle(claimed, PASSED)


def one(bench: Bench) -> RunForecast:
    (found,) = forecast(bench.database)
    return found


def at_risk(bench: Bench) -> list[Incident]:
    return [one for one in incidents(bench.database) if one.kind == "deadline.at_risk"]


def test_a_run_of_even_items_ends_when_arithmetic_says(bench: Bench) -> None:
    history(bench, [30.0] * 20)
    workers_live(bench, 4)
    due = bench.clock.now() + timedelta(minutes=10)
    bench.enqueue(*range(90), due_at=due)
    found = one(bench)
    ends = bench.clock.now() + timedelta(seconds=23 * 30)  # 90 items on 4 slots: 23 rounds
    assert (found.expected, found.early, found.late) == (ends, ends, ends)
    assert (found.left, found.total, found.slots, found.measured, found.chance_late) == (90, 90, 4, 20, 1)


def test_what_goes_before_in_claim_order_is_counted_and_what_goes_after_is_not(bench: Bench) -> None:
    history(bench, [30.0] * 20)
    workers_live(bench, 1)
    now = bench.clock.now()
    bench.enqueue(*range(10), due_at=now + timedelta(hours=9))
    bench.enqueue(*range(10, 30), due_at=now + timedelta(hours=1))
    bench.enqueue(*range(30, 40), priority=5)
    ends = {one.total: one.expected for one in forecast(bench.database)}
    assert ends == {20: now + timedelta(seconds=900), 10: now + timedelta(seconds=1200)}


def test_limits_of_the_application_hold_in_the_forecast(bench: Bench) -> None:
    bench.workflow = make_workflow(max_sessions=2)
    history(bench, [30.0] * 20)
    workers_live(bench, 8)
    now = bench.clock.now()
    bench.enqueue(*range(10), due_at=now + timedelta(hours=1))
    assert one(bench).expected == now + timedelta(seconds=150)
    opens_at = now + timedelta(minutes=5)
    with bench.database.write() as connection:
        connection.execute(sa.update(t.apps).values(open_until=opens_at))
    assert one(bench).expected == opens_at + timedelta(seconds=150)


def test_an_item_in_work_is_expected_to_take_what_is_left_of_it(bench: Bench) -> None:
    history(bench, [30.0] * 20)
    workers_live(bench, 1)
    bench.enqueue(1, due_at=bench.clock.now() + timedelta(hours=1))
    started = bench.clock.now()
    bench.claim()
    bench.later(seconds=20)
    assert one(bench).expected == started + timedelta(seconds=30)


def test_the_incident_is_opened_before_the_deadline_and_closed_when_the_run_recovers(bench: Bench) -> None:
    history(bench, [30.0] * 20)
    workers_live(bench, 1)
    now = bench.clock.now()
    bench.enqueue(*range(40), due_at=now + timedelta(minutes=15))
    watch_deadlines(bench.database)
    (risk,) = at_risk(bench)
    run_id = risk.key
    due, expected = (f"{now + timedelta(minutes=minutes):%H:%M}" for minutes in (15, 20))
    assert risk.subject == "invoice-entry"
    assert risk.message == (
        f"invoice-entry run {run_id} will not finish by {due} UTC: 40 of 40 items left, "
        f"expected {expected} ({expected}-{expected})"
    )
    before = bench.everything()
    watch_deadlines(bench.database)
    assert bench.everything() == before
    workers_live(bench, 1, "worker-2")
    watch_deadlines(bench.database)
    assert at_risk(bench) == []


def test_the_incident_is_closed_when_the_run_ends(bench: Bench) -> None:
    history(bench, [30.0] * 20)
    workers_live(bench, 1)
    bench.enqueue(1, 2, due_at=bench.clock.now() + timedelta(seconds=40))
    watch_deadlines(bench.database)
    assert len(at_risk(bench)) == 1
    for _ in range(2):
        claimed = bench.claim()
        bench.later(seconds=30)
        bench.settle(claimed, PASSED)
    watch_deadlines(bench.database)
    assert at_risk(bench) == []


def test_between_risky_and_safe_an_incident_stays_as_it_is(bench: Bench) -> None:
    draws = Random(3)  # noqa: S311 - repeatable
    history(bench, [draws.expovariate(1 / 30) for _ in range(20)])
    workers_live(bench, 1)
    run = bench.enqueue(*range(40), due_at=bench.clock.now() + timedelta(hours=9))
    made = one(bench)
    assert made.early is not None
    assert made.expected is not None
    assert made.late is not None

    def risks(due: datetime, low: float, high: float) -> int:
        """Watch with this deadline, which has a chance of being missed between low and high; count what stands open."""
        with bench.database.write() as connection:
            connection.execute(sa.update(t.runs).where(t.runs.c.id == run.run_id).values(due_at=due))
        assert low < one(bench).chance_late < high
        watch_deadlines(bench.database)
        return len(at_risk(bench))

    doubtful = made.expected + (made.late - made.expected) / 2
    assert risks(doubtful, 0.05, 0.5) == 0
    assert risks(made.early + (made.expected - made.early) / 2, 0.5, 1) == 1
    assert risks(doubtful, 0.05, 0.5) == 1
    assert risks(made.late + timedelta(hours=2), -1, 0.05) == 0


def test_no_live_worker_is_said_in_words(bench: Bench) -> None:
    bench.enqueue(1, 2, due_at=bench.clock.now() + timedelta(days=3))
    watch_deadlines(bench.database)
    (risk,) = at_risk(bench)
    assert risk.message.endswith("by 2026-01-08 08:00 UTC: 2 of 2 items left and no live worker")


def test_whoever_holds_items_without_being_listed_refuses_nothing(bench: Bench) -> None:
    bench.enqueue(1, 2, due_at=bench.clock.now() + timedelta(hours=3))
    bench.claim()
    found = one(bench)
    assert (found.slots, found.blocked, found.chance_late) == (1, None, 0)


def test_a_restart_of_the_only_worker_raises_nothing(bench: Bench) -> None:
    workers_live(bench, 2)
    bench.enqueue(1, due_at=bench.clock.now() + timedelta(hours=3))
    workers.leave(bench.database, "worker-1", "stopped")
    bench.later(seconds=90)
    watch_deadlines(bench.database)
    assert at_risk(bench) == []
    bench.later(minutes=5)
    watch_deadlines(bench.database)
    assert len(at_risk(bench)) == 1


def test_a_definition_that_every_worker_refuses_is_said_in_words(bench: Bench) -> None:
    workers_live(bench, 2)
    bench.enqueue(1, due_at=bench.clock.now() + timedelta(hours=3))
    workers.refuse(bench.database, "worker-1", "invoice-entry", bench.workflow.hash, "no such step")
    assert one(bench).blocked == "every live worker refuses its definition"
    workers_live(bench, 2, "worker-2")
    assert one(bench).blocked is None


def test_what_lies_beyond_two_days_after_the_deadline_is_said_in_words(bench: Bench) -> None:
    workers_live(bench, 1)
    bench.enqueue(*range(5000), due_at=bench.clock.now() + timedelta(hours=1))
    bench.later(hours=2)
    workers_live(bench, 1, "worker-2")
    said = sentence(one(bench), bench.clock.now())
    assert said.endswith("did not finish by 09:00 UTC: 5000 of 5000 items left, expected more than 2 days late")


@sqlite_only
def test_the_forecast_brackets_the_true_end_at_every_quarter_of_most_runs(bench: Bench) -> None:
    """Runs of 80 items on 3 slots, lognormal times; 5 % to 95 % is to hold 9 of 10 ends."""
    inside: list[bool] = []
    errors: list[float] = []
    workers_live(bench, 3)
    for seed in range(8):
        draws = Random(seed)  # noqa: S311 - repeatable
        run, predicted = _worked(bench, draws, items=80, slots=3, first=1000 * seed)
        for made in predicted:
            assert made.early is not None
            assert made.expected is not None
            assert made.late is not None
            inside.append(made.early - timedelta(seconds=1) <= run <= made.late + timedelta(seconds=1))
            errors.append(abs((made.expected - run).total_seconds()))
    assert len(inside) == 24
    assert sum(inside) >= 19  # of 24; 90 % are 22, and three forecasts of one run are not independent
    assert sorted(errors)[12] < 60  # half of them within a minute of some 11 minutes


def _worked(bench: Bench, draws: Random, *, items: int, slots: int, first: int) -> tuple[datetime, list[RunForecast]]:
    """Work a run on a simulated clock, and forecast it when 25, 50 and 75 % of its items have ended."""
    bench.enqueue(*range(first, first + items), due_at=bench.clock.now() + timedelta(hours=12))
    ends: list[tuple[datetime, int]] = []
    held: dict[int, Claim] = {}
    made = []
    done = 0
    while done < items:
        while len(held) < slots and done + len(held) < items:
            claimed = claim(bench.database, "worker-1", timedelta(hours=1))
            assert claimed is not None
            held[claimed.item_id] = claimed
            ends.append((bench.clock.now() + timedelta(seconds=draws.lognormvariate(3, 0.6)), claimed.item_id))
        ends.sort()
        at, item_id = ends.pop(0)
        bench.later(seconds=(at - bench.clock.now()).total_seconds())
        bench.settle(held.pop(item_id), PASSED)
        done += 1
        if done in {items // 4, items // 2, 3 * items // 4}:
            workers.beat(bench.database, "worker-1")
            made.append(one(bench))
    return bench.clock.now(), made


@sqlite_only
def test_the_present_state_is_read_from_indexes_of_open_and_held_items(bench: Bench) -> None:
    bench.enqueue(1)
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    sa.event.listen(bench.database.engine, "before_cursor_execute", note)
    with bench.database.read() as connection:
        open_runs(connection, bench.clock.now())
    sa.event.remove(bench.database.engine, "before_cursor_execute", note)
    of_items = [statement for statement in asked if "FROM items" in statement]
    assert len(of_items) == 3
    for statement in of_items:
        with bench.database.read() as connection:
            values = ("2026-01-01",) * statement.count("?")
            explained = connection.exec_driver_sql(f"explain query plan {statement}", values)
            plan = " ".join(row.detail for row in explained)
        assert any(index in plan for index in ("ix_items_open_run", "ix_items_run_state", "ix_items_held")), plan
