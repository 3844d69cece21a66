"""What a pair's evidence is worth, and which kind of evidence that is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bots.reconciliation.kinds import KINDS, STRENGTHS
from bots.reconciliation.matching import names, rarity
from bots.reconciliation.matching.coding import Bools, Coded, Hashes, Ints
from bots.reconciliation.matching.names import Names
from bots.reconciliation.matching.pairing import NONE, SLIPPED, Pairs
from bots.reconciliation.policy import Policy

Floats = NDArray[np.float64]

OTHER_NAME: Final = 7.0
"""What another name takes from the score: a payer under another name is one in a thousand."""
UNUSUAL: Final = 3.0
"""What a slip or a fee takes from the score: one true pair in twenty has one."""

UNEXPLAINED: Final = math.log(1000)
"""The most that a pair of two amounts is worth: what is missing may be another line, and that counts once found."""

PART: Final = 0.2
"""Of the amount: a larger difference is as likely a payment in part as a fee."""
IN_PART: Final = math.log(5)
"""The most that such a pair is worth, and one whose amounts differ by two digits that are swapped: it is doubtful."""


@dataclass(frozen=True)
class World:
    """Both sides, and what is usual in them."""

    bank: Coded
    book: Coded
    names: Names
    policy: Policy
    ordered: Ints
    """The amounts of the books in their order."""
    usual: Floats
    """How likely each gap of business days from the policy's earliest on is among pairs that are certain."""


@dataclass(frozen=True)
class Weighed:
    """Pairs with what they have in common."""

    pairs: Pairs
    name: Ints
    """Grade of the names."""
    days: Ints
    difference: Ints
    score: Floats
    """ln of the odds that the lines belong together."""

    def where(self, wanted: Bools) -> Weighed:
        """Return some of them."""
        return Weighed(
            self.pairs.where(wanted), self.name[wanted], self.days[wanted], self.difference[wanted], self.score[wanted]
        )


def weigh(pairs: Pairs, world: World, still: Bools) -> Weighed:
    """Weigh pairs against what would fit by chance among the lines of the books that are still open."""
    bank, book = world.bank, world.book
    name = world.names.graded(bank.name[pairs.bank], book.name[pairs.book])
    days = bank.day[pairs.bank] - book.day[pairs.book]
    window = world.policy.latest - world.policy.earliest + 1
    span = max(int(np.ptp(book.day)) + 1, window) if len(book.day) else window
    expected = _open_lines(world, still)[pairs.book] * window / span
    difference = bank.amount[pairs.bank] - book.amount[pairs.book]
    expected *= _amounts(world, pairs, difference) * _named(world, pairs, name)
    known = pairs.reference != NONE
    expected[known] *= rarity.slipped(pairs.slips[known], int((book.exact != 0).sum()))
    score = np.log(world.usual[days - world.policy.earliest] * window) - np.log(expected)
    score -= UNUSUAL * ((pairs.reference == SLIPPED).astype(int) + (difference != 0))
    score[name == names.OTHER] -= OTHER_NAME
    return Weighed(pairs, name, days, difference, _at_most(score, difference, book.amount[pairs.book]))


def _at_most(score: Floats, difference: Ints, amount: Ints) -> Floats:
    """Return scores of pairs, those of two amounts no higher than these are worth."""
    large = np.abs(difference) > PART * np.abs(amount)
    large |= _swapped(np.abs(amount + difference), np.abs(amount), difference)
    most = np.where(large, IN_PART, np.where(difference != 0, UNEXPLAINED, np.inf))
    return np.asarray(np.minimum(score, most), dtype=np.float64)


def _swapped(left: Ints, right: Ints, difference: Ints) -> Bools:
    """Say which amounts have two digits the other way round: a slip of the hand is more likely than just such a fee."""
    found = np.zeros(len(left), bool)
    rows = np.flatnonzero((difference != 0) & (difference % 9 == 0))  # what a swap changes is a multiple of nine
    left, right = left[rows], right[rows]
    places, digits = np.zeros(len(rows), np.int64), np.zeros((2, len(rows)), np.int64)
    while left.any() or right.any():
        one, other = left % 10, right % 10
        places += one != other
        digits += np.where(one != other, (one - other, one * one - other * other), 0)
        left, right = left // 10, right // 10
    found[rows] = (places == 2) & (digits == 0).all(axis=0)  # noqa: PLR2004 - a swap moves two
    return found


def relieved(
    score: Floats,
    difference: Ints,
    lines: tuple[Ints, Ints],
    before: tuple[Bools, Bools],
    after: tuple[Bools, Bools],
    world: World,
) -> Floats:
    """Weigh pairs again, now that most lines of their pot have found their certain partners.

    What has a partner no longer is met by chance: the lines of the books that are left count, not those that were open
    when the pairs were weighed. And of the bank's lines as many had a partner as have found it: the prior odds that one
    has any, which are never taken to be less than even, and no more than what was found (Laplace's rule of succession).

    Args:
        score: of the pairs.
        difference: bank minus book.
        lines: of each pair, the bank's and the books'.
        before: lines that were open when the pairs were weighed, of the bank and of the books.
        after: lines that are still open.
        world: both sides.
    """
    (bank, found), (book, left) = (
        _by_pot(side.pot, was, now) for side, was, now in zip((world.bank, world.book), before, after, strict=True)
    )
    prior = np.maximum(np.log((found + 1) / (bank - found + 1)), 0)
    rarer = np.log((book + 1) / (book - left + 1))
    again = score + prior[lines[0]] + rarer[lines[1]]
    return _at_most(again, difference, world.book.amount[lines[1]])


def _by_pot(pot: Hashes, before: Bools, after: Bools) -> tuple[Floats, Floats]:
    """Return of each line how many lines of its pot were open, and how many of those are no longer."""
    where, pots = pd.factorize(pot)
    was, now = (np.bincount(where, still, len(pots)).astype(np.float64) for still in (before, after))
    return was[where], (was - now)[where]


def by_reference(days: Ints, world: World) -> Floats:
    """Weigh pairs that alone have one reference and one amount: any other line has that reference by chance."""
    window = world.policy.latest - world.policy.earliest + 1
    return np.asarray(np.log(world.usual[days - world.policy.earliest] * window) + np.log(max(len(world.book.day), 1)))


def _amounts(world: World, pairs: Pairs, difference: Ints) -> Floats:
    """Return how likely an unrelated line of the books has such an amount: this one, or one that a fee explains."""
    likely = np.empty(len(pairs))
    equal = difference == 0
    likely[equal] = rarity.amounts(world.book.amount[pairs.book[equal]], world.ordered)
    received = world.bank.amount[pairs.bank[~equal]]
    most = world.policy.fee_fixed + (np.abs(received) * float(world.policy.fee_share)).astype(np.int64)
    likely[~equal] = rarity.short(received, most, world.ordered)
    return likely


def _open_lines(world: World, still: Bools) -> Floats:
    """Return of each line of the books how many lines of its pot are open."""
    where, pots = pd.factorize(world.book.pot)
    return np.asarray(np.bincount(where, weights=still, minlength=len(pots))[where])


def _named(world: World, pairs: Pairs, name: Ints) -> Floats:
    """Return how likely an unrelated line of the books has a name that fits as well as this one's."""
    counts = np.bincount(world.book.name, minlength=len(world.names.spelled))
    whole = counts[world.book.name[pairs.book]]
    part = np.maximum(world.names.beginning(world.bank.name[pairs.bank], counts), whole)
    fits = np.where(name == names.EQUAL, whole, part) + 1
    return np.asarray(np.where(name >= names.ALIKE, fits / (len(world.book.name) + 1), 1.0))


def base(weighed: Weighed) -> Ints:
    """Number what ties each pair: the kind of evidence at its full strength, in the order of KINDS."""
    pairs, name, fee = weighed.pairs, weighed.name, weighed.difference != 0
    known, slipped = pairs.reference != NONE, pairs.reference == SLIPPED
    cases = {
        "other_name": name == names.OTHER,
        "slip_fee": slipped & fee,
        "slips": slipped & (pairs.slips > 1),
        "slip": slipped,
        "same_fee": known & fee,
        "same": known,
        "amount_name": name == names.EQUAL,
        "amount_alike": name == names.ALIKE,
    }
    return np.select(list(cases.values()), [_number(kind) for kind in cases], _number("amount"))


def _number(base: str) -> int:
    return list(KINDS).index(f"{base}_{next(iter(STRENGTHS))}")
