"""Which lines an open line may belong to: a few from each way of looking, without ever comparing all with all.

A way of looking is a key that both lines share and an order within the key (the day, or the amount). Only the nearest
in that order are taken, so that a key which thousands of lines share costs no more than a rare one.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from bots.reconciliation.reasons.stacked import Bools, Ints, Stacked

MOST: Final = 2
"""Lines taken on either side of an open line, of each way of looking at the other side."""
BESIDE: Final = 8
"""The same of its own side, which there is one way to look at."""
_PREFIX: Final = 5
"""Letters of a name that both sides have left after cutting, folding and legal forms."""


def across(lines: Stacked, open_lines: Ints, taken: Bools) -> tuple[Ints, Ints]:
    """Return pairs (open line, line of the other side), each once, by both.

    Args:
        lines: both sides.
        open_lines: places in the stack.
        taken: of every line, whether a match holds it; the nearest of those that are open are looked for apart, so that
            many closed lines do not hide an open one.
    """
    found = []
    for side in (0, 1):
        theirs = lines.side != side
        ours = open_lines[lines.side[open_lines] == side]
        for pool in (np.flatnonzero(theirs & ~taken), np.flatnonzero(theirs & taken)):
            found += [_near(*way, most=MOST) for way in _ways(lines, ours, pool)]
    return _once(found, len(lines))


def along(lines: Stacked, open_lines: Ints) -> tuple[Ints, Ints]:
    """Return pairs (open line, another line of its own side) of one account and absolute amount, nearest days."""
    found = []
    key = _join(lines.account, lines.size)
    for side in (0, 1):
        ours, pool = open_lines[lines.side[open_lines] == side], np.flatnonzero(lines.side == side)
        one, other = _near(key[ours], lines.day[ours], ours, key[pool], lines.day[pool], pool, most=BESIDE)
        found.append((one[one != other], other[one != other]))
    return _once(found, len(lines))


def _ways(lines: Stacked, ours: Ints, pool: Ints) -> list[tuple[Ints, Ints, Ints, Ints, Ints, Ints]]:
    """Return (key, order, line) of the open lines and of the pool, for each way of looking."""
    day, amount = lines.day, lines.amount
    front = _fronts(lines)
    party, bag = _join(front, lines.account), _join(lines.digits, lines.account)
    ways = [
        (key[ours], order[ours], ours, key[pool], order[pool], pool)
        for key, order in (
            (lines.size, day),
            (_join(lines.size, lines.account), day),
            (_join(lines.size, front), day),
            (bag, day),
        )
    ]
    one, other = ours[lines.name[ours] > 0], pool[lines.name[pool] > 0]
    ways += [(party[one], order[one], one, party[other], order[other], other) for order in (day, amount)]
    mine, theirs = np.isin(lines.mark_of, ours), np.isin(lines.mark_of, pool)
    one, other = lines.mark_of[mine], lines.mark_of[theirs]
    ways.append((lines.mark[mine], day[one], one, lines.mark[theirs], day[other], other))
    return ways


def _near(
    key: Ints, order: Ints, line: Ints, pool_key: Ints, pool_order: Ints, pool: Ints, most: int
) -> tuple[Ints, Ints]:
    """Pair each line with the `most` on either side of it, in order, among those of the pool with its key."""
    if not len(line) or not len(pool):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    kept = np.isin(pool_key, key)
    pool_key, pool_order, pool = pool_key[kept], pool_order[kept], pool[kept]
    ranked = np.lexsort((pool, pool_order, pool_key))
    pool_key, pool_order, pool = pool_key[ranked], pool_order[ranked], pool[ranked]
    place = _searched(pool_key, pool_order, key, order)
    ones, others = [], []
    for step in range(-most, most):
        at = place + step
        there = (at >= 0) & (at < len(pool))
        there[there] = pool_key[at[there]] == key[there]
        ones.append(line[there])
        others.append(pool[at[there]])
    return np.concatenate(ones), np.concatenate(others)


def _searched(pool_key: Ints, pool_order: Ints, key: Ints, order: Ints) -> Ints:
    """Return where (key, order) would be put in a pool that is sorted by both."""
    both = np.concatenate([pool_order, order])
    _, rank = np.unique(both, return_inverse=True)
    width = int(rank.max()) + 1
    found: Ints = np.searchsorted(
        pool_key * width + rank[: len(pool_order)], key * width + rank[len(pool_order) :], side="left"
    )
    return found


def _fronts(lines: Stacked) -> Ints:
    """Return a code of the first letters of each line's name."""
    fronts = np.array([name.replace(" ", "")[:_PREFIX] for name in lines.names], dtype=object)
    _, codes = np.unique(fronts.astype(str), return_inverse=True)
    found: Ints = codes.astype(np.int64)[lines.name]
    return found


def _join(first: Ints, second: Ints) -> Ints:
    return first * (int(second.max(initial=0)) + 1) + second


def _once(found: list[tuple[Ints, Ints]], width: int) -> tuple[Ints, Ints]:
    pairs = pd.unique(np.concatenate([one * width + other for one, other in found]))
    pairs.sort()
    return pairs // width, pairs % width
