"""Business calendars: countries, subdivisions and markets of the `holidays` package, and days of one's own."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import holidays
from pydantic import ValidationError

from engine.definition import WEEKDAYS
from engine.errors import UserError
from engine.schedules.schedule import CalendarSpec
from engine.words import translate
from engine.yaml_source import Problem, read, suggest

FOLDER = "calendars"
_WEEKEND = (5, 6)
_ASKING = threading.Lock()
"""The package works a year out when first asked, and says before it has done so that the year is known."""


@dataclass(frozen=True)
class Calendar:
    """Says which days are worked."""

    base: Any
    """A calendar of the `holidays` package, or None."""
    weekend: frozenset[int] | None
    added: frozenset[date]
    removed: frozenset[date]

    def is_business_day(self, day: date) -> bool:
        """Say whether the day is worked: neither weekend nor holiday."""
        if day in self.removed:
            return True
        if day in self.added:
            return False
        off = day.weekday() in (_WEEKEND if self.weekend is None else self.weekend)
        if self.base is None:
            return not off
        with _ASKING:
            if day in self.base:
                return False
            if self.weekend is None:
                off = self.base.is_weekend(day)
            return not off or day in self.base.weekend_workdays


def open_calendar(calendar: str | CalendarSpec, folder: Path) -> Calendar:
    """Return a schedule's calendar; a name may be that of a file in `folder`/calendars.

    Raises:
        UserError: there is no such calendar, or its file is broken; the message lists every problem.
    """
    if isinstance(calendar, CalendarSpec):
        return _of(calendar)
    path = calendar_file(calendar, folder)
    if path is None:
        return _of(CalendarSpec(base=calendar))
    spec, problems = read_calendar(path)
    if spec is None:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise UserError(f"{path.as_posix()} cannot be used; mend this first:\n{listed}")
    return _of(spec)


def _of(spec: CalendarSpec) -> Calendar:
    for mistake in mistakes(spec):
        raise UserError(mistake[1])
    weekend = None if spec.weekend is None else frozenset(WEEKDAYS.index(day) for day in spec.weekend)
    base = None if spec.base is None else _package(spec.base)
    return Calendar(base, weekend, frozenset(spec.add), frozenset(spec.remove))


def calendar_file(name: str, folder: Path) -> Path | None:
    """Return the file of a calendar, which goes before a country or market of that name; None without one."""
    return next((path for path in (folder / FOLDER).glob("*.yaml") if path.stem == name), None)


def read_calendar(path: Path) -> tuple[CalendarSpec | None, list[Problem]]:
    """Read a calendar file, with every problem at its place."""
    try:
        document, problems = read(path.as_posix(), path.read_bytes())
    except OSError as error:
        return None, [Problem(path.as_posix(), 1, 1, f"cannot be read: {error.strerror or error}", "file")]
    if document is None:
        return None, problems
    try:
        spec = CalendarSpec.model_validate(document.data)
    except ValidationError as error:
        problems += translate(document, (), error.errors(include_url=False), CalendarSpec)
        base = document.data.get("base")
        spec = CalendarSpec(base=base) if isinstance(base, str) else CalendarSpec()
    problems += [document.problem((key,), message, "calendar") for key, message in mistakes(spec)]
    return None if problems else spec, problems


def mistakes(spec: CalendarSpec) -> list[tuple[str, str]]:
    """Return what is wrong with a calendar beyond its shape: the key, and a sentence."""
    found = []
    if spec.base is not None and not known(spec.base):
        found.append(("base", unknown_calendar(spec.base)))
    if spec.weekend is not None and len(set(spec.weekend)) == len(WEEKDAYS):
        found.append(("weekend", "a weekend of seven days leaves no business day"))
    both = sorted(set(spec.add) & set(spec.remove))
    found += [("remove", f"{day} is added and removed") for day in both]
    return found


def unknown_calendar(name: str, folder: Path | None = None) -> str:
    """Return the sentence for a name that is no calendar."""
    files = [path.stem for path in (folder / FOLDER).glob("*.yaml")] if folder else []
    close = suggest(name, [*_names(), *files])
    hint = f', did you mean "{close}"?' if close else ";"
    own = f"; files: {', '.join(sorted(files))}" if files else ""
    return f'unknown calendar "{name}"{hint} known: countries (DE), subdivisions (DE-BY), markets (ECB, XNYS){own}'


def known(name: str) -> bool:
    """Say whether the `holidays` package has a calendar of this name."""
    return name in _names()


@cache
def _names() -> frozenset[str]:
    countries = holidays.list_supported_countries(include_aliases=True)
    parts = [f"{country}-{part}" for country, some in countries.items() for part in some]
    return frozenset([*countries, *parts, *holidays.list_supported_financial(include_aliases=True)])


@cache
def _package(name: str) -> Any:
    if name in holidays.list_supported_financial(include_aliases=True):
        return holidays.financial_holidays(name)
    country, _, part = name.partition("-")
    return holidays.country_holidays(country, subdiv=part or None)
