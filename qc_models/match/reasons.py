"""Why a match is doubted, in words: which part of it is unlike right matches, and what stands there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date

import numpy as np
from numpy.typing import NDArray

from engine.ports import Finding
from qc_models.calibration import log_odds
from qc_models.match.context import Context, party_of, payer_of
from qc_models.match.features import AT, KIND_NAMES, NAMES, Matrix
from qc_models.match.pair import Pair, Side
from qc_models.match.rules import evidence
from qc_models.match.texts import money

Floats = NDArray[np.float64]
_EVEN = 0.01
LEAST = 0.3
"""Log-odds that a group must speak against a match to be named."""
_COPIES = ("amount_copies_bank", "amount_copies_book", "name_copies_bank", "name_copies_book")
_REPEATED = ("ref_copies_bank", "ref_copies_book")
_RIVALS = ("rivals", "rival_score", "margin", "alternatives")
_HISTORY = ("history_count", "history_others", "history_lag_off")
_DATES = ("days", "days_apart", "business_days", "booking_lag", "day_spread")
_APART = {"score", *_COPIES, *_REPEATED, *_RIVALS, *_HISTORY, *_DATES, *KIND_NAMES}
_AMOUNTS = ("currency_equal", "amount_", "off_", "sign_", "decimal_", "digits_swapped", "one_digit_off")
_NAMES = ("name_",)
_REFERENCES = (
    "ref_",
    "digits_shared",
    "digits_copies",
    "digits_edits",
    "digits_named",
    "check_",
    "account_",
    "end_to_",
)


def _starting(prefixes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in NAMES if name not in _APART and name.startswith(prefixes))


GROUPS: dict[str, tuple[str, ...]] = {
    "amount": _starting(_AMOUNTS),
    "reference": _starting(_REFERENCES),
    "name": _starting(_NAMES),
    "date": _DATES,
    "copies": (*_COPIES, *_REPEATED),
    "rivals": _RIVALS,
    "history": _HISTORY,
}


def weights(row: Matrix, typical: Matrix, score: Callable[[Matrix], Floats]) -> dict[str, float]:
    """Return how much each group speaks against a match, in log-odds of P(wrong); only those that do.

    It is the mean of two changes: how far P(wrong) falls when the group of this match becomes as in a typical right
    one, and how far it rises when the group of a typical right one becomes as here: the last and the first step of
    Shapley's value (L. S. Shapley, "A value for n-person games", 1953). Either alone is blind: several faults hide one
    another, and one may need another to show. The candidate's own score and its margin, which are made of the other
    features, follow what is changed.
    """
    mended, spoilt = _exchanged(row, typical), _exchanged(typical, row)
    found = log_odds(score(np.vstack([row, mended, typical, spoilt])))
    count = len(GROUPS)
    falls, rises = found[0] - found[1 : count + 1], found[count + 2 :] - found[count + 1]
    against = dict(zip(GROUPS, ((falls + rises) / 2).tolist(), strict=True))
    return {group: weight for group, weight in against.items() if weight >= LEAST}


def _exchanged(row: Matrix, other: Matrix) -> Matrix:
    """Return the row once a group, with that group's features from the other row, (groups, features)."""
    changed = np.repeat(row[None, :], len(GROUPS), axis=0)
    for place, names in enumerate(GROUPS.values()):
        columns = [AT[name] for name in names]
        changed[place, columns] = other[columns]
    moved = (evidence(changed) - evidence(row[None, :])).astype(np.float32)
    own = [place for place, group in enumerate(GROUPS) if group != "rivals"]
    for name in ("score", "margin"):
        changed[own, AT[name]] += moved[own]
    return changed


def findings(pair: Pair, row: Matrix, context: Context, against: Mapping[str, float]) -> Iterator[Finding]:
    """Yield one reason a group that speaks against the match, strongest first."""
    for group, _ in sorted(against.items(), key=lambda item: (-item[1], item[0])):
        yield _SAY[group](pair, row, context)


def _amount(pair: Pair, row: Matrix, context: Context) -> Finding:
    del context
    bank, book = pair.bank.total, pair.book.total
    if pair.bank.currency != pair.book.currency:
        text = f"{_money(pair.bank)} and {_money(pair.book)} are in two currencies"
    elif bank == book:
        text = f"the amounts are equal, {_money(pair.bank)}, which alone says little"
    else:
        off = abs(bank - book)
        text = f"the amounts differ by {money(off, pair.bank.currency)} ({off / max(abs(bank), abs(book)):.1%})"
        hints = {
            "sign_flip": "the sign is turned",
            "decimal_shift": "the decimal point has slipped",
            "digits_swapped": "two neighbouring digits are swapped",
            "one_digit_off": "a single digit differs",
        }
        text += "".join(f": {hint}" for name, hint in hints.items() if row[AT[name]] == 1)
    return Finding("match", "amount", text, "amount", _money(pair.book), _money(pair.bank))


def _reference(pair: Pair, row: Matrix, context: Context) -> Finding:
    ours, theirs = _references(pair.book), _references(pair.bank)
    stranger = next((key for line in pair.bank.lines for key in sorted(line.keys) if context.book.keys[key]), "")
    edits = row[AT["ref_edits"]]
    if row[AT["ref_named_elsewhere"]] > 0:
        text = f"the bank's reference {stranger or theirs} is that of another line of the books"
    elif row[AT["digits_named_elsewhere"]] > 0 and row[AT["ref_equal"]] != 1:
        text = "the bank line carries the number of another line of the books"
    elif not theirs:
        text = "the bank line carries no reference"
    elif not ours:
        text = "the line of the books carries no reference"
    elif edits > 0:
        text = f"the references differ in {_several(round(float(edits)), 'sign')}"
    else:
        text = "the references agree for a part of the lines only" if row[AT["ref_equal"]] < 1 else "the references"
    return Finding("match", "reference", text, "reference", ours or None, theirs or None)


def _name(pair: Pair, row: Matrix, context: Context) -> Finding:
    del context
    ours, theirs = pair.book.lines[0].name, pair.bank.lines[0].name
    if not theirs:
        text = "the bank line names nobody"
    elif not ours:
        text = "the line of the books names nobody"
    else:
        text = f"{theirs} and {ours} are {row[AT['name_set']]:.0%} alike"
    return Finding("match", "name", text, "name", ours or None, theirs or None)


def _date(pair: Pair, row: Matrix, context: Context) -> Finding:
    del context
    days = row[AT["days"]]
    ours, theirs = pair.book.lines[0].day, pair.bank.lines[0].day
    if np.isnan(days):
        text = "a day is missing, so the distance is not known"
    else:
        when = "before" if days < 0 else "after"
        text = f"the bank is {_several(round(abs(float(days))), 'day')} {when} the books"
        spread = row[AT["day_spread"]]
        text += f", and the lines of the group are {spread:.0f} days apart" if spread > 0 else ""
    return Finding("match", "date", text, "date", _day(ours), _day(theirs))


def _copies(pair: Pair, row: Matrix, context: Context) -> Finding:
    bank, book = _count(row, "ref_copies_bank"), _count(row, "ref_copies_book")
    if bank > 1 or book > 1:
        text = f"the reference stands on {_several(bank, 'bank line')} and on {_several(book, 'book line')}"
    else:
        line = pair.book.lines[0]
        bank, book = context.bank.amount_copies(pair.bank.lines[0]), context.book.amount_copies(line)
        shown = money(line.amount, line.currency)
        text = f"{_several(bank, 'bank line')} and {_several(book, 'book line')} have the amount {shown}"
    return Finding("match", "copies", text)


def _rivals(pair: Pair, row: Matrix, context: Context) -> Finding:
    del row, context
    if pair.alternatives:
        text = f"{pair.alternatives} other groups of lines reach the same sum"
    elif pair.rivals:
        margin = pair.margin or 0.0
        fits = "better" if margin < -_EVEN else "as well" if margin <= _EVEN else f"nearly as well (by {margin:.2f})"
        text = f"{_several(pair.rivals, 'other candidate')} for these lines, and the best fits {fits}"
    else:
        text = "no other candidate wants these lines, but this one fits badly"
    return Finding("match", "rivals", text)


def _history(pair: Pair, row: Matrix, context: Context) -> Finding:
    seen, others, _ = context.history.look(pair) or (0, 0, None)
    payer, party = payer_of(pair.bank), party_of(pair.book)
    if others and not seen:
        text = f"{payer} was matched {others} times, never with {party}"
    elif seen:
        text = (
            f"{payer} and {party} were matched {seen} times, {abs(row[AT['history_lag_off']]):.0f} days from this lag"
        )
    else:
        text = f"{payer or 'this payer'} and {party or 'this party'} were never matched before"
    return Finding("match", "history", text)


_SAY: dict[str, Callable[[Pair, Matrix, Context], Finding]] = {
    "amount": _amount,
    "reference": _reference,
    "name": _name,
    "date": _date,
    "copies": _copies,
    "rivals": _rivals,
    "history": _history,
}


def _references(side: Side) -> str:
    return ", ".join(text for line in side.lines for text in (*line.structured, line.end_to_end) if text)


def _money(side: Side) -> str:
    return money(side.total, side.currency)


def _several(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _count(row: Matrix, name: str) -> int:
    return round(float(np.expm1(row[AT[name]])))
