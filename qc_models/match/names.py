"""Name features of a candidate match; the counterparty's name is cut, capitalised or missing on many statements."""

from __future__ import annotations

from math import log1p

from rapidfuzz import fuzz

from qc_models.match.context import Context
from qc_models.match.pair import Line, Pair, by_line
from qc_models.match.texts import initials

NAMES = (
    "name_known_bank",
    "name_known_book",
    "name_sorted",
    "name_set",
    "name_prefix",
    "name_initials",
    "name_in_text",
    "name_copies_bank",
    "name_copies_book",
)
_NAN = float("nan")
_SHORTEST = 3


def of(pair: Pair, context: Context) -> tuple[float, ...]:
    """Return the features in the order of NAMES; over several lines, those of the line whose name fits worst."""
    rows = by_line(pair, lambda bank, book: _features(bank, book, context), _fit)
    return min(rows, key=_fit)


def _features(bank: Line, book: Line, context: Context) -> tuple[float, ...]:
    payer, party = bank.party, book.party
    alike = together = prefix = letters = _NAN
    if payer and party:
        if payer == party:
            alike = together = prefix = 1.0
        else:
            alike = fuzz.token_sort_ratio(payer, party) / 100
            together = fuzz.token_set_ratio(payer, party) / 100
            prefix = float(_prefix(payer, party))
        letters = float(payer.replace(" ", "") == initials(party) or party.replace(" ", "") == initials(payer))
    return (
        float(bool(payer)),
        float(bool(party)),
        alike,
        together,
        prefix,
        letters,
        _in_text(party, bank) if party else _NAN,
        log1p(context.bank.party_copies(bank)) if payer else _NAN,
        log1p(context.book.party_copies(book)) if party else _NAN,
    )


def _prefix(one: str, other: str) -> bool:
    """Say whether one name is the other cut off; statements keep 18 or 35 signs of it."""
    short, long = sorted((one, other), key=len)
    return len(short) >= _SHORTEST and long.startswith(short)


def _in_text(party: str, bank: Line) -> float:
    """Return the share of the books' name that stands in the bank line's free text, by letters."""
    words = [word for word in party.split() if len(word) >= _SHORTEST or not word.isascii()]
    whole = sum(map(len, words))
    return sum(len(word) for word in words if word in bank.wording) / whole if whole else _NAN


def _fit(row: tuple[float, ...]) -> float:
    best = [value for value in (row[2], row[3], row[6]) if value == value]  # noqa: PLR0124 - NaN is unequal to itself
    return max(best, default=0.0)
