"""Single lines that differ by what a bank keeps: a fixed fee, a share, or both, within the policy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bots.reconciliation.matching import odds
from bots.reconciliation.matching.candidates import MOST_RIVALS, Part, members
from bots.reconciliation.matching.chance import Crowd
from bots.reconciliation.matching.pairs import Blocks, combined, near
from bots.reconciliation.matching.view import Flags, Ints, View
from bots.reconciliation.policy import Policy

Reals = NDArray[np.float64]
Rows = tuple[Ints, Ints]

_LIKE = 0.02
"""Rates that differ by less than this share of themselves are one rate."""


def plausible(difference: Ints, amount: Ints, policy: Policy) -> Flags:
    """Say which differences (bank minus book, minor units) a fee explains.

    A bank never pays a fee: what comes in is less than the books say, what goes out is more.
    """
    most = np.abs(amount) * float(policy.fee_share) + policy.fee_fixed
    return np.asarray((difference < 0) & (-difference <= most) & (-difference < np.abs(amount)))


@dataclass(frozen=True)
class Habit:
    """Which fees a bank takes, as seen on lines whose reference leaves no doubt."""

    fixed: Ints
    """Fees seen, minor units, ascending."""
    rates: Reals
    """The same as shares of the amount, ascending."""

    def chance(self, fee: Ints, amount: Ints, policy: Policy) -> Reals:
        """Return how likely the bank takes just this fee of an amount: often seen, at a rate often seen, or at all."""
        seen = len(self.fixed) + 1
        equal = np.searchsorted(self.fixed, fee, side="right") - np.searchsorted(self.fixed, fee)
        rate = fee / np.abs(amount)
        low, high = (np.searchsorted(self.rates, rate * edge) for edge in (1 - _LIKE, 1 + _LIKE))
        at_rate = (high - low) / seen / (2 * _LIKE * fee + 1)
        at_all = 1 / seen / (np.abs(amount) * float(policy.fee_share) + policy.fee_fixed)
        return np.asarray(np.maximum(np.maximum(equal / seen, at_rate), at_all))


def habit(bank: View, book: View, policy: Policy) -> Habit:
    """Learn the fees from pairs of lines that alone share a key."""
    (row, key), (column, other_key) = bank.keys, book.keys
    own, theirs = combined((key, other_key), (bank.purse[row], book.purse[column]))
    _, once, count = np.unique(own, return_index=True, return_counts=True)
    _, other_once, other_count = np.unique(theirs, return_index=True, return_counts=True)
    once, other_once = once[count == 1], other_once[other_count == 1]
    _, left, right = np.intersect1d(own[once], theirs[other_once], return_indices=True)
    ours, amount = bank.amount[row[once[left]]], book.amount[column[other_once[right]]]
    fits = plausible(ours - amount, amount, policy)
    fee = (amount - ours)[fits]
    return Habit(np.sort(fee), np.sort(fee / np.abs(amount[fits])))


def with_fee(bank: View, book: View, parties: tuple[Rows, Rows], policy: Policy) -> Part:
    """Return pairs of one party whose difference is a fee.

    `alternatives` counts the other lines that would do for either of the two. The odds weigh how usual the fee is
    against how usual the bank's amount is by itself.
    """
    (row, party), (column, other_party) = parties
    own, theirs = combined(
        (party, other_party), (bank.purse[row], book.purse[column]), (bank.sign[row], book.sign[column])
    )
    row, other = near(bank, book, Blocks((row, own), (column, theirs)), policy)
    tried = np.bincount(row, minlength=len(bank))
    off = bank.amount[row] - book.amount[other]
    fits = plausible(off, book.amount[other], policy)
    row, other, off = row[fits], other[fits], off[fits]
    rivals = np.maximum(np.bincount(row, minlength=1)[row], np.bincount(other, minlength=1)[other]) - 1
    crowd = Crowd.of(bank)
    lines = bank.take(row)
    usual = np.maximum(crowd.equal(lines), crowd.density(lines))
    fee = habit(bank, book, policy).chance(-off, book.amount[other], policy)
    base = odds.of_sums(tried[row] * usual / fee, int(np.count_nonzero(tried)), rivals)
    days = bank.day[row] - book.day[other]
    owner = np.arange(len(row))
    score = odds.of(base, rivals, days)
    whole = Part("fee_in_party", off, days, score, rivals, *members(bank, book, (owner, row), (owner, other)))
    return whole.only(rivals <= MOST_RIVALS, whole.kind)
