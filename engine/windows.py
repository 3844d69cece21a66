"""Maintenance windows: until when an application is not to be worked in. Pure, and right over clock changes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from engine.definition import WEEKDAYS, MaintenanceWindow


def closed_until(windows: Iterable[MaintenanceWindow], now: datetime) -> datetime | None:
    """Return the end (UTC) of the windows that `now` lies in, or None if it lies in none.

    Windows that follow each other without a gap are one. Start and end are local wall time: a window of 02:00 to 03:00
    is empty on the night on which that hour is skipped, and two hours long on the night on which it comes twice.

    Args:
        windows: of one application.
        now: an aware instant.
    """
    windows = tuple(windows)
    end: datetime | None = None
    while (later := _end_of_one(windows, end or now)) is not None:
        end = later
        if end - now > timedelta(days=8):
            break  # closed for good: every minute of the week is in some window
    return end


def closed_spans(
    windows: Iterable[MaintenanceWindow], since: datetime, until: datetime
) -> list[tuple[datetime, datetime]]:
    """Return when the windows are closed between two instants: in order, apart, cut to [since, until]; UTC."""
    windows = tuple(windows)
    spans: list[tuple[datetime, datetime]] = []
    days = range((until - since).days + 3)  # one more at each end: local days begin elsewhere
    found = {span for window in windows for day in days for span in _spans(window, since + timedelta(days=day))}
    for start, end in sorted(found):
        start, end = max(start, since), min(end, until)  # noqa: PLW2901 - the span, cut
        if start >= end:
            continue
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return spans


def _end_of_one(windows: Iterable[MaintenanceWindow], now: datetime) -> datetime | None:
    ends = [end for window in windows for start, end in _spans(window, now) if start <= now < end]
    return max(ends, default=None)


def _spans(window: MaintenanceWindow, now: datetime) -> Iterable[tuple[datetime, datetime]]:
    """Return the window's span that starts today and the one that started yesterday, in UTC."""
    zone = ZoneInfo(window.timezone)
    today = now.astimezone(zone).date()
    for day in (today - timedelta(days=1), today):
        if WEEKDAYS[day.weekday()] in window.days:
            last = day + timedelta(days=1) if window.end <= window.start else day
            yield _instant(day, window.start, zone, fold=0), _instant(last, window.end, zone, fold=1)


def _instant(day: date, clock_time: str, zone: ZoneInfo, *, fold: int) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock_time).replace(fold=fold), zone).astimezone(UTC)
