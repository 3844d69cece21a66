"""When two texts say the same: numbers, dates, Unicode and white space written in different ways are one value.

A column's own unambiguous values say whether its decimal sign is the point or the comma and whether its dates start
with the day; where nothing says so, every reading counts, and two texts that share one are taken to agree.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from qc_models.tables.columns import is_missing

Reading = Decimal | date | str

_POINT = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:[, '\u2019]\d{3})+)?(?:\.\d+)?")
_COMMA = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:[. '\u2019]\d{3})+)?(?:,\d+)?")
_CODE = re.compile(r"[+-]?0\d")
_YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ]00:00(?::00(?:\.0+)?)?)?")
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})")
_DAY_NAME = re.compile(r"(\d{1,2})(?:\.|st|nd|rd|th)?[ -]([^\W\d_]{3,9})\.?,?[ -](\d{4})")
_NAME_DAY = re.compile(r"([^\W\d_]{3,9})\.? (\d{1,2})(?:st|nd|rd|th)?,? (\d{4})")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(frozen=True)
class Convention:
    """How a column writes numbers and dates; None: its values do not say."""

    decimal_comma: bool | None = None
    day_first: bool | None = None


def convention_of(values: Iterable[str]) -> Convention:
    """Return what the unambiguous values of a column say; None where none says anything or they disagree."""
    commas, days = set[bool](), set[bool]()
    for value in values:
        text = tidy(value)
        point, comma = _number(text, comma=False), _number(text, comma=True)
        if (point is None) != (comma is None) and ("," in text or "." in text):
            commas.add(point is None)
        found = _YEAR_LAST.fullmatch(text)
        if found:
            first, second = int(found[1]), int(found[3])
            if (first > 12) != (second > 12):  # noqa: PLR2004 - months
                days.add(first > 12)  # noqa: PLR2004
    return Convention(commas.pop() if len(commas) == 1 else None, days.pop() if len(days) == 1 else None)


def readings(value: str, convention: Convention) -> frozenset[Reading]:
    """Return what a text may mean: one reading, or as many as its column leaves open; nothing at all is "" ."""
    text = tidy(value)
    if is_missing(text):
        return frozenset({""})
    found: set[Reading] = set(_dates(text, convention.day_first)) or set(_numbers(text, convention.decimal_comma))
    return frozenset(found or {text})


def tidy(value: str) -> str:
    """Return a text in Unicode's NFC with every run of white space as one blank and none at its ends."""
    return " ".join(unicodedata.normalize("NFC", value).split())


def _numbers(text: str, decimal_comma: bool | None) -> Iterator[Decimal]:
    for comma in (False, True):
        if decimal_comma in {None, comma}:
            number = _number(text, comma=comma)
            if number is not None:
                yield number


def _number(text: str, *, comma: bool) -> Decimal | None:
    """Return a text as a number; a leading zero makes it a code, whose zeros count."""
    if not any(character.isdigit() for character in text) or _CODE.match(text) or not text.isascii():
        return None
    if not (_COMMA if comma else _POINT).fullmatch(text):
        return None
    plain = re.sub(r"[. '\u2019]" if comma else r"[, '\u2019]", "", text)
    return Decimal(plain.replace(",", ".")).normalize()


def _dates(text: str, day_first: bool | None) -> Collection[date]:
    if found := _YEAR_FIRST.fullmatch(text):
        return _day(found[1], found[2], found[3])
    if found := _YEAR_LAST.fullmatch(text):
        first, sign, second, year = found.groups()
        as_day, as_month = _day(year, second, first), _day(year, first, second)
        if sign == "." or day_first is True:
            return as_day
        return as_month if day_first is False else {*as_day, *as_month}
    if found := _DAY_NAME.fullmatch(text):
        return _day(found[3], _month(found[2]), found[1])
    if found := _NAME_DAY.fullmatch(text):
        return _day(found[3], _month(found[1]), found[2])
    return set()


def _month(name: str) -> int:
    head = name.casefold()[:3]
    return _MONTHS.index(head) + 1 if head in _MONTHS else 0


def _day(year: str, month: str | int, day: str) -> set[date]:
    try:
        return {date(int(year), int(month), int(day))}
    except ValueError:
        return set()
