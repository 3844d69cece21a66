"""When a workflow starts by itself, as it is written; `slots` says what it means, `calendars` what a day off is."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from engine.definition import CLOCK_TIME, Duration, Frozen, Weekday


def parse_start(raw: object) -> datetime:
    """Read `2026-01-31T06:00`, with or without an offset from UTC.

    Raises:
        ValueError: the text is no date and time.
    """
    if isinstance(raw, datetime):
        return raw
    try:
        return datetime.fromisoformat(raw if isinstance(raw, str) else "")
    except ValueError:
        raise ValueError(f"{raw!r} is not a date and time; write it like 2026-01-31T06:00") from None


Start = Annotated[
    datetime,
    BeforeValidator(parse_start),
    PlainSerializer(lambda value: value.isoformat()),
    WithJsonSchema({"type": "string", "examples": ["2026-01-31T06:00", "2026-01-31T06:00+01:00"]}),
]


class CalendarSpec(Frozen):
    """A business calendar of one's own: a known one, with days added and taken away."""

    base: str | None = Field(None, description="Country (DE), subdivision (DE-BY) or market (ECB) to begin with.")
    weekend: tuple[Weekday, ...] | None = Field(None, description="Week days off; default: those of base, or sat, sun.")
    add: tuple[date, ...] = Field((), description="Further days off, like 2026-12-24.")
    remove: tuple[date, ...] = Field((), description="Days that are worked after all, even on a weekend.")


class Schedule(Frozen):
    """When the workflow starts by itself; exactly one of `cron` and `every` says how often."""

    cron: str | None = Field(None, description="Five fields: minute hour day month weekday; weekdays by name only.")
    every: Duration | None = Field(None, description="A real-time distance of at least 1m, counted from `start`.")
    start: Start | None = Field(None, description="First slot of `every`, in `timezone`; default 1970-01-01T00:00Z.")
    timezone: str = Field("UTC", description="IANA time zone of cron fields, `start`, calendar days and cut-off.")
    calendar: str | CalendarSpec | None = Field(
        None, description="Business calendar: country, subdivision, market, or the name of calendars/<name>.yaml."
    )
    on_holiday: Literal["skip", "next", "previous"] = Field(
        "skip", description="What becomes of a slot on a day off: none, or the next or previous business day."
    )
    cut_off: str | None = Field(
        None, pattern=CLOCK_TIME, description="Local time after which a slot of that day is not started, like 16:00."
    )
    catch_up: Literal["none", "latest", "all"] = Field("latest", description="What to do with slots missed while down.")
    late_after: Duration = Field(timedelta(minutes=5), description="Decided later than this, a slot is late.")
    overlap: Literal["queue", "skip"] = Field(
        "queue", description="Whether a slot starts while the workflow's previous run is unfinished."
    )
