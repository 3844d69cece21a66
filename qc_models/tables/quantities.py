"""The amounts and the days that the texts of a column stand for; the column's own clear values say how it writes them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from qc_models.tables.canonical import Convention, readings
from qc_models.tables.columns import Column, Floats, number_of

_MOSTLY = 0.6
_LOOKED_AT = 300
_USUAL_PLACES = 0.95
_CODE = re.compile(r"[+-]?0\d")
_UNIT = r"[A-Z]{3}|[€$£¥%]"
_AMOUNT = re.compile(rf"(?:{_UNIT})? ?([+-]?[\d., ']*\d) ?({_UNIT})?")
_DECIMALS = re.compile(r"[\d. ']*\d(,)(?!\d{3}$)\d+|[\d, ']*\d(\.)(?!\d{3}$)\d+")
_YEAR_LAST = re.compile(r"(\d{1,2})[-/](\d{1,2})[-/]\d{4}")
_MONTHS = 12


@dataclass(frozen=True)
class Amounts:
    """A column's distinct values as numbers (NaN: none; 19 % is 0.19) and how many decimal places it writes."""

    values: Floats
    places: int


def amounts_of(column: Column) -> Amounts | None:
    """Return a column's amounts, None if most of its cells are none; a leading zero makes a code, which is none."""
    seen = _seen(column)
    clear = [found for value in seen if (found := _DECIMALS.search(value))]
    comma = 2 * sum(found[1] is not None for found in clear) > len(clear)
    found = [_amount(value, decimal_comma=comma) for value in seen]
    if not seen or sum(one is not None for one in found) < _MOSTLY * len(seen):
        return None
    every = [_amount(value, decimal_comma=comma) for value in column.distinct]
    values = np.array([np.nan if one is None else one[0] for one in every])
    places = np.array([0 if one is None else one[1] for one in every])
    known = np.isfinite(values)
    order = np.argsort(places[known], kind="stable")
    reached = np.cumsum(column.counts[known][order])
    usual = places[known][order][np.searchsorted(reached, _USUAL_PLACES * reached[-1])]
    return Amounts(values, int(usual))


def days_of(column: Column) -> Floats | None:
    """Return a column's distinct values as days since 0001-01-01 (NaN: none), None if most of its cells are no dates.

    Whether 03/04/2026 is in March or April is what most of the column's clear dates say; left open, it is no date.
    """
    seen = _seen(column)
    clear = [(int(m[1]), int(m[2])) for value in seen if (m := _YEAR_LAST.fullmatch(value.strip()))]
    first, second = (sum(pair[at] > _MONTHS for pair in clear) for at in (0, 1))
    convention = Convention(day_first=None if first == second else first > second)
    found = [_day(value, convention) for value in seen]
    if not seen or sum(map(np.isfinite, found)) < _MOSTLY * len(seen):
        return None
    return np.array([_day(value, convention) for value in column.distinct])


def _seen(column: Column) -> Sequence[str]:
    """Return enough of the values to know what a column holds, from all over it."""
    present = np.flatnonzero(~column.missing)
    step = max(len(present) // _LOOKED_AT, 1)
    return [column.distinct[at] for at in present[::step]]


def _amount(text: str, *, decimal_comma: bool) -> tuple[float, int] | None:
    """Return a text as a number with its decimal places."""
    found = _AMOUNT.fullmatch(text.strip())
    if not found or _CODE.match(found[1]):
        return None
    digits, unit = found[1], found[2]
    if decimal_comma:
        digits = re.sub(r"[. ']", "", digits).replace(",", ".")
    number = number_of(digits)
    if not np.isfinite(number):
        return None
    sign = max(digits.rfind("."), digits.rfind(",") if digits.count(",") == 1 and "." not in digits else -1)
    places = len(digits) - sign - 1 if sign >= 0 else 0
    return (number / 100, places + 2) if unit == "%" or text.strip().startswith("%") else (number, places)


def _day(text: str, convention: Convention) -> float:
    if not 6 <= len(text.strip()) <= 30 or not any(sign.isdigit() for sign in text):  # noqa: PLR2004
        return float("nan")
    found = readings(text, convention)
    if len(found) != 1:
        return float("nan")
    (one,) = found
    return float(one.toordinal()) if isinstance(one, date) else float("nan")
