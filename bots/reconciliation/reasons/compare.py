"""How two lines compare, field by field, and the odds that they are one payment.

The odds follow Fellegi and Sunter: for each field ln(how often it looks like this in lines that belong together / in
lines that do not). How often lines agree by chance is counted in the lines at hand: a reference that one line carries
weighs more than a name that a thousand do, and an amount at a price point next to nothing. How often lines that belong
together differ is `DIFFERS`. The sum begins with ln(1 / lines that could be it): the open ones of that side, if it is
open.

I. P. Fellegi and A. B. Sunter, "A theory for record linkage", Journal of the American Statistical Association 64
(1969), 1183-1210.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rapidfuzz import fuzz
from rapidfuzz.distance import OSA
from rapidfuzz.process import cpdist

from bots.reconciliation.policy import Policy
from bots.reconciliation.reasons.stacked import Bools, Ints, Stacked

Floats = NDArray[np.float64]

UNKNOWN, AGREES, NEAR, UNLIKE = 0, 1, 2, 3
"""How a reference or a name compares: one has none; equal or contained; a few signs apart; something else."""
EQUAL, WITHIN, OPPOSITE, SWAPPED, FEE, PART, OTHER, FOREIGN = range(8)
"""How amounts compare: equal; the bank's short by a fee that the policy allows; equal but for the sign; two digits
swapped, or one mistyped; short as by a fee that is larger; one a part of the other; unlike; in another currency."""

DIFFERS: Final[Mapping[str, float]] = MappingProxyType(
    {
        "currency": 0.01,
        "account": 0.01,
        "sign": 0.01,
        "amount": 0.05,
        "date": 0.02,
        "taken": 0.02,
        "reference": 0.1,
        "name": 0.1,
    }
)
"""Share of open lines with a partner whose partner differs in a field, in the order in which the field is said to
block: rough beforehand, as every prior is. Only their order of size matters; the data decide by the other half."""
EDITS: Final = 2
"""Edits (a swap of neighbours is one) within which a reference is a damaged one."""
_REACH: Final = 100
"""References within so many edits of a running number, roughly."""
_SPAN: Final = 14
"""Days that a window holds, roughly..."""
_MONTHS: Final = 7.0
"""... and the most that being within it is worth: lines of one party lie together."""
_CONTRACT: Final = 50.0
"""Lines that may carry the reference of one contract..."""
_AT_LEAST: Final = 3.0
"""... and that may in a short list, where one in a hundred would be none."""
_CUT: Final = 4
"""Letters that are left of a name that was cut off, at least."""
_UNSEEN: Final = 100
"""Lines that might be there beside those that are: in a short list, that one line has an amount says little."""
_ALIKE: Final = 85.0
"""Likeness of names, of 100, from which they are one."""
FEE_REACH: Final = 2
"""A fee may be so many times what the policy allows before it counts as a part payment..."""
FEE_PART: Final = 4
"""... and at most one in so many of the amount."""
_SLIP: Final = 10
"""A mistyped digit changes the amount by at most one in so many; a leading digit may as well be another amount."""


@dataclass(frozen=True)
class Compared:
    """Pairs of lines, field by field; every array has one entry a pair."""

    one: Ints
    other: Ints
    bank: Ints
    """The line that stands for the bank: of two sides the bank's, of one side the first."""
    book: Ints
    account: Bools
    amount: Ints
    days: Ints
    """Business days from the books' day to the bank's."""
    window: Bools
    """Whether these days are within the policy's window."""
    reference: Ints
    name: Ints
    taken: Bools
    """Whether the other line is in a match already."""
    odds: Floats
    """ln of the odds that the lines are one payment."""

    @property
    def blocks(self) -> NDArray[np.object_]:
        """Return the one field that keeps each pair from matching, the gravest of those that differ; empty for none."""
        off = {
            "currency": self.amount == FOREIGN,
            "account": ~self.account,
            "sign": self.amount == OPPOSITE,
            "amount": ~np.isin(self.amount, (EQUAL, WITHIN, OPPOSITE, FOREIGN)),
            "date": ~self.window,
            "taken": self.taken,
            "reference": self.reference >= NEAR,
            "name": self.name == UNLIKE,
        }
        found: NDArray[np.object_] = np.select([off[name] for name in DIFFERS], list(DIFFERS), default="").astype(
            object
        )
        return found


def compare(lines: Stacked, one: Ints, other: Ints, taken: Bools, policy: Policy) -> Compared:
    """Compare pairs of lines, each given by places in the stack, shape (pairs,).

    Pairs of one side are compared as what they may be to each other, an entry and its double or its reversal: there
    the sign says nothing, and a taken line is as good as an open one.
    """
    inside = lines.side[one] == lines.side[other]
    first = np.where(inside, one < other, lines.side[one] == 0)
    bank, book = np.where(first, one, other), np.where(first, other, one)
    days = lines.work[bank] - lines.work[book]
    window = np.where(inside, np.abs(days) <= policy.reversal, (days >= policy.earliest) & (days <= policy.latest))
    copies = _Copies(lines)
    reference, shared = _references(lines, one, other, copies)
    name = _names(lines, one, other)
    amount = _amounts(lines, bank, book, policy)
    account = lines.account[one] == lines.account[other]
    busy = taken[other] & ~inside
    side = lines.side[other]
    size = np.bincount(lines.side, minlength=2)[side].astype(float)
    rivals = np.where(taken[other], size, np.bincount(lines.side[~taken], minlength=2)[side])
    odds = (
        -np.log(rivals)
        + np.where(account, np.log(size / copies.of("account", other)), np.log(DIFFERS["account"]))
        + np.where(amount == FOREIGN, np.log(DIFFERS["currency"]), 0.0)
        + _of_amount(amount, other, size + _UNSEEN, copies, inside)
        + _of_days(lines, window)
        + np.where(busy, np.log(DIFFERS["taken"]), 0.0)
        + _of_text("reference", reference, (size + _UNSEEN) / shared, (size + _UNSEEN) / _REACH)
        + _of_text("name", name, (size + _UNSEEN) / copies.of("name", other), np.ones(len(one)))
    )
    return Compared(one, other, bank, book, account, amount, days, window, reference, name, busy, odds)


class _Copies:
    """How many lines of its own side share a line's value."""

    def __init__(self, lines: Stacked) -> None:
        self._lines = lines
        self._counts: dict[str, Ints] = {}

    def of(self, column: str, at: Ints) -> Floats:
        """Return the counts of these lines, themselves included."""
        if column not in self._counts:
            self._counts[column] = self._count(getattr(self._lines, column), self._lines.side)
        return self._counts[column][at].astype(float)

    @property
    def marks(self) -> Ints:
        """Return how many lines of its line's side carry each mark."""
        if "mark" not in self._counts:
            self._counts["mark"] = self._count(self._lines.mark, self._lines.side[self._lines.mark_of])
        return self._counts["mark"]

    def _count(self, values: Ints, side: Ints) -> Ints:
        codes, distinct = pd.factorize(values * 2 + side)
        found: Ints = np.bincount(codes, minlength=len(distinct))[codes]
        return found


def _of_amount(amount: Ints, other: Ints, size: Floats, copies: _Copies, inside: Bools) -> Floats:
    """Return what the amounts are worth; of a fee or a part, that most amounts would do as well."""
    same = np.log(size / copies.of("size", other))
    bag = np.log(size / copies.of("digits", other))
    off = np.log(DIFFERS["amount"])
    sign = np.where(inside, 0.0, np.log(DIFFERS["sign"]))
    little, less = np.full(len(other), off + 1.0), np.full(len(other), off)
    worth = [same, same + sign, bag + off, little, little, less]
    states = [amount == state for state in (EQUAL, OPPOSITE, SWAPPED, WITHIN, FEE, PART, FOREIGN)]
    return np.select(states, [*worth, np.zeros(len(other))], 3 * off)


def _of_days(lines: Stacked, window: Bools) -> Floats:
    """Return what the days are worth: within the window little, as all lines of a month are near each other."""
    span = float(np.ptp(lines.day)) if len(lines) else 0.0
    found: Floats = np.where(window, np.log(np.clip(span / _SPAN, 1.0, _MONTHS)), np.log(DIFFERS["date"]))
    return found


def _of_text(field: str, state: Ints, agrees: Floats, near: Floats) -> Floats:
    """Return what a reference or name is worth; `agrees` and `near`: one line in how many does so by chance."""
    off = np.log(DIFFERS[field])
    worth = [np.log(np.maximum(agrees, 1.0)), np.log(np.maximum(near, 1.0)) + off, np.full(len(state), off)]
    return np.select([state == AGREES, state == NEAR, state == UNLIKE], worth, 0.0)


def _references(lines: Stacked, one: Ints, other: Ints, copies: _Copies) -> tuple[Ints, Floats]:
    """Return how references compare, and how many lines of the other side carry the rarest mark that both have."""
    pairs, rarest = len(one), np.full(len(one), np.inf)
    begin = np.searchsorted(lines.mark_of, one)
    count = np.searchsorted(lines.mark_of, one, side="right") - begin
    pair = np.repeat(np.arange(pairs), count)
    which = np.arange(len(pair)) - np.repeat(np.cumsum(count) - count, count) + begin[pair]
    width = int(lines.mark.max(initial=0)) + 1
    have, want = lines.mark_of * width + lines.mark, other[pair] * width + lines.mark[which]
    at = np.minimum(np.searchsorted(have, want), max(0, len(have) - 1))
    hit = have[at] == want if len(have) else np.zeros(0, bool)
    np.minimum.at(rarest, pair[hit], copies.marks[at[hit]].astype(float))
    ours, theirs = lines.reference[one], lines.reference[other]
    both = (ours != "") & (theirs != "")
    apart = np.zeros(pairs, np.int64)
    asked = np.flatnonzero(both & ~(rarest <= _few(lines)))
    apart[asked] = cpdist(ours[asked].tolist(), theirs[asked].tolist(), scorer=OSA.distance, dtype=np.int64)
    short = np.fromiter(map(len, ours), np.int64, pairs) <= 2 * EDITS
    near = both & (apart <= EDITS) & ~short
    agrees = (rarest <= _few(lines)) | (both & (apart == 0))
    shared = np.where(np.isfinite(rarest), rarest, 1.0)
    return np.select([agrees, near, both], [AGREES, NEAR, UNLIKE], UNKNOWN).astype(np.int64), shared


def _few(lines: Stacked) -> float:
    """Return how many lines may carry a mark that still names a payment or a contract, not a branch or a customer."""
    return min(_CONTRACT, max(_AT_LEAST, len(lines) / 100))


def _names(lines: Stacked, one: Ints, other: Ints) -> Ints:
    """Return how names compare; one that is cut off agrees, as does one that only the free text has."""
    width = len(lines.names)
    back, pairs = pd.factorize(lines.name[one] * width + lines.name[other])
    first, second = pairs // width, pairs % width
    ours, theirs = lines.names[first].tolist(), lines.names[second].tolist()
    like = cpdist(ours, theirs, scorer=fuzz.token_set_ratio) >= _ALIKE
    cut = np.array([_begins(a, b) for a, b in zip(ours, theirs, strict=True)], dtype=bool)
    known = (first > 0) & (second > 0)
    state = np.select([~known, like | cut], [UNKNOWN, AGREES], UNLIKE)[back]
    told = np.flatnonzero((state == UNKNOWN) & ((lines.name[one] > 0) | (lines.name[other] > 0)))
    named = np.where(lines.name[one[told]] > 0, one[told], other[told])
    silent = np.where(lines.name[one[told]] > 0, other[told], one[told])
    parts = [name.upper().replace(" ", "") for name in lines.names]
    inside = [parts[code] in words for code, words in zip(lines.name[named], lines.words[silent], strict=True)]
    state[told[np.array(inside, dtype=bool)]] = AGREES
    found: Ints = state.astype(np.int64)
    return found


def _begins(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return len(short) >= _CUT and long.startswith(short)


def _amounts(lines: Stacked, bank: Ints, book: Ints, policy: Policy) -> Ints:
    ours, theirs = lines.amount[book], lines.amount[bank]
    short = ours - theirs
    allowed = policy.fee_fixed + float(policy.fee_share) * np.abs(ours)
    same_sign = np.sign(ours) == np.sign(theirs)
    fee = same_sign & (short > 0) & (FEE_PART * short <= np.abs(ours))
    foreign = lines.currency[bank] != lines.currency[book]
    elsewhere = (lines.account[bank] != lines.account[book]) & (ours == theirs)  # with the account goes its currency
    states = [
        foreign & ~elsewhere,
        ours == theirs,
        ours == -theirs,
        same_sign & _swapped(lines, bank, book),
        fee & (short <= allowed),
        fee & (short <= FEE_REACH * allowed),
        same_sign,
    ]
    return np.select(states, [FOREIGN, EQUAL, OPPOSITE, SWAPPED, WITHIN, FEE, PART], OTHER).astype(np.int64)


def _swapped(lines: Stacked, bank: Ints, book: Ints) -> Bools:
    """Say whether two digits of one amount stand the other way round in the other, or one digit is another."""
    left, right = np.abs(lines.amount[bank]), np.abs(lines.amount[book])
    slip = _SLIP * np.abs(left - right) <= right
    differing, alike = np.zeros(len(bank), np.int64), lines.digits[bank] == lines.digits[book]
    while left.any() or right.any():
        differing += left % 10 != right % 10
        left, right = left // 10, right // 10
    found: Bools = ((differing == 2) & alike) | ((differing == 1) & slip)  # noqa: PLR2004 - a swap moves two
    return found
