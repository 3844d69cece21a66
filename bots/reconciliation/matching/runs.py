"""A total that names no party, and is all that one party had open on the other side in some days running."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bots.reconciliation.matched import BANK
from bots.reconciliation.matching.pairs import combined, numbered, seek
from bots.reconciliation.matching.sums import Groups
from bots.reconciliation.matching.view import Ints, View, spread
from bots.reconciliation.policy import Policy

SPAN = 5
"""Business days that a run covers at most: a week."""


@dataclass(frozen=True)
class _Runs:
    """Lines of a party, in order of days, and the runs of them."""

    row: Ints
    """Rows of the items, sorted by party, purse, direction, and day."""
    start: Ints
    """Of each run: place of its first line in `row`."""
    count: Ints
    total: Ints
    purse: Ints
    """Number of purse and direction."""
    first: Ints
    """Day of its first line."""
    last: Ints


def runs(totals: View, rows: Ints, items: View, party: tuple[Ints, Ints], side: int, policy: Policy) -> Groups:
    """Find the totals among `rows` that are a run: whole days, one party, one purse, one direction.

    Whole days, because sums of any choice of lines of any party would hit every total by chance: a party of n lines has
    2**n choices, but few runs. `alternatives` counts other runs, and single lines of that amount in the window.
    """
    every = _runs(items, party, policy.group)
    own, theirs = numbered(totals.purse[rows] * 2 + totals.sign[rows], totals.amount[rows], every.purse, every.total)
    order = np.argsort(theirs, kind="stable")
    place, found = spread(seek(theirs[order], own), seek(theirs[order], own, "right"))
    run, day = order[found], totals.day[rows[place]]
    low, high = (policy.earliest, policy.latest) if side == BANK else (-policy.latest, -policy.earliest)
    timely = (day - every.last[run] >= low) & (day - every.first[run] <= high)
    place, run = place[timely], run[timely]
    ways = np.bincount(place, minlength=len(rows))
    group = every.count[run] > 1
    place, run = place[group], run[group]
    owner, member = spread(every.start[run], every.start[run] + every.count[run])
    day = totals.day[rows[place]]
    return Groups(rows[place], owner, every.row[member], ways[place] - 1, _alike(every, run, day - high, day - low))


def _runs(items: View, party: tuple[Ints, Ints], most: int) -> _Runs:
    own, code = party
    block, _ = combined((code, code), (items.purse[own], items.purse[own]), (items.sign[own], items.sign[own]))
    order = np.lexsort((items.line[own], items.day[own], block))
    row, block = own[order], block[order]
    day = items.day[row]
    reach = np.concatenate(([0], np.cumsum(items.amount[row])))
    opens = np.ones(len(row), dtype=bool)
    opens[1:] = (block[1:] != block[:-1]) | (day[1:] != day[:-1])
    closes = np.append(opens[1:], True)[: len(row)]
    starts, sizes = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for size in range(1, most + 1):
        start = np.arange(max(0, len(row) - size + 1))
        end = start + size - 1
        whole = opens[start] & closes[end] if size > 1 else np.ones(len(start), dtype=bool)
        good = whole & (block[start] == block[end]) & (day[end] - day[start] <= SPAN)
        starts.append(start[good])
        sizes.append(np.full(int(good.sum()), size))
    begin, count = np.concatenate(starts), np.concatenate(sizes)
    purse = items.purse[row[begin]] * 2 + items.sign[row[begin]]
    return _Runs(row, begin, count, reach[begin + count] - reach[begin], purse, day[begin], day[begin + count - 1])


def _alike(every: _Runs, run: Ints, first: Ints, last: Ints) -> NDArray[np.float64]:
    """Count the runs of the purse, direction and size of each `run` that begin on the days first..last."""
    span = 2 + int(max(every.first.max(initial=0), last.max(initial=0)))
    code = (every.purse * 1024 + every.count) * span
    there = np.sort(code + every.first)
    high = np.searchsorted(there, code[run] + last, side="right")
    return np.asarray(high - np.searchsorted(there, code[run] + np.maximum(first, 0)), dtype=np.float64)
