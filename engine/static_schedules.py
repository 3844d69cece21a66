"""Rules about when: a schedule means what it says, to everyone, and does fire."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

from engine.draft import WorkflowDraft
from engine.errors import UserError
from engine.schedules import calendars
from engine.schedules.schedule import Schedule
from engine.schedules.slots import cron_trigger, slots
from engine.yaml_nodes import Keys
from engine.yaml_source import Problem, suggest

_CRON_FIELDS = 5
_SHORTEST = timedelta(minutes=1)
_WALK_FROM = datetime(2024, 1, 1, tzinfo=UTC)
"""A fixed day, so that a definition is good or bad whatever day it is; two leap days lie in the nine years after it."""
_WALK = timedelta(days=800)
_MOST_SLOTS = 5000


@dataclass(frozen=True)
class Mistake:
    """One thing wrong with a schedule: at which of its keys, in words, and the rule's name."""

    key: str | None
    message: str
    rule: str


def check_schedule(workflow: WorkflowDraft) -> Iterator[Problem]:
    """`schedule`, `cron`, `timezone`, `calendar`: a schedule that can be read, is unambiguous and fires."""
    schedule = workflow.file.schedule
    if schedule is None:
        return
    document = workflow.document
    written = document.at(("schedule",))
    if workflow.file.source is None and document.at(("source",)) is None:
        yield document.problem(("schedule",), "nothing can start by itself without a `source`", "schedule", key=True)
    broken = "schedule" in workflow.draft.bad
    for mistake in mistakes(schedule, set(written), workflow.folder, walk=not broken):
        path: Keys = ("schedule", mistake.key) if mistake.key else ("schedule",)
        yield document.problem(path, mistake.message, mistake.rule, key=mistake.key is None)
    if isinstance(schedule.calendar, str) and workflow.folder:
        path_of_own = calendars.calendar_file(schedule.calendar, workflow.folder)
        if path_of_own is not None:
            yield from calendars.read_calendar(path_of_own)[1]
    elif schedule.calendar is not None and not isinstance(schedule.calendar, str):
        for key, message in calendars.mistakes(schedule.calendar):
            yield document.problem(("schedule", "calendar", key), message, "calendar")


def mistakes(schedule: Schedule, written: set[str], folder: Path | None, *, walk: bool = True) -> Iterator[Mistake]:
    """Yield what is wrong with a schedule beyond its shape.

    Args:
        schedule: as far as it could be typed.
        written: the keys that stand in it, right or wrong.
        folder: where its calendar may lie as a file; None for a pinned text: its calendar and slots are not looked at.
        walk: whether all of it could be typed, so that its slots can be looked at.
    """
    found = [*_kind(schedule, written), *_cron(schedule), *_timezone(schedule), *_calendar(schedule, folder)]
    yield from found
    if folder is not None and walk and not found:
        yield from _walk(schedule, folder)


def _kind(schedule: Schedule, written: set[str]) -> Iterator[Mistake]:
    if len(written & {"cron", "every"}) != 1:
        yield Mistake(None, "say how often, by either `cron` or `every`", "schedule")
    if schedule.every is not None and schedule.every < _SHORTEST:
        yield Mistake("every", "must be at least 1m", "schedule")
    if schedule.start is not None and "every" not in written:
        yield Mistake("start", "only `every` counts from a start", "schedule")
    if schedule.on_holiday != "skip" and "calendar" not in written:
        yield Mistake("on_holiday", "without a `calendar` there are no holidays", "schedule")


def _cron(schedule: Schedule) -> Iterator[Mistake]:
    if schedule.cron is None:
        return
    parts = schedule.cron.split()
    if len(parts) != _CRON_FIELDS:
        yield Mistake("cron", "a cron expression has five fields: minute hour day month weekday", "cron")
    elif re.search(r"\*/|(?<![/\d])\d", parts[4]):  # `*/2` counts from another day elsewhere, `mon-fri/2` does not
        message = f'write week days by name, like mon-fri: "{parts[4]}" means other days elsewhere'
        yield Mistake("cron", message, "cron")
    else:
        try:
            cron_trigger(schedule.cron, _WALK_FROM)
        except ValueError as error:
            yield Mistake("cron", f"not a cron expression: {error}", "cron")


def _timezone(schedule: Schedule) -> Iterator[Mistake]:
    name = schedule.timezone
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        close = suggest(name, available_timezones())
        hint = f', did you mean "{close}"?' if close else "; write it like Europe/Berlin"
        yield Mistake("timezone", f'unknown time zone "{name}"{hint}', "timezone")


def _calendar(schedule: Schedule, folder: Path | None) -> Iterator[Mistake]:
    name = schedule.calendar
    if isinstance(name, str) and folder and not calendars.known(name) and not calendars.calendar_file(name, folder):
        yield Mistake("calendar", calendars.unknown_calendar(name, folder), "calendar")


def _walk(schedule: Schedule, folder: Path) -> Iterator[Mistake]:
    """Look at the slots of 800 days: there are some, each later than the one before and before the cut-off."""
    key = "cron" if schedule.cron else "every"
    try:
        calendar = calendars.open_calendar(schedule.calendar, folder) if schedule.calendar else None
        first = next(slots(schedule, calendar, _WALK_FROM), None)
        if first is None:
            days_off = ", but on days off" if calendar and schedule.on_holiday == "skip" else ""
            yield Mistake(key, f"never fires{days_off}", "cron")
            return
        until = first.fire_at + _WALK
        for slot in islice(slots(schedule, calendar, _WALK_FROM, until), _MOST_SLOTS):
            if schedule.cut_off is not None and f"{slot.local:%H:%M}" >= schedule.cut_off:
                message = f"the slot at {slot.local:%H:%M} is never before the cut-off: it could not start on any day"
                yield Mistake("cut_off", message, "schedule")
                return
    except UserError:
        return  # the calendar's problems are told at their own places
    except ValueError as error:
        yield Mistake(key, str(error), "cron")
