from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from engine.definition import MaintenanceWindow
from engine.ledger.backlog import AppState
from engine.planning.day import Day, PlannedRun
from engine.planning.plan import Plan, SlotPlan, plan
from engine.workload import AttemptTime, ServiceTimes

MIDNIGHT = datetime(2026, 1, 5, tzinfo=UTC)


def at(hour: float) -> datetime:
    return MIDNIGHT + timedelta(hours=hour)


def allows(app: str, **limits: Any) -> AppState:
    known: dict[str, Any] = {"max_sessions": 99, "pace": timedelta(), "opens_at": None, "maintenance": ()}
    return AppState(app, **known | limits)


def service(workflow: str, *seconds: float, measured: int = 1) -> ServiceTimes:
    return ServiceTimes(workflow, tuple(AttemptTime(one) for one in seconds), measured)


def day(*runs: PlannedRun, counts: Mapping[str, Sequence[int]], times: Sequence[ServiceTimes], **apps: AppState) -> Day:
    known = {run.app: apps.get(run.app, allows(run.app)) for run in runs}
    return Day(MIDNIGHT, at(24), runs, [], {one.workflow: one for one in times}, counts, known)


def option(found: Plan, slots: int) -> SlotPlan:
    return next(one for one in found.options if one.slots == slots)


def test_a_day_worked_by_hand() -> None:
    # 120 items of a minute from 06:00 on, due at 06:40: two slots end at 07:00, three at 06:40
    run = PlannedRun("invoices", "erp", at(6), at(6) + timedelta(minutes=40))
    found = plan(day(run, counts={"invoices": [120]}, times=[service("invoices", 60.0)]), range(1, 6))
    assert found.enough == 3
    assert [one.met.value for one in found.options] == [0, 0, 1, 1, 1]
    assert option(found, 3).utilisation.value == pytest.approx(1)
    assert option(found, 3).last_end == at(6) + timedelta(minutes=40)
    (miss,) = option(found, 2).misses
    assert (miss.workflow, miss.fire_at, miss.late) == ("invoices", at(6), 20 * 60)
    assert (miss.missed.k, miss.missed.n) == (option(found, 2).replications,) * 2
    assert (found.items, found.work) == (120, 120 * 60)


def test_utilisation_is_busy_slot_time_over_slot_time_between_first_start_and_last_end() -> None:
    runs = [PlannedRun("invoices", "erp", at(hour), None) for hour in (6, 8)]
    found = plan(day(*runs, counts={"invoices": [60]}, times=[service("invoices", 60.0)]), [1, 2])
    assert option(found, 1).utilisation.value == pytest.approx(2 / 3)  # 06-07 and 08-09, of 06-09
    assert option(found, 2).utilisation.value == pytest.approx(2 / (2 * 2.5))  # 06:00-06:30 and 08:00-08:30


def test_maintenance_and_session_limits_hold_in_the_plan() -> None:
    run = PlannedRun("invoices", "erp", at(6), at(9))
    closed = allows("erp", max_sessions=2, maintenance=(MaintenanceWindow(start="06:30", end="08:00"),))
    found = plan(day(run, counts={"invoices": [120]}, times=[service("invoices", 60.0)], erp=closed), [1, 2, 8])
    assert option(found, 8).last_end == at(8.5)  # two sessions: 60 items by 06:30, 60 more from 08:00 on
    assert found.enough == 2


def test_the_run_with_the_nearer_deadline_goes_first() -> None:
    late = PlannedRun("archive", "erp", at(6), at(12))
    soon = PlannedRun("close", "erp", at(6), at(7))
    of_both = day(
        late, soon, counts={"archive": [60], "close": [60]}, times=[service("archive", 60), service("close", 60)]
    )
    assert plan(of_both, [1, 2]).enough == 1


def test_what_does_not_end_a_day_after_the_planned_hours_has_no_delay_in_numbers() -> None:
    run = PlannedRun("invoices", "erp", at(6), at(7))
    found = plan(day(run, counts={"invoices": [5000]}, times=[service("invoices", 60.0)]), [1])
    assert found.enough is None
    assert found.best is None
    assert option(found, 1).last_end is None
    assert option(found, 1).misses[0].late is None


def test_a_move_that_saves_slots_is_found_and_is_as_good_as_it_says() -> None:
    # 40 minutes of work each; the two of 06:00 need two slots, which then stand idle until 20:00
    names = ("invoices", "orders", "archive")
    runs = [PlannedRun(name, "erp", at(hour), at(hour + 1)) for name, hour in zip(names, (6, 6, 20), strict=True)]
    parts: dict[str, Any] = {"counts": {name: [40] for name in names}, "times": [service(name, 60.0) for name in names]}
    found = plan(day(*runs, **parts), range(1, 5))
    assert found.enough == 2
    assert found.peak is not None
    assert (found.peak.start, round(found.peak.share, 3), set(found.peak.workflows)) == (at(6), 0.667, set(names[:2]))
    move = found.moves[0]
    assert (move.hours, move.slots) == (-1, 1)
    moved = [
        replace(run, fire_at=run.fire_at + timedelta(hours=move.hours) * (run.workflow == move.workflow))
        for run in runs
    ]
    again = plan(day(*moved, **parts), [1])
    assert again.enough == 1
    assert option(again, 1).utilisation.value == pytest.approx(move.utilisation)


def test_no_move_is_advised_where_none_saves_a_slot() -> None:
    runs = [PlannedRun("invoices", "erp", at(0.5), at(1.25)), PlannedRun("archive", "erp", at(20), None)]
    times = [service("invoices", 60.0), service("archive", 60.0)]
    found = plan(day(*runs, counts={"invoices": [60], "archive": [1]}, times=times), range(1, 5))
    assert found.enough == 2
    assert found.moves == ()  # an hour earlier lies before the day, an hour later after the deadline


def test_an_application_whose_sessions_are_the_limit_is_seen() -> None:
    run = PlannedRun("invoices", "erp", at(6), at(7))
    found = plan(
        day(run, counts={"invoices": [120]}, times=[service("invoices", 60.0)], erp=allows("erp", max_sessions=1)),
        range(1, 5),
    )
    assert found.enough is None
    (erp,) = option(found, 4).apps
    assert (erp.app, erp.sessions, round(erp.used, 6)) == ("erp", 1, 1)


def test_the_same_seed_gives_the_same_plan_and_another_one_another() -> None:
    draws = Random(5)  # noqa: S311 - repeatable
    times = [service("invoices", *(draws.expovariate(1 / 30) for _ in range(100)), measured=100)]
    run = PlannedRun("invoices", "erp", at(6), at(7))
    busy = day(run, counts={"invoices": [200, 300, 250, 280]}, times=times)
    first, second, other = (plan(busy, range(1, 6), seed=seed) for seed in (1, 1, 2))
    assert first == second
    assert first != other
    best = first.best
    assert best is not None
    assert best.utilisation.low is not None
    assert best.utilisation.low < best.utilisation.value < (best.utilisation.high or 0)
    assert best.all_met.n == 30
