"""How many sums hit a total by chance: what a sum that was found must be weighed against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from bots.reconciliation.matching.pairs import seek
from bots.reconciliation.matching.sums import Groups
from bots.reconciliation.matching.view import Ints, View

Reals = NDArray[np.float64]

_BAND = 8
"""An amount's neighbours are those within an eighth of it."""
_NEVER = 1e-30
_LARGEST = 1 << 44


@dataclass(frozen=True)
class Crowd:
    """The amounts of some lines, by purse and direction, to ask how usual an amount is."""

    sorted: Ints

    @classmethod
    def of(cls, lines: View) -> Crowd:
        """Sort the amounts of lines."""
        return cls(np.sort(_code(lines, np.abs(lines.amount))))

    def upto(self, view: View, amount: Ints, side: Literal["left", "right"] = "left") -> Ints:
        """Count the lines of each line's purse or an earlier one whose amount is below (or up to: right) `amount`."""
        return seek(self.sorted, _code(view, amount), side)

    def size(self, view: View) -> Ints:
        """Count the lines of each line's purse and direction."""
        none = np.zeros(len(view), dtype=np.int64)
        return np.asarray(np.maximum(self.upto(view, none + _LARGEST - 1, "right") - self.upto(view, none), 1))

    def equal(self, view: View) -> Reals:
        """Return the share of the other lines that have the very amount of each line; `view` is part of the crowd."""
        size = np.abs(view.amount)
        alike = self.upto(view, size, "right") - self.upto(view, size) - 1
        return np.asarray(alike / self.size(view), dtype=np.float64)

    def density(self, view: View) -> Reals:
        """Return how likely a line has the amount of each line, if only its neighbourhood counts: 1 a minor unit."""
        size = np.abs(view.amount)
        band = size // _BAND + 1
        around = self.upto(view, size + band, "right") - self.upto(view, np.maximum(size - band, 0))
        return np.asarray(np.maximum(around, 1) / (2 * band + 1) / self.size(view), dtype=np.float64)


def _code(view: View, amount: Ints) -> Ints:
    return (view.purse * 2 + view.sign) * _LARGEST + np.minimum(amount, _LARGEST - 1)


def expected(groups: Groups, totals: View, items: View) -> Reals:
    """Return how many accidental groups as good as each one are to be expected, given the sums that were made.

    A sum of strangers hits a total with about the density of amounts around it; but prices that many pay add up to the
    same sums again and again: the chance of these very amounts, each drawn from all, in any order. Equal amounts count
    once, because a party that pays the same every month is no coincidence.
    """
    crowd = Crowd.of(items)
    count = len(groups.total)
    amount = items.amount[groups.item]
    order = np.lexsort((amount, groups.owner))
    owner, amount = groups.owner[order], amount[order]
    new = np.ones(len(owner), dtype=bool)
    new[1:] = (owner[1:] != owner[:-1]) | (amount[1:] != amount[:-1])
    usual = np.log(np.maximum(crowd.equal(items.take(groups.item[order])), _NEVER))
    drawn = np.bincount(owner[new], weights=usual[new], minlength=count)
    drawn = drawn + gammaln(np.bincount(owner[new], minlength=count) + 1)
    found = groups.tried * np.maximum(np.exp(drawn), crowd.density(totals.take(groups.total)))
    return np.asarray(found, dtype=np.float64)


def of_one(tried: Reals, missing: Ints, pool: Ints, items: View) -> Reals:
    """Return how many lines of the pool are to be expected by chance that have the amount of the `missing` item.

    `tried` lines of the pool were compared for each; `missing` and `pool` are rows of `items`.
    """
    crowd = Crowd.of(items.take(pool))
    lines = items.take(missing)
    return np.asarray(tried * np.maximum(crowd.equal(lines), crowd.density(lines)), dtype=np.float64)
