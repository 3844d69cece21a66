"""Reference features of a candidate match: equal, contained, damaged, or named by another line."""

from __future__ import annotations

from math import log1p

from rapidfuzz.distance import OSA

from qc_models.match.context import Context
from qc_models.match.pair import Line, Pair, by_line
from qc_models.match.texts import LEAST_SIGNS, check_digits

NAMES = (
    "ref_known_bank",
    "ref_known_book",
    "ref_equal",
    "ref_contained",
    "ref_edits",
    "ref_similarity",
    "digits_shared",
    "digits_copies",
    "digits_edits",
    "ref_named_elsewhere",
    "digits_named_elsewhere",
    "ref_copies_bank",
    "ref_copies_book",
    "check_holds",
    "account_equal",
    "end_to_end_equal",
)
_NAN = float("nan")
_RARE = 3
"""A run of digits that no more lines than this carry is a running number, not a year or a branch."""


def of(pair: Pair, context: Context) -> tuple[float, ...]:
    """Return the features in the order of NAMES; over several lines, the share of lines for which a tie holds."""
    rows = by_line(pair, lambda bank, book: _features(bank, book, context), _tie)
    return tuple(_mean(column) for column in zip(*rows, strict=True))


def _features(bank: Line, book: Line, context: Context) -> tuple[float, ...]:
    ours, theirs = book.keys, bank.keys
    both = bool(ours and theirs)
    equal = both and not ours.isdisjoint(theirs)
    edits, similarity = _NAN, _NAN
    if both:
        edits, similarity = (0.0, 1.0) if equal else _nearest(theirs, ours)
    shared = bank.runs & book.runs
    rarest = min((context.book.runs[run] for run in shared), default=0)
    return (
        float(bool(theirs)),
        float(bool(ours)),
        float(equal) if both else _NAN,
        float(equal or _contained(bank, book)),
        edits,
        similarity,
        float(bool(shared)) if bank.runs and book.runs else _NAN,
        log1p(rarest) if shared else _NAN,
        _NAN if shared or not (bank.runs and book.runs) else _run_edits(bank, book, context),
        float(any(key not in ours and context.book.keys[key] for key in theirs)) if theirs else _NAN,
        _elsewhere(bank, book, context),
        log1p(context.bank.key_copies(bank)),
        log1p(context.book.key_copies(book)),
        _check(theirs),
        float(bank.account_key == book.account_key) if bank.account_key and book.account_key else _NAN,
        float(bank.trace == book.trace) if bank.trace and book.trace else _NAN,
    )


def _nearest(theirs: frozenset[str], ours: frozenset[str]) -> tuple[float, float]:
    """Return the edits (a swap of neighbours is one) between the closest references, and their likeness in [0, 1]."""
    edits, length = min((OSA.distance(one, other), max(len(one), len(other))) for one in theirs for other in ours)
    return float(edits), 1 - edits / length


def _contained(bank: Line, book: Line) -> bool:
    return any(len(key) >= LEAST_SIGNS and key in bank.folded for key in book.keys) or any(
        len(key) >= LEAST_SIGNS and key in book.folded for key in bank.keys
    )


def _run_edits(bank: Line, book: Line, context: Context) -> float:
    """Return the edits between the rarest running numbers of both lines."""
    theirs = min(bank.runs, key=lambda run: (context.bank.runs[run], run))
    ours = min(book.runs, key=lambda run: (context.book.runs[run], run))
    return float(OSA.distance(theirs, ours))


def _elsewhere(bank: Line, book: Line, context: Context) -> float:
    """Say whether the bank line carries the running number of another line of the books, and not of this one."""
    if not bank.runs:
        return _NAN
    known = context.book.runs
    return float(any(0 < known[run] <= _RARE and run not in book.runs for run in bank.runs))


def _check(keys: frozenset[str]) -> float:
    found = [holds for holds in map(check_digits, keys) if holds is not None]
    return float(all(found)) if found else _NAN


def _tie(row: tuple[float, ...]) -> tuple[float, ...]:
    """Rank lines of the other side by how well they tie: equal, contained, digits; NaN is no tie."""
    return tuple(0.0 if row[place] != row[place] else row[place] for place in (2, 3, 6))


def _mean(column: tuple[float, ...]) -> float:
    known = [value for value in column if value == value]  # noqa: PLR0124 - NaN is unequal to itself
    return sum(known) / len(known) if known else _NAN
