"""Amount and date features of candidate matches, in whole columns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from math import log1p

import numpy as np
from numpy.typing import NDArray

from qc_models.match.context import Context
from qc_models.match.pair import Pair

NAMES = (
    "currency_equal",
    "amount_equal",
    "amount_explained",
    "amount_off",
    "amount_off_share",
    "amount_short",
    "amount_size",
    "off_round",
    "sign_flip",
    "decimal_shift",
    "digits_swapped",
    "one_digit_off",
    "amount_copies_bank",
    "amount_copies_book",
    "days",
    "days_apart",
    "business_days",
    "booking_lag",
)
_ROUND = (1, 5, 10, 25, 50, 100, 500, 1000)
_ANCHOR = date(1970, 1, 1).toordinal()
_UNKNOWN = np.datetime64("NaT")


def of(pairs: Sequence[Pair], context: Context) -> NDArray[np.float32]:
    """Return one row a pair, in the order of NAMES."""
    bank = np.array([pair.bank.total for pair in pairs], dtype=np.float64)
    book = np.array([pair.book.total for pair in pairs], dtype=np.float64)
    same = np.array([pair.bank.currency == pair.book.currency for pair in pairs])
    off = bank - book
    explained = np.array([(pair.fee or 0) + (pair.fx_difference or 0) for pair in pairs], dtype=np.float64)
    size = np.maximum(np.abs(bank), np.abs(book))
    written = [_spelled(pair.bank.total, pair.book.total) for pair in pairs]
    columns = [
        same,
        off == 0,
        np.abs(off) == np.abs(explained),
        np.sign(off) * np.log1p(np.abs(off)),
        np.abs(off) / np.maximum(size, 1),
        np.sign(np.abs(book) - np.abs(bank)),
        np.log1p(np.abs(book)),
        _roundness(np.abs(off)),
        (bank == -book) & (bank != 0),
        _shifted(np.abs(bank), np.abs(book)),
        [swapped for swapped, _ in written],
        [single for _, single in written],
        [log1p(context.bank.amount_copies(pair.bank.lines[0])) for pair in pairs],
        [log1p(context.book.amount_copies(pair.book.lines[0])) for pair in pairs],
        *_dates(pairs),
    ]
    return np.column_stack([np.asarray(column, dtype=np.float32) for column in columns])


def _roundness(off: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest usual step that divides a difference (a flat fee is 0.25, 1.50 or 5.00); 0 for none."""
    found = np.zeros(len(off))
    for step in _ROUND:
        found = np.where((off > 0) & (off % step == 0), step, found)
    return np.log1p(found)


def _shifted(bank: NDArray[np.float64], book: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Say where one amount is the other with the decimal point one to three places off."""
    found = np.zeros(len(bank), dtype=bool)
    for factor in (10, 100, 1000):
        found |= (bank * factor == book) | (book * factor == bank)
    return found & (bank > 0)


def _spelled(bank: int, book: int) -> tuple[bool, bool]:
    """Say whether two amounts of equal length differ by one swap of neighbours, or in a single digit."""
    if bank == book:
        return False, False
    one, other = str(abs(bank)), str(abs(book))
    if len(one) != len(other):
        return False, False
    places = [place for place, (left, right) in enumerate(zip(one, other, strict=True)) if left != right]
    swapped = len(places) == 2 and places[1] == places[0] + 1  # noqa: PLR2004 - two neighbours
    crossed = swapped and one[places[0]] == other[places[1]] and one[places[1]] == other[places[0]]
    return crossed, len(places) == 1


def _dates(pairs: Sequence[Pair]) -> list[NDArray[np.float64]]:
    """Return days, their size, business days and the bank's booking lag; NaN where a day is not known."""
    theirs = _days([pair.bank.lines[0].day for pair in pairs])
    ours = _days([pair.book.lines[0].day for pair in pairs])
    days = _given([pair.days for pair in pairs], theirs - ours)
    working = _given([pair.business_days for pair in pairs], _business(ours, theirs))
    booked = _days([pair.bank.lines[0].booked for pair in pairs])
    valued = _days([pair.bank.lines[0].valued for pair in pairs])
    return [days, np.abs(days), working, booked - valued]


def _days(days: Sequence[date | None]) -> NDArray[np.float64]:
    return np.array([np.nan if day is None else day.toordinal() - _ANCHOR for day in days], dtype=np.float64)


def _given(values: Sequence[int | None], computed: NDArray[np.float64]) -> NDArray[np.float64]:
    told = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return np.where(np.isnan(told), computed, told)


def _business(first: NDArray[np.float64], last: NDArray[np.float64]) -> NDArray[np.float64]:
    known = ~np.isnan(first) & ~np.isnan(last)
    found = np.full(len(first), np.nan)
    begin, end = (np.asarray(days[known], dtype=np.int64).astype("datetime64[D]") for days in (first, last))
    found[known] = np.busday_count(begin, end)
    return found
