"""Maintenance windows in local time, over midnight and over clock changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from engine.definition import MaintenanceWindow
from engine.windows import closed_spans, closed_until


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


@pytest.mark.parametrize("since", [datetime(2026, 3, 27, 9, tzinfo=UTC), datetime(2026, 10, 23, 23, 30, tzinfo=UTC)])
def test_the_closed_spans_are_the_instants_at_which_the_application_is_closed(since: datetime) -> None:
    night = MaintenanceWindow(days=("fri", "sat", "sun"), start="22:30", end="03:00", timezone="Europe/Berlin")
    after = MaintenanceWindow(start="01:00", end="01:30", timezone="UTC")
    far = MaintenanceWindow(days=("mon",), start="00:00", end="02:00", timezone="Pacific/Auckland")
    until = since + timedelta(days=5)
    spans = closed_spans([night, after, far], since, until)
    for minute in range(0, 5 * 24 * 60, 5):
        now = since + timedelta(minutes=minute)
        inside = any(start <= now < end for start, end in spans)
        assert inside == (closed_until([night, after, far], now) is not None), now
    edges = [edge for span in spans for edge in span]
    assert edges == sorted(set(edges))
    assert since <= edges[0] < edges[-1] <= until
