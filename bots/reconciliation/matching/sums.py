"""One line that is the sum of several lines of one party on the other side (1-N and N-1), and in how many ways."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import comb

from bots.reconciliation.matched import BANK
from bots.reconciliation.matching import subsets
from bots.reconciliation.matching.pairs import Blocks, between, combined
from bots.reconciliation.matching.view import Flags, Ints, View, spread
from bots.reconciliation.policy import Policy

KEPT = 4
"""Solutions of one total that become candidates; all are counted."""


@dataclass(frozen=True)
class Problem:
    """Totals of one side, and the lines of the other side that may make them up, P pairs of rows."""

    totals: View
    items: View
    side: int
    """Side of the totals, BANK or BOOK."""
    total: Ints
    """P: row of `totals`."""
    item: Ints
    """P: row of `items`."""
    place: Ints
    """P, ascending: number of the search; a total is sought once in each of its parties."""

    def only(self, pairs: Flags) -> Problem:
        """Return the problem with some of its pairs."""
        return replace(self, total=self.total[pairs], item=self.item[pairs], place=self.place[pairs])


@dataclass(frozen=True)
class Groups:
    """Groups of two or more items that add up to a total."""

    total: Ints
    """G: row of `totals`."""
    owner: Ints
    """M: group of each member."""
    item: Ints
    """M: row of `items`."""
    alternatives: Ints
    """G: further choices of items, in all parties of the total, that add up to it; a single line counts as well."""
    tried: NDArray[np.float64]
    """G: how many sums like this one were there to be compared with the total."""


def problem(
    totals: View, items: View, parties: tuple[tuple[Ints, Ints], tuple[Ints, Ints]], side: int, policy: Policy
) -> Problem:
    """Pair each total with the lines of its party, direction and window that are no larger than it.

    `parties` is (row, party) of the totals, and of the items.
    """
    (row, party), (other, other_party) = parties
    own, theirs = combined(
        (party, other_party), (totals.purse[row], items.purse[other]), (totals.sign[row], items.sign[other])
    )
    low, high = (-policy.latest, -policy.earliest) if side == BANK else (policy.earliest, policy.latest)
    place, total, item = between(totals, items, Blocks((row, own), (other, theirs)), low, high)
    whole = Problem(totals, items, side, total, item, place)
    whole = whole.only(np.abs(items.amount[item]) <= np.abs(totals.amount[total]))
    count = np.bincount(whole.place)
    reach = np.bincount(whole.place, weights=np.abs(items.amount[whole.item]).astype(np.float64))
    enough = reach[whole.place] * (1 + 1e-9) >= np.abs(totals.amount[whole.total])
    return whole.only(enough & (count[whole.place] > 1))


def limited(whole: Problem, kind: str, policy: Policy) -> tuple[Problem, pd.DataFrame]:
    """Keep the lines nearest in time where there are more than the policy's bound, and name the totals cut so."""
    most = min(policy.subset, subsets.MOST)
    count = np.bincount(whole.place)
    apart = np.abs(whole.totals.day[whole.total] - whole.items.day[whole.item])
    order = np.lexsort((whole.items.line[whole.item], apart, whole.place))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order)) - np.searchsorted(whole.place, whole.place)
    over = np.flatnonzero(rank >= most)
    lines = whole.totals.line[whole.total[over]]
    said = {"kind": kind, "side": whole.side, "line": lines, "candidates": count[whole.place[over]], "looked": most}
    return whole.only(rank < most), pd.DataFrame(said).drop_duplicates("line")


def ways(whole: Problem, policy: Policy) -> Ints:
    """Count for each row of the totals the choices of items that add up to it, in all of its searches."""
    found = np.zeros(len(whole.totals), dtype=np.int64)
    for _, of, rows in _by_length(whole):
        np.add.at(found, of, subsets.solve(whole.items.amount[rows], whole.totals.amount[of], policy.group, 0).count)
    return found


def _by_length(whole: Problem) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Yield the searches among equally many items: first pair, row of the total, rows of the items."""
    first = np.flatnonzero(np.diff(whole.place, prepend=-1))
    length = np.diff(np.append(first, len(whole.place)))
    for width in np.unique(length):
        start = first[length == width]
        yield start, whole.total[start], whole.item[start[:, None] + np.arange(width)]


def solve(whole: Problem, cut: Ints, policy: Policy) -> Groups:
    """Solve all searches; `cut` are the lines whose search was cut, which have at least one alternative."""
    many = np.isin(whole.totals.line, cut).astype(np.int64)
    none = np.zeros(0, dtype=np.int64)
    total, place, owner, item, made = [none], [none], [none], [none], 0
    for start, of, rows in _by_length(whole):
        found = subsets.solve(whole.items.amount[rows], whole.totals.amount[of], policy.group, KEPT)
        np.add.at(many, of, found.count)
        chosen, column = np.nonzero((found.chosen[:, None] >> np.arange(rows.shape[1], dtype=np.uint64)) & np.uint64(1))
        total.append(of[found.total])
        place.append(start[found.total])
        owner.append(chosen + made)
        item.append(rows[found.total[chosen], column])
        made += len(found.total)
    solved = _Found(*(np.concatenate(part) for part in (total, place, owner, item)))
    return _grouped(whole, solved, many)


@dataclass(frozen=True)
class _Found:
    """Solutions: row of the total, first pair of the search; and their members: solution, row of the item."""

    total: Ints
    start: Ints
    owner: Ints
    item: Ints


def _grouped(whole: Problem, found: _Found, ways: Ints) -> Groups:
    """Leave out single lines, and number the rest."""
    group = np.bincount(found.owner, minlength=len(found.total)) > 1
    number = np.cumsum(group) - 1
    held = group[found.owner]
    owner, item = number[found.owner[held]], found.item[held]
    total, start = found.total[group], found.start[group]
    end = np.searchsorted(whole.place, whole.place[start], side="right")
    return Groups(total, owner, item, ways[total] - 1, _tried(whole, start, end, owner, item))


def _tried(whole: Problem, start: Ints, end: Ints, owner: Ints, item: Ints) -> NDArray[np.float64]:
    """Count the choices of as many lines as each group has or fewer, among those of its search that lie in its days."""
    day = whole.items.day
    first, last = np.full(len(start), 1 << 40, dtype=np.int64), np.full(len(start), -1, dtype=np.int64)
    np.minimum.at(first, owner, day[item])
    np.maximum.at(last, owner, day[item])
    group, place = spread(start, end)
    when = day[whole.item[place]]
    among = np.bincount(group[(when >= first[group]) & (when <= last[group])], minlength=len(start))
    return choices(among, np.bincount(owner, minlength=len(start)))


def choices(among: Ints, chosen: Ints) -> NDArray[np.float64]:
    """Return the number of choices of 2 to `chosen` of `among` lines."""
    most = int(chosen.max(initial=2))
    each = np.stack([comb(among, size) * (size <= chosen) for size in range(2, most + 1)])
    return np.asarray(each.sum(axis=0), dtype=np.float64)
