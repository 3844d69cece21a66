"""The amounts and the days that the texts of a column stand for, read as the column's own clear values say."""

from __future__ import annotations

import re
from collections import Counter
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
_DATE_FORMS = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y")
_MONTHS = 12


@dataclass(frozen=True)
class Amounts:
    """A column's distinct values as numbers (NaN: none; 19 % is 0.19) and how it writes them.

    `places`: decimal places of the number (4 for 19.25 %); `form`: what stands around the digits, e.g. `{} %`.
    """

    values: Floats
    places: int
    decimal_comma: bool
    form: str

    def write(self, value: float) -> str:
        """Write a number as the column does, without separators of thousands."""
        percent = "%" in self.form
        text = f"{value * 100 if percent else value:.{self.places - 2 * percent}f}"
        return self.form.replace("{}", text.replace(".", ",") if self.decimal_comma else text)


def amounts_of(column: Column) -> Amounts | None:
    """Return a column's amounts, None if most of its cells are none; a leading zero makes a code, which is none."""
    seen = _seen(column)
    clear = [match for value in seen if (match := _DECIMALS.fullmatch(value.strip()))]
    comma = 2 * sum(match[1] is not None for match in clear) > len(clear)
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
    forms = Counter(_form(value) for value in seen if _AMOUNT.fullmatch(value.strip()))
    return Amounts(values, int(usual), comma, forms.most_common(1)[0][0])


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


def date_form(column: Column, days: Floats) -> str:
    """Return how a column writes its days, as a format of `strftime`: the one that fits most of its values."""
    known = np.flatnonzero(np.isfinite(days))
    some = known[:: max(len(known) // _LOOKED_AT, 1)]
    fits = [
        sum(date.fromordinal(int(days[at])).strftime(form) == column.distinct[at].strip() for at in some)
        for form in _DATE_FORMS
    ]
    return _DATE_FORMS[int(np.argmax(fits))]


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


def _form(text: str) -> str:
    text = text.strip()
    found = _AMOUNT.fullmatch(text)
    return text[: found.start(1)] + "{}" + text[found.end(1) :] if found else "{}"


def _day(text: str, convention: Convention) -> float:
    if not 6 <= len(text.strip()) <= 30 or not any(sign.isdigit() for sign in text):  # noqa: PLR2004
        return float("nan")
    found = readings(text, convention)
    if len(found) != 1:
        return float("nan")
    (one,) = found
    return float(one.toordinal()) if isinstance(one, date) else float("nan")
