"""Maintenance windows in local time, over midnight and over clock changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from engine.definition import MaintenanceWindow
from engine.windows import closed_until


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


NIGHT = MaintenanceWindow(days=("sat", "sun"), start="22:00", end="02:00", timezone="Europe/Berlin")


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-01-10 20:59", None),  # a Saturday; Berlin is an hour ahead
        ("2026-01-10 21:00", "2026-01-11 01:00"),
        ("2026-01-11 00:59", "2026-01-11 01:00"),
        ("2026-01-11 01:00", None),
        ("2026-01-11 21:30", "2026-01-12 01:00"),
        ("2026-01-12 21:30", None),  # Monday night
    ],
)
def test_a_window_goes_on_over_midnight_on_the_days_it_starts(now: str, end: str | None) -> None:
    assert closed_until([NIGHT], utc(now)) == (utc(end) if end else None)


def test_windows_that_touch_are_one() -> None:
    morning = MaintenanceWindow(days=("sun",), start="02:00", end="05:30", timezone="Europe/Berlin")
    assert closed_until([morning, NIGHT], utc("2026-01-10 22:00")) == utc("2026-01-11 04:30")


def test_a_window_in_the_skipped_hour_is_empty_and_in_the_doubled_hour_two_hours_long() -> None:
    hour = MaintenanceWindow(start="02:00", end="03:00", timezone="Europe/Berlin")
    spring = utc("2026-03-29 00:00")
    assert all(closed_until([hour], spring + timedelta(minutes=m)) is None for m in range(0, 180, 5))
    assert closed_until([hour], utc("2026-10-25 00:00")) == utc("2026-10-25 02:00")
    assert closed_until([hour], utc("2026-10-25 01:59")) == utc("2026-10-25 02:00")


def test_an_application_that_is_closed_all_week_ends_no_loop() -> None:
    day = MaintenanceWindow(start="00:00", end="00:00")
    assert closed_until([day], utc("2026-01-10 12:00")) is not None
