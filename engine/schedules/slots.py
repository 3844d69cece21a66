"""The slots of a schedule: what it means in instants. Pure, strictly increasing, and right over clock changes.

Two kinds of schedule, told apart by what is written:

* **wall time**: a cron that names hours (`30 2 * * *`). Each named local time comes once a day: of two equal ones in
  autumn the first, and for one that is skipped in spring the first instant after the gap (several skipped ones are one
  slot). The key is the local time, so that the night with two 02:30 has one slot of that name.
* **real time**: a cron whose hour is `*` or `*/n`, and `every`. A cron fires at every instant at which the local clock
  shows a time that fits, so twice in the repeated hour and never in the skipped one; `every` counts real time from its
  start. The key is UTC.

APScheduler's `CronTrigger` only does the field arithmetic here, on local times labelled as UTC: asked in a zone with
clock changes it fires twice in autumn, and in Australia/Lord_Howe it can stop advancing.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

from engine.schedules.calendars import Calendar
from engine.schedules.schedule import Schedule

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
HORIZON = timedelta(days=9 * 366)
"""Nothing is looked for beyond it; 29 February may be eight years away."""
_FOLD = timedelta(hours=3)
"""No clock was ever put back further in a zone that is scheduled in today."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_HOLIDAYS = 60
"""Days off in a row after which a calendar is taken to have no further business day."""
_REAL_HOURS = re.compile(r"\*(/\d+)?(,\*(/\d+)?)*")


@dataclass(frozen=True)
class Slot:
    """One planned start."""

    key: str
    """Its name, the same in every process: local time, or UTC with a Z."""
    fire_at: datetime
    """When it starts, in UTC."""
    local: datetime
    """The local time it is meant for, without a zone."""


def means_wall_time(schedule: Schedule) -> bool:
    """Say whether the schedule names local times; otherwise it means real time."""
    return schedule.cron is not None and _REAL_HOURS.fullmatch(schedule.cron.split()[1]) is None


def slots(
    schedule: Schedule, calendar: Calendar | None, after: datetime, until: datetime | None = None
) -> Iterator[Slot]:
    """Yield the slots later than `after`, in strictly increasing order of their instants.

    Args:
        schedule: one that was checked (`static_schedules`).
        calendar: its calendar, opened; None if it has none.
        after: an aware instant.
        until: the last instant of interest; nine years on if not given.
    """
    zone = ZoneInfo(schedule.timezone)
    until = until or after + HORIZON
    moves = calendar is not None and schedule.on_holiday != "skip"
    begin = _before_holidays(calendar, after.astimezone(zone).date()) if calendar and moves else None
    since = min(after, instant_of(datetime.combine(begin, time()), zone)) if begin else after
    # a slot moved back to `until` comes from a day after it
    planned = _planned(schedule, zone, since, until + timedelta(days=_LONGEST_HOLIDAYS) * moves)
    if calendar is not None:
        planned = _moved(schedule, calendar, zone, planned) if moves else _kept(calendar, planned)
    wall, last = means_wall_time(schedule), after.astimezone(UTC)
    for fire_at, local in planned:
        if fire_at > until:
            return
        if fire_at > last:
            last = fire_at
            yield Slot(_key(local) if wall else _key(fire_at.replace(tzinfo=None)) + "Z", fire_at, local)


def cut_off(schedule: Schedule, slot: Slot) -> datetime | None:
    """Return the instant from which the slot is not started any more, or None."""
    if schedule.cut_off is None:
        return None
    return instant_of(
        datetime.combine(slot.local.date(), time.fromisoformat(schedule.cut_off)), ZoneInfo(schedule.timezone)
    )


def instant_of(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant (UTC) of a local time: the first of two, and the first one after a gap."""
    instant = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if _local(instant, zone) == local:
        return instant
    before, after = local.replace(tzinfo=zone, fold=1).astimezone(UTC), instant
    new = after.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // 2
        before, after = (before, middle) if middle.astimezone(zone).utcoffset() == new else (middle, after)
    return after.replace(microsecond=0)


def _planned(
    schedule: Schedule, zone: ZoneInfo, after: datetime, until: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Yield instant and local time of what is written, calendar aside, from `after` on (or a little before)."""
    if schedule.every is not None:
        return _every(schedule, schedule.every, zone, after)
    locals_ = _cron(schedule, _local(after, zone) - (timedelta() if means_wall_time(schedule) else _FOLD), until)
    if means_wall_time(schedule):
        return ((instant_of(local, zone), local) for local in locals_)
    return _real(locals_, zone)


def _every(schedule: Schedule, step: timedelta, zone: ZoneInfo, after: datetime) -> Iterator[tuple[datetime, datetime]]:
    start = schedule.start or _EPOCH
    if start.tzinfo is None:
        start = instant_of(start, zone)
    fire_at = start.astimezone(UTC) + step * max(0, (after - start) // step)
    while True:
        yield fire_at, _local(fire_at, zone)
        fire_at += step


def _cron(schedule: Schedule, after: datetime, until: datetime) -> Iterator[datetime]:
    """Yield the local times later than `after` (without a zone) that the fields name."""
    end = until + 2 * DAY
    trigger = cron_trigger(schedule.cron or "", end)
    now = after.replace(second=0, microsecond=0, tzinfo=UTC)
    while True:
        found: datetime | None = trigger.get_next_fire_time(None, now + MINUTE)
        if found is None:
            return
        if found <= now:
            raise ValueError(f"{schedule.cron!r} does not advance after {now:%Y-%m-%d %H:%M}")
        yield found.replace(tzinfo=None)
        now = found


def cron_trigger(cron: str, end: datetime) -> CronTrigger:
    """Return the field arithmetic of a cron expression, on local times labelled as UTC.

    Raises:
        ValueError: the expression cannot be read.
    """
    names = ("minute", "hour", "day", "month", "day_of_week")
    return CronTrigger(timezone=UTC, end_date=end, **dict(zip(names, cron.split(), strict=True)))


def _real(locals_: Iterator[datetime], zone: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
    """Yield every instant at which the clock shows one of these times, in order."""
    shown: list[tuple[datetime, datetime]] = []
    for local in locals_:
        first = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
        for instant in {first, local.replace(tzinfo=zone, fold=1).astimezone(UTC)}:
            if _local(instant, zone) == local:
                heapq.heappush(shown, (instant, local))
        while shown and shown[0][0] <= first:  # whatever comes later is shown after the first of this one
            yield heapq.heappop(shown)
    yield from sorted(shown)


def _kept(calendar: Calendar, planned: Iterator[tuple[datetime, datetime]]) -> Iterator[tuple[datetime, datetime]]:
    return ((instant, local) for instant, local in planned if calendar.is_business_day(local.date()))


def _moved(
    schedule: Schedule, calendar: Calendar, zone: ZoneInfo, planned: Iterator[tuple[datetime, datetime]]
) -> Iterator[tuple[datetime, datetime]]:
    """Yield slots with those of days off moved; what meets on one business day is sorted, and one if it coincides."""
    step = DAY if schedule.on_holiday == "next" else -DAY

    def business_day(slot: tuple[datetime, datetime]) -> date | None:
        return _business_day(calendar, slot[1].date(), step)

    for day, group in groupby(planned, business_day):
        if day is not None:
            yield from sorted({_on(day, slot, zone) for slot in group})


def _on(day: date, slot: tuple[datetime, datetime], zone: ZoneInfo) -> tuple[datetime, datetime]:
    if slot[1].date() == day:
        return slot
    local = datetime.combine(day, slot[1].time())
    return instant_of(local, zone), local


def _business_day(calendar: Calendar, day: date, step: timedelta) -> date | None:
    for _ in range(_LONGEST_HOLIDAYS):
        if calendar.is_business_day(day):
            return day
        day += step
    return None


def _before_holidays(calendar: Calendar, day: date) -> date:
    """Return a business day before all days whose slots may be moved to `day` or later."""
    start = day - 3 * DAY
    return _business_day(calendar, start, -DAY) or start


def _local(instant: datetime, zone: ZoneInfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def _key(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds" if moment.second else "minutes")
