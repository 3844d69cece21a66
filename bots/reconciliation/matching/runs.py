"""A total that names no party, and is all that one party had open on the other side in some days running."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bots.reconciliation.matched import BANK
from bots.reconciliation.matching.candidates import MOST_RIVALS
from bots.reconciliation.matching.pairs import Blocks, between, combined, counted, numbered
from bots.reconciliation.matching.sums import Groups
from bots.reconciliation.matching.view import Ints, View, in_order, spread
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
    asked = totals.take(rows)
    own, theirs = numbered(asked.purse * 2 + asked.sign, asked.amount, every.purse, every.total)
    low, high = (-policy.latest, -policy.earliest) if side == BANK else (policy.earliest, policy.latest)
    spans = items.take(every.row[every.start + every.count - 1])
    every_run, everyone = np.arange(len(theirs)), np.arange(len(rows))
    single = every_run[every.count == 1]
    alike = counted(asked, spans, Blocks((everyone, own), (single, theirs[single])), low, high)
    several = every_run[every.count > 1]
    blocks = Blocks((everyone, own), (several, theirs[several]))
    _, place, run = between(asked, spans, blocks, low, high, MOST_RIVALS + 1)
    early = every.first[run] - asked.day[place] >= low
    place, run = place[early], run[early]
    ways = alike + np.bincount(place, minlength=len(rows))
    owner, member = spread(every.start[run], every.start[run] + every.count[run])
    day = asked.day[place]
    return Groups(rows[place], owner, every.row[member], ways[place] - 1, _alike(every, run, day + low, day + high))


def _runs(items: View, party: tuple[Ints, Ints], most: int) -> _Runs:
    own, code = party
    block, _ = combined((code, code), (items.purse[own], items.purse[own]), (items.sign[own], items.sign[own]))
    order = in_order(block, items.day[own], items.line[own])
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
