"""The runs that the schedules will open in a coming time, as far as it can be known before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from engine.definition import Application, Workflow
from engine.errors import UserError
from engine.ledger.backlog import AppState
from engine.ledger.schedules import ScheduleRow
from engine.planning.day import PlannedRun
from engine.schedules.calendars import Calendar
from engine.schedules.slots import Slot, cut_off, slots
from engine.timetable import calendar_of

_JUST_BEFORE = timedelta(microseconds=1)


@dataclass(frozen=True)
class Coming:
    """What is coming, and what of it cannot be said."""

    runs: tuple[PlannedRun, ...]
    profiles: dict[str, AppState]
    """What the applications of these runs allow, as their definitions say now."""
    left_out: tuple[str, ...]
    """Schedules that are not in it, each with the reason."""


def coming_runs(
    rows: Iterable[ScheduleRow], start: datetime, until: datetime, load: Callable[[Path], Workflow]
) -> Coming:
    """Return the runs that fire from `start` until before `until`.

    A slot that was asked to be skipped, lies in a pause or is past its cut-off is not among them. A slot that would be
    skipped because an earlier run is unfinished (`overlap: skip`) is: whether it is cannot be known before.

    Args:
        rows: schedules as the ledger holds them.
        start: first instant.
        until: instant after the last one.
        load: reads a definition; raises UserError if it is broken.
    """
    runs: list[PlannedRun] = []
    profiles: dict[str, AppState] = {}
    left_out: list[str] = []
    for row in rows:
        if row.state == "retired":
            continue
        if row.state != "active":
            left_out.append(f"{row.workflow} is {row.state}")
            continue
        try:
            workflow, calendar = load(Path(row.path)), calendar_of(row)
        except UserError as error:
            left_out.append(f"{row.workflow}: {error}")
            continue
        profiles[workflow.app.name] = _allowed(workflow.app)
        fires = starting(row, calendar, start - _JUST_BEFORE, until - _JUST_BEFORE)
        runs += [_run(row, slot, workflow) for slot in fires]
    return Coming(tuple(sorted(runs, key=lambda run: run.fire_at)), profiles, tuple(left_out))


def starting(
    row: ScheduleRow, calendar: Calendar | None, after: datetime, until: datetime | None = None
) -> Iterator[Slot]:
    """Yield the slots later than `after` that will start, as far as that can be known before."""
    schedule, pauses = row.schedule, row.quiet()
    skipped = next(slots(schedule, calendar, row.skip_after), None) if row.skip_after is not None else None
    for slot in slots(schedule, calendar, after, until):
        limit = cut_off(schedule, slot)
        in_time = limit is None or slot.fire_at < limit
        if slot != skipped and in_time and not any(pause.holds(slot.fire_at) for pause in pauses):
            yield slot


def _run(row: ScheduleRow, slot: Slot, workflow: Workflow) -> PlannedRun:
    limits = [slot.fire_at + workflow.time.due if workflow.time.due else None, cut_off(row.schedule, slot)]
    due_at = min((limit for limit in limits if limit is not None), default=None)
    return PlannedRun(row.workflow, workflow.app.name, slot.fire_at, due_at, workflow.priority)


def _allowed(app: Application) -> AppState:
    pace = app.rate.pace if app.rate else timedelta()
    return AppState(app.name, app.max_sessions, pace, None, app.maintenance)
