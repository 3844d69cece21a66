"""What is missing of a line when all that carries its key is put together: one line that says nothing of itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bots.reconciliation.matched import BANK
from bots.reconciliation.matching.candidates import MOST_RIVALS
from bots.reconciliation.matching.pairs import CROWD, Blocks, between, combined, counted, distinct, numbered
from bots.reconciliation.matching.sums import Groups
from bots.reconciliation.matching.view import Flags, Ints, View, once, spread
from bots.reconciliation.policy import Policy

Rows = tuple[Ints, Ints]


@dataclass(frozen=True)
class Rests:
    """Groups that one line completes."""

    groups: Groups
    missing: Ints
    """Of each group: row of the item that completes it."""
    pool: Ints
    """Rows of the items that were looked at to complete something."""
    searches: int
    """How many totals lacked something."""


def rests(totals: View, items: View, parties: tuple[Rows, Rows], quoting: Flags, side: int, policy: Policy) -> Rests:
    """Find the totals that one more line completes, which has no key and names no party.

    Of each total all items with one of its keys are taken, and then none or one more without a key from its party. The
    missing line must have just the amount that is left; `quoting` are items that say something else and cannot be it.
    `alternatives` counts the further ways to complete a total.
    """
    low, high = (-policy.latest, -policy.earliest) if side == BANK else (policy.earliest, policy.latest)
    (row, key), (column, item_key) = totals.keys, items.keys
    own, theirs = combined((key, item_key), (totals.purse[row], items.purse[column]))
    _, total, item = between(totals, items, Blocks((row, own), (column, theirs)), low, high, CROWD)
    total, item = distinct(total, item)
    paid = np.zeros(len(totals), dtype=np.int64)
    np.add.at(paid, total, items.amount[item])
    part = once(total)
    part = part[np.bincount(total, minlength=len(totals))[part] < policy.group]
    silent = items.keyless & ~quoting
    nameless = np.flatnonzero(silent & ~_marked(len(items), parties[1][0]))
    bases, extra = _bases(totals, items, parties, part, silent, (low, high))
    left = totals.amount[bases] - paid[bases] - np.where(extra >= 0, items.amount[extra], 0)
    good = (left != 0) & ((left > 0) == (totals.amount[bases] > 0))
    bases, extra, left = bases[good], extra[good], left[good]
    wanted = totals.take(bases)
    one, other = numbered(totals.purse[bases], left, items.purse[nameless], items.amount[nameless])
    everyone = np.arange(len(bases))
    place, _, missing = between(wanted, items, Blocks((everyone, one), (nameless, other)), low, high, MOST_RIVALS + 1)
    direction = wanted.purse * 2 + wanted.sign, (items.purse * 2 + items.sign)[nameless]
    crowd = counted(wanted, items, Blocks((everyone, direction[0]), (nameless, direction[1])), low, high)
    tried = np.zeros(len(totals))
    np.add.at(tried, bases, crowd.astype(np.float64))
    chosen = bases[place]
    ways = np.bincount(chosen, minlength=len(totals))
    groups = _groups(chosen, (total, item), extra[place], missing, ways[chosen] - 1, tried[chosen])
    return Rests(groups, missing, nameless, len(part))


def _bases(
    totals: View, items: View, parties: tuple[Rows, Rows], part: Ints, silent: Flags, window: tuple[int, int]
) -> Rows:
    """Return (total, one more item of its party without a key, or -1)."""
    (row, party), (column, item_party) = parties
    chosen, open_ = _marked(len(totals), part)[row], silent[column]
    row, party, column, item_party = row[chosen], party[chosen], column[open_], item_party[open_]
    own, theirs = combined(
        (party, item_party), (totals.purse[row], items.purse[column]), (totals.sign[row], items.sign[column])
    )
    _, total, item = between(totals, items, Blocks((row, own), (column, theirs)), *window, CROWD)
    pairs = distinct(total, item)
    return np.concatenate((part, pairs[0])), np.concatenate((np.full(len(part), -1), pairs[1]))


def _marked(count: int, rows: Ints) -> Flags:
    marks = np.zeros(count, dtype=bool)
    marks[rows] = True
    return marks


def _groups(
    chosen: Ints, keyed: Rows, extra: Ints, missing: Ints, alternatives: Ints, tried: NDArray[np.float64]
) -> Groups:
    """Put the parts of each group together: what carries the key, the one more of the party, the missing line."""
    count = np.arange(len(chosen))
    low, high = (np.searchsorted(keyed[0], chosen, side=edge) for edge in ("left", "right"))
    owner, place = spread(low, high)
    more = extra >= 0
    owner = np.concatenate((owner, count[more], count))
    item = np.concatenate((keyed[1][place], extra[more], missing))
    return Groups(chosen, owner, item, alternatives, tried)
