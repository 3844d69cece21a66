"""What a schedule means in instants, over ten years of clock changes; the oracle reads a clock minute by minute."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise, takewhile
from pathlib import Path
from zoneinfo import ZoneInfo

import holidays
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.schedules.calendars import Calendar, open_calendar
from engine.schedules.schedule import CalendarSpec, Schedule
from engine.schedules.slots import Slot, cut_off, instant_of, slots

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
BEGIN, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2034, 1, 1, tzinfo=UTC)
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Shanghai"]
CHANGES = {"Europe/Berlin": 20, "America/New_York": 20, "Australia/Lord_Howe": 20, "Asia/Shanghai": 0}


def changes(zone: str) -> list[datetime]:
    """Return the days (UTC midnight) of ten years on which the clock of a zone is changed."""
    clock, days = ZoneInfo(zone), [BEGIN + n * DAY for n in range((END - BEGIN).days)]
    return [day for day in days if day.astimezone(clock).utcoffset() != (day + DAY).astimezone(clock).utcoffset()]


def minutes(zone: str, begin: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield each minute with what the clock shows."""
    clock = ZoneInfo(zone)
    while begin < end:
        yield begin, begin.astimezone(clock).replace(tzinfo=None, fold=0)
        begin += MINUTE


def between(schedule: Schedule, begin: datetime, end: datetime, calendar: Calendar | None = None) -> list[Slot]:
    """Return the slots with begin < fire_at <= end."""
    return list(slots(schedule, calendar, begin, end))


def keys(schedule: Schedule, begin: str, end: str, calendar: Calendar | None = None) -> list[str]:
    """Return the keys of the slots between two instants."""
    first, last = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (begin, end))
    return [slot.key for slot in between(schedule, first, last, calendar)]


@pytest.mark.parametrize("zone", ZONES)
def test_a_named_time_comes_once_on_each_day_of_ten_years(zone: str) -> None:
    """At the first of two equal local times in autumn, and at the first instant after the gap in spring."""
    named = [time(1, 45), time(2, 15)]
    days = [date(2024, 1, 2) + n * DAY for n in range((END - BEGIN).days - 2)]
    found: dict[time, dict[date, Slot]] = {}
    for name in named:
        walked = between(Schedule(cron=f"{name.minute} {name.hour} * * *", timezone=zone), BEGIN, END)
        found[name] = {slot.local.date(): slot for slot in walked}
        assert len(found[name]) == len(walked)
        assert all(found[name][day].key == f"{day}T{name:%H:%M}" for day in days)
    assert len(changes(zone)) == CHANGES[zone]
    for change in changes(zone):
        shown = list(minutes(zone, change - DAY, change + 2 * DAY))
        for name in named:
            for day in (change.date(), change.date() + DAY):
                wanted = datetime.combine(day, name)
                exact = [instant for instant, local in shown if local == wanted]
                later = [instant for instant, local in shown if local > wanted]
                assert found[name][day].fire_at == min(exact or later)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("cron", ["15 * * * *", "0,45 */3 * * *", "*/20 * * * *"])
def test_an_open_hour_means_every_instant_at_which_the_clock_shows_it(zone: str, cron: str) -> None:
    minute, hour = cron.split()[:2]
    fits = {0, 45} if "," in minute else {0, 20, 40} if "/" in minute else {15}
    step = 3 if "/" in hour else 1
    schedule = Schedule(cron=cron, timezone=zone)
    for change in changes(zone) or [BEGIN]:
        begin, end = change - DAY, change + 2 * DAY
        expected = [i for i, local in minutes(zone, begin, end) if local.minute in fits and local.hour % step == 0]
        found = between(schedule, begin - MINUTE, end - MINUTE)
        assert [slot.fire_at for slot in found] == expected
        assert all(slot.key == f"{slot.fire_at:%Y-%m-%dT%H:%M}Z" for slot in found)


@pytest.mark.parametrize("zone", ZONES[:2])
def test_an_hourly_schedule_keeps_every_real_hour_over_every_change(zone: str) -> None:
    for change in changes(zone):
        found = between(Schedule(cron="15 * * * *", timezone=zone), change - DAY, change + 2 * DAY)
        assert len(found) == 72
        assert {later.fire_at - earlier.fire_at for earlier, later in pairwise(found)} == {HOUR}


def test_a_distance_is_real_time_and_does_not_depend_on_when_it_is_asked() -> None:
    schedule = Schedule(every="90m", start="2024-01-01T06:00", timezone="Europe/Berlin")
    found = between(schedule, BEGIN, END)
    assert found[0].fire_at == datetime(2024, 1, 1, 5, tzinfo=UTC)
    assert {later.fire_at - earlier.fire_at for earlier, later in pairwise(found)} == {timedelta(minutes=90)}
    asked_late = between(schedule, BEGIN + 1234567 * MINUTE, END)
    assert asked_late == found[-len(asked_late) :]
    assert keys(Schedule(every="90s"), "2026-01-05T08:00", "2026-01-05T08:05") == [
        "2026-01-05T08:01:30Z",
        "2026-01-05T08:03Z",
        "2026-01-05T08:04:30Z",
    ]


def test_times_that_the_clock_skips_are_one_slot() -> None:
    schedule = Schedule(cron="0,30 2,3 * * *", timezone="Europe/Berlin")
    assert keys(schedule, "2026-03-29T00:00", "2026-03-29T10:00") == ["2026-03-29T02:00", "2026-03-29T03:30"]
    assert keys(schedule, "2026-10-24T22:00", "2026-10-25T10:00") == [
        "2026-10-25T02:00",
        "2026-10-25T02:30",
        "2026-10-25T03:00",
        "2026-10-25T03:30",
    ]


CRONS = [
    "30 2 * * *",
    "0,30 1-3 * * *",
    "*/20 * * * *",
    "5 */2 * * mon-fri",
    "0 6 last * *",
    "0 0 29 2 *",
    "59 23 1,15 * *",
]
SCHEDULES = st.builds(
    lambda cron, zone, holiday: Schedule(cron=cron, timezone=zone, calendar="DE", on_holiday=holiday),
    st.sampled_from(CRONS),
    st.sampled_from([*ZONES, "Africa/Casablanca", "America/Nuuk", "Asia/Kathmandu"]),
    st.sampled_from(["skip", "next", "previous"]),
)


@settings(max_examples=60)
@given(SCHEDULES, st.integers(0, 3650 * 24 * 60), st.integers(1, 30 * 24 * 60))
def test_slots_increase_and_are_the_same_from_wherever_they_are_walked(
    schedule: Schedule, minute: int, later: int
) -> None:
    calendar = open_calendar("DE", Path())
    begin = BEGIN + minute * MINUTE
    end = begin + 45 * DAY
    found = between(schedule, begin, end, calendar)
    assert all(earlier.fire_at < after.fire_at for earlier, after in pairwise(found))
    assert len({slot.key for slot in found}) == len(found)
    assert all(begin < slot.fire_at <= end for slot in found)
    middle = begin + later * MINUTE
    assert between(schedule, begin, middle, calendar) + between(schedule, middle, end, calendar) == found


HOLIDAYS = open_calendar("DE-BY", Path())


@pytest.mark.parametrize(
    ("on_holiday", "expected"),
    [
        ("skip", ["2026-12-23", "2026-12-24", "2026-12-28", "2026-12-29", "2026-12-30", "2026-12-31", "2027-01-04"]),
        ("next", ["2026-12-23", "2026-12-24", "2026-12-28", "2026-12-29", "2026-12-30", "2026-12-31", "2027-01-04"]),
    ],
)
def test_a_daily_slot_of_a_holiday_is_none_or_that_of_a_business_day(on_holiday: str, expected: list[str]) -> None:
    schedule = Schedule(cron="0 6 * * *", timezone="Europe/Berlin", calendar="DE-BY", on_holiday=on_holiday)
    found = keys(schedule, "2026-12-23T00:00", "2027-01-05T00:00", HOLIDAYS)
    assert found == [f"{day}T06:00" for day in expected]


@pytest.mark.parametrize(
    ("on_holiday", "expected"),
    [("skip", []), ("next", ["2026-12-28T18:00"]), ("previous", ["2026-12-24T18:00"])],
)
def test_a_slot_of_a_holiday_moves_to_a_business_day_at_the_same_local_time(
    on_holiday: str, expected: list[str]
) -> None:
    schedule = Schedule(cron="0 18 25 12 *", timezone="Europe/Berlin", calendar="DE", on_holiday=on_holiday)
    assert keys(schedule, "2026-12-01T00:00", "2026-12-31T00:00", HOLIDAYS) == expected


def test_slots_that_meet_on_a_business_day_are_in_order() -> None:
    schedule = Schedule(cron="0 18 * * fri-sun", timezone="Europe/Berlin", calendar="DE", on_holiday="next")
    assert keys(schedule, "2026-01-09T00:00", "2026-01-13T00:00", HOLIDAYS) == ["2026-01-09T18:00", "2026-01-12T18:00"]
    often = Schedule(every="7h", calendar="DE", on_holiday="next")
    found = between(often, datetime(2026, 1, 9, tzinfo=UTC), datetime(2026, 1, 14, tzinfo=UTC), HOLIDAYS)
    assert {slot.local.weekday() for slot in found} == {0, 1, 4}
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    first = datetime(2026, 1, 10, tzinfo=UTC)
    times = {i.time() for i in (first + n * HOUR for n in range(72)) if (i - epoch) % timedelta(hours=7) == 0 * HOUR}
    assert [slot.local.time() for slot in found if slot.local.day == 12] == sorted(times)


def test_a_calendar_of_ones_own_adds_and_removes_days(tmp_path: Path) -> None:
    spec = CalendarSpec(base="DE", weekend=("fri", "sat"), add=(date(2026, 12, 24),), remove=(date(2026, 12, 25),))
    own = open_calendar(spec, tmp_path)
    week = [date(2026, 12, 20) + n * DAY for n in range(8)]
    assert [day.day for day in week if own.is_business_day(day)] == [20, 21, 22, 23, 25, 27]
    made_up = open_calendar("CN", tmp_path)
    assert made_up.is_business_day(date(2026, 10, 10))
    assert not open_calendar("ECB", tmp_path).is_business_day(date(2026, 4, 3))


def test_a_holiday_is_one_while_another_thread_works_its_year_out() -> None:
    begun, go_on = threading.Event(), threading.Event()

    class Slow(holidays.HolidayBase):
        country = "XX"

        def _populate(self, year: int) -> None:
            begun.set()
            go_on.wait(10)
            self[date(year, 5, 1)] = "Labour Day"

    calendar = Calendar(Slow(), None, frozenset(), frozenset())
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(calendar.is_business_day, date(2026, 5, 1))
        assert begun.wait(10)
        second = pool.submit(calendar.is_business_day, date(2026, 5, 1))
        wait([second], timeout=0.2)
        go_on.set()
        assert [first.result(), second.result()] == [False, False]


def test_the_cut_off_is_local_time_of_the_slots_own_day() -> None:
    schedule = Schedule(cron="0 6 * * *", timezone="America/New_York", cut_off="16:00")
    (winter,) = takewhile(lambda slot: slot.local.day == 5, slots(schedule, None, datetime(2026, 1, 5, tzinfo=UTC)))
    assert cut_off(schedule, winter) == datetime(2026, 1, 5, 21, tzinfo=UTC)
    (summer,) = takewhile(lambda slot: slot.local.day == 6, slots(schedule, None, datetime(2026, 7, 6, tzinfo=UTC)))
    assert cut_off(schedule, summer) == datetime(2026, 7, 6, 20, tzinfo=UTC)


def test_a_whole_day_that_a_zone_skips_ends_at_its_end() -> None:
    """Samoa had no 30 December 2011."""
    noon = datetime.fromisoformat("2011-12-30T12:00")
    assert instant_of(noon, ZoneInfo("Pacific/Apia")) == datetime(2011, 12, 30, 10, tzinfo=UTC)
