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
from bots.reconciliation.matching.pairs import Blocks, combined, ranges
from bots.reconciliation.matching.view import Flags, Ints, View, in_order, once, spread
from bots.reconciliation.policy import Policy

Rows = tuple[Ints, Ints]

KEPT = 4
"""Solutions of one total that become candidates; all are counted."""
HARD = 20_000
"""Searches among more than `subsets.TABLE` lines, half a millisecond each; those after them look among fewer lines."""
_WIDE = 8
"""So many times the policy's bound of lines in a party and window, and chance hits any total: it is not looked for."""
_PAIRS = 1 << 22
"""Pairs of a total and a line that are held at once."""


@dataclass(frozen=True)
class Groups:
    """Groups of two or more items that add up to a total."""

    total: Ints
    """G: row of `totals`."""
    owner: Ints
    """M: group of each member, ascending."""
    item: Ints
    """M: row of `items`."""
    alternatives: Ints
    """G: further choices of items, in all parties of the total, that add up to it; a single line counts as well."""
    tried: NDArray[np.float64]
    """G: how many sums like this one were there to be compared with the total."""


@dataclass(frozen=True)
class Searched:
    """All searches for the sums of some totals."""

    groups: Groups
    ways: Ints
    """Of each row of the totals: number of choices that add up to it, in all of its parties."""
    cut: Ints
    """Of each row of the totals: how many lines there were if fewer were looked among, else 0."""
    searches: int
    """How many totals had anything to be looked among."""

    def told(self, kind: str, totals: View, side: int, policy: Policy) -> pd.DataFrame:
        """Return the totals whose search was cut."""
        row = np.flatnonzero(self.cut)
        looked = np.where(self.cut[row] > _WIDE * policy.subset, 0, min(policy.subset, subsets.MOST))
        said = {"kind": kind, "side": side, "line": totals.line[row], "candidates": self.cut[row], "looked": looked}
        return pd.DataFrame(said)


def search(totals: View, items: View, parties: tuple[Rows, Rows], side: int, policy: Policy, keep: int) -> Searched:
    """Look for each total among the lines of its party, direction and window that are no larger than it.

    `parties` is (row, party) of the totals, and of the items. A total is looked for once in each of its parties, among
    at most `policy.subset` lines, the nearest in time, and not at all among very many; of the choices found, `keep` a
    search become groups.
    """
    ways, cut = np.zeros(len(totals), dtype=np.int64), np.zeros(len(totals), dtype=np.int64)
    found: list[Groups] = []
    looked = [np.zeros(0, dtype=np.int64)]
    left = HARD
    for whole in _problems(totals, items, parties, side, policy, cut):
        limit = min(policy.subset, subsets.MOST)
        if left < (np.bincount(whole.place) > subsets.TABLE).sum():
            limit = min(limit, subsets.TABLE)
        few = _limited(whole, limit, cut)
        left -= int((np.bincount(few.place) > subsets.TABLE).sum())
        found.append(_solve(few, policy.group, keep, ways))
        looked.append(few.total)
    ways += cut > 0
    return Searched(_joined(found, ways), ways, cut, len(once(np.concatenate(looked))))


@dataclass(frozen=True)
class _Problem:
    """Totals of one side, and the lines of the other side that may make them up, P pairs of rows."""

    totals: View
    items: View
    total: Ints
    """P: row of `totals`."""
    item: Ints
    """P: row of `items`."""
    place: Ints
    """P, ascending: number of the search; a total is sought once in each of its parties."""

    def only(self, pairs: Flags) -> _Problem:
        """Return the problem with some of its pairs."""
        return replace(self, total=self.total[pairs], item=self.item[pairs], place=self.place[pairs])


def _problems(
    totals: View, items: View, parties: tuple[Rows, Rows], side: int, policy: Policy, cut: Ints
) -> Iterator[_Problem]:
    """Yield the searches, as many at once as memory should hold; `cut` is told of what is not looked at."""
    (row, party), (other, other_party) = parties
    own, theirs = combined(
        (party, other_party), (totals.purse[row], items.purse[other]), (totals.sign[row], items.sign[other])
    )
    low, high = (-policy.latest, -policy.earliest) if side == BANK else (policy.earliest, policy.latest)
    begin, end, order = ranges(totals, items, Blocks((row, own), (other, theirs)), low, high)
    most = _WIDE * policy.subset
    wide = end - begin > most
    np.maximum.at(cut, row[wide], (end - begin)[wide])
    end = np.where(wide, begin, end)
    reached = np.cumsum(end - begin)
    edges = np.searchsorted(reached, np.arange(_PAIRS, int(reached[-1:].sum()) + _PAIRS, _PAIRS), side="right")
    start = 0
    for edge in once(np.append(edges, len(row))):
        stop = max(int(edge), min(start + 1, len(row)))
        place, found = spread(begin[start:stop], end[start:stop])
        item = other[order][found]
        total = row[start:stop][place]
        yield _able(_Problem(totals, items, total, item, place))
        start = stop


def _able(whole: _Problem) -> _Problem:
    """Leave out what cannot be: lines larger than the total, fewer than two lines, all together too little."""
    amount = np.abs(whole.items.amount)
    whole = whole.only(amount[whole.item] <= np.abs(whole.totals.amount[whole.total]))
    count = np.bincount(whole.place)
    reach = np.bincount(whole.place, weights=amount[whole.item].astype(np.float64))
    enough = reach[whole.place] * (1 + 1e-9) >= np.abs(whole.totals.amount[whole.total])
    return whole.only(enough & (count[whole.place] > 1))


def _limited(whole: _Problem, most: int, cut: Ints) -> _Problem:
    """Keep the lines nearest in time where there are more than `most`."""
    count = np.bincount(whole.place)
    apart = np.abs(whole.totals.day[whole.total] - whole.items.day[whole.item])
    order = in_order(whole.place, apart, whole.items.line[whole.item])
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order)) - np.searchsorted(whole.place, whole.place)
    over = np.flatnonzero(rank >= most)
    np.maximum.at(cut, whole.total[over], count[whole.place[over]])
    return whole.only(rank < most)


def _solve(whole: _Problem, largest: int, keep: int, ways: Ints) -> Groups:
    """Solve the searches among equally many items at once; `ways` is added to."""
    first = np.flatnonzero(np.diff(whole.place, prepend=-1))
    length = np.diff(np.append(first, len(whole.place)))
    none = np.zeros(0, dtype=np.int64)
    total, place, owner, item, made = [none], [none], [none], [none], 0
    for width in once(length):
        start = first[length == width]
        of, rows = whole.total[start], whole.item[start[:, None] + np.arange(width)]
        found = subsets.solve(whole.items.amount[rows], whole.totals.amount[of], largest, keep)
        np.add.at(ways, of, found.count)
        chosen, column = np.nonzero((found.chosen[:, None] >> np.arange(width, dtype=np.uint64)) & np.uint64(1))
        total.append(of[found.total])
        place.append(start[found.total])
        owner.append(chosen + made)
        item.append(rows[found.total[chosen], column])
        made += len(found.total)
    return _grouped(whole, *(np.concatenate(part) for part in (total, place, owner, item)))


def _grouped(whole: _Problem, total: Ints, start: Ints, owner: Ints, item: Ints) -> Groups:
    """Leave out single lines, and number the rest; alternatives are not known yet."""
    group = np.bincount(owner, minlength=len(total)) > 1
    number = np.cumsum(group) - 1
    held = group[owner]
    owner, item = number[owner[held]], item[held]
    total, start = total[group], start[group]
    end = np.searchsorted(whole.place, whole.place[start], side="right")
    return Groups(total, owner, item, np.zeros(len(total), dtype=np.int64), _tried(whole, start, end, owner, item))


def _joined(found: list[Groups], ways: Ints) -> Groups:
    """Put groups together, and say how many ways there are beside each."""
    none = np.zeros(0, dtype=np.int64)
    shift = np.cumsum([0, *(len(groups.total) for groups in found)])
    total = np.concatenate([none, *(groups.total for groups in found)])
    owner = np.concatenate([none, *(groups.owner + by for groups, by in zip(found, shift[:-1], strict=True))])
    item = np.concatenate([none, *(groups.item for groups in found)])
    return Groups(total, owner, item, ways[total] - 1, np.concatenate([np.zeros(0), *(one.tried for one in found)]))


def _tried(whole: _Problem, start: Ints, end: Ints, owner: Ints, item: Ints) -> NDArray[np.float64]:
    """Count the choices of as many lines as each group has or fewer, among those of its search that lie in its days."""
    day = whole.items.day
    first, last = np.full(len(start), 1 << 40, dtype=np.int64), np.full(len(start), -1, dtype=np.int64)
    np.minimum.at(first, owner, day[item])
    np.maximum.at(last, owner, day[item])
    group, place = spread(start, end)
    when = day[whole.item[place]]
    among = np.bincount(group[(when >= first[group]) & (when <= last[group])], minlength=len(start))
    return _choices(among, np.bincount(owner, minlength=len(start)))


def _choices(among: Ints, chosen: Ints) -> NDArray[np.float64]:
    """Return the number of choices of 2 to `chosen` of `among` lines."""
    most = int(chosen.max(initial=2))
    each = np.stack([comb(among, size) * (size <= chosen) for size in range(2, most + 1)])
    return np.asarray(each.sum(axis=0), dtype=np.float64)
