"""How the references, the names and the amounts of two lines compare: as one of a few states, pair by pair."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from rapidfuzz import fuzz
from rapidfuzz.distance import OSA
from rapidfuzz.process import cpdist

from bots.reconciliation.policy import Policy
from bots.reconciliation.reasons.stacked import Bools, Floats, Ints, Stacked

UNKNOWN, AGREES, NEAR, UNLIKE = 0, 1, 2, 3
"""How a reference or a name compares: one has none; equal or contained; a few signs apart; something else."""
EQUAL, WITHIN, OPPOSITE, SWAPPED, FEE, PART, OTHER, FOREIGN = range(8)
"""How amounts compare: equal; the bank's short by a fee that the policy allows; equal but for the sign; two digits
swapped, or one mistyped; short as by a larger fee, or the rest of a part; one a part of the other; unlike; in another
currency."""

EDITS: Final = 2
"""Edits (a swap of neighbours is one) within which a reference is a damaged one."""
_CONTRACT: Final = 50.0
"""Lines that may carry the reference of one contract..."""
_AT_LEAST: Final = 3.0
"""... and that may in a short list, where one in a hundred would be none."""
_CUT: Final = 4
"""Letters that are left of a name that was cut off, at least."""
_ALIKE: Final = 85.0
"""Likeness of names, of 100, from which they are one."""
FEE_PART: Final = 2
"""A fee is at most one in so many of the amount: more arrives than is kept."""
_SLIP: Final = 10
"""A mistyped digit changes the amount by at most one in so many; a leading digit may as well be another amount."""


class Copies:
    """How many lines of its own side share a line's value."""

    def __init__(self, lines: Stacked) -> None:
        self._lines = lines
        self._counts: dict[str, Floats] = {"size": lines.sizes.astype(float), "account": lines.accounts.astype(float)}
        self.sizes: Floats = np.array(lines.wholes)[lines.side].astype(float)
        """How many lines each line's side has."""

    def of(self, column: str, at: Ints) -> Floats:
        """Return the counts of these lines, themselves included: those that are here stand for those that are not."""
        if column not in self._counts:
            counts = self._count(getattr(self._lines, column), self._lines.side, self._lines.worth)
            self._counts[column] = np.maximum(1.0, counts - self._lines.worth + 1.0)
        return self._counts[column][at]

    @property
    def marks(self) -> Floats:
        """Return how many of the lines here, where those with rare marks all are, carry each on its side."""
        if "mark" not in self._counts:
            lines = self._lines
            self._counts["mark"] = self._count(lines.mark, lines.side[lines.mark_of], np.ones(len(lines.mark)))
        return self._counts["mark"]

    def _count(self, values: Ints, side: Ints, worth: Floats) -> Floats:
        codes, distinct = pd.factorize(values * 2 + side)
        return np.bincount(codes, worth, minlength=len(distinct))[codes].astype(np.float64)


def references(lines: Stacked, one: Ints, other: Ints, copies: Copies) -> tuple[Ints, Floats]:
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
    np.minimum.at(rarest, pair[hit], copies.marks[at[hit]])
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
    return min(_CONTRACT, max(_AT_LEAST, sum(lines.wholes) / 100))


def names(lines: Stacked, one: Ints, other: Ints) -> Ints:
    """Return how names compare; one that is cut off agrees, as does one that only the free text has."""
    width = len(lines.names)
    back, pairs = pd.factorize(lines.name[one] * width + lines.name[other])
    first, second = pairs // width, pairs % width
    ours, theirs = lines.names[first].tolist(), lines.names[second].tolist()
    like = cpdist(ours, theirs, scorer=fuzz.token_set_ratio) >= _ALIKE
    begins = pd.factorize(np.array([name[:_CUT] for name in lines.names], dtype=object))[0]
    cut = begins[first] == begins[second]
    cut[cut] = [_begins(ours[at], theirs[at]) for at in np.flatnonzero(cut).tolist()]
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


def amounts(lines: Stacked, bank: Ints, book: Ints, policy: Policy) -> Ints:
    """Return how the amounts of bank lines and of book lines compare."""
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
        fee,
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
