"""Which lines an open line may belong to: a few from each way of looking, without ever comparing all with all.

A way of looking is a key that both lines share and an order within the key (the day, or the amount). Only the nearest
in that order are taken, so that a key which thousands of lines share costs no more than a rare one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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
    """Return pairs (open line, line of the other side), each once, by both; of two open lines both ways.

    Args:
        lines: both sides.
        open_lines: places in the stack.
        taken: of every line, whether a match holds it. Those are looked for apart, so that many closed lines do not
            hide an open one.
    """
    found = []
    keys = _Keys.of(lines)
    for side in (0, 1):
        theirs = lines.side != side
        ours = open_lines[lines.side[open_lines] == side]
        free, held = np.flatnonzero(theirs & ~taken), np.flatnonzero(theirs & taken)
        found += [_near(*way, most=MOST) for way in (*keys.ways(lines, ours, free), *keys.closed(lines, ours, held))]
        found.append(_near(*_spelled(lines, ours, free), most=MOST))
        abroad = [_near(*way, most=MOST) for way in keys.abroad(lines, ours, free)]
        found += abroad
    return _once([*found, *((other[~taken[other]], one[~taken[other]]) for one, other in found)], len(lines))


def along(lines: Stacked, open_lines: Ints, taken: Bools) -> tuple[Ints, Ints]:
    """Return pairs (open line, another line of its own side) of one account and absolute amount; see `across`.

    Nearest in days, and among those that say the same word for word.
    """
    found = []
    size = _join(lines.account, lines.size)
    for key, most in ((size, BESIDE), (_join(size, lines.wording), MOST)):
        for side in (0, 1):
            mine, ours = lines.side == side, open_lines[lines.side[open_lines] == side]
            for pool in (np.flatnonzero(mine & ~taken), np.flatnonzero(mine & taken)):
                one, other = _near(*_way(key, lines.day, ours, pool), most=most)
                found.append((one[one != other], other[one != other]))
    return _once(found, len(lines))


Way = tuple[Ints, Ints, Ints, Ints, Ints, Ints]
"""Key, order and place of the open lines, and the same of the pool."""


@dataclass(frozen=True)
class _Keys:
    """What lines may share, as one code a line."""

    account_size: Ints
    front_size: Ints
    """First letters of the name, and absolute amount."""
    account_front: Ints
    account_digits: Ints
    foreign: Bools
    """Whether a line is in another currency than most of its account."""

    @classmethod
    def of(cls, lines: Stacked) -> _Keys:
        front = _fronts(lines)
        return cls(
            account_size=_join(lines.size, lines.account),
            front_size=_join(lines.size, front),
            account_front=_join(front, lines.account),
            account_digits=_join(lines.digits, lines.account),
            foreign=_foreign(lines),
        )

    def ways(self, lines: Stacked, ours: Ints, pool: Ints) -> Iterator[Way]:
        """Yield the ways of `closed`, by the next amounts, by digits, and by a name's beginning."""
        day = lines.day
        named, others = ours[lines.name[ours] > 0], pool[lines.name[pool] > 0]
        yield from self.closed(lines, ours, pool)
        yield _way(lines.account, lines.amount, ours, pool)
        yield _way(self.account_digits, day, ours, pool)
        yield _way(self.account_front, day, named, others)
        yield _way(self.account_front, lines.amount, named, others)

    def closed(self, lines: Stacked, ours: Ints, pool: Ints) -> Iterator[Way]:
        """Yield the ways by an amount anywhere, in the account or with a name, and by a mark."""
        day = lines.day
        named, others = ours[lines.name[ours] > 0], pool[lines.name[pool] > 0]
        yield _way(lines.size, day, ours, pool)
        yield _way(self.account_size, day, ours, pool)
        yield _way(self.front_size, day, named, others)
        mine, theirs = _carriers(lines, ours), _carriers(lines, pool)
        one, other = lines.mark_of[mine], lines.mark_of[theirs]
        yield lines.mark[mine], day[one], one, lines.mark[theirs], day[other], other

    def abroad(self, lines: Stacked, ours: Ints, pool: Ints) -> Iterator[Way]:
        """Yield the way from lines in their account's currency to those in another, of about the amount."""
        native, others = ours[~self.foreign[ours]], pool[self.foreign[pool]]
        yield _way(lines.account, lines.amount, native, others)


def _way(key: Ints, order: Ints, ours: Ints, pool: Ints) -> Way:
    return key[ours], order[ours], ours, key[pool], order[pool], pool


def _spelled(lines: Stacked, ours: Ints, pool: Ints) -> Way:
    """Return the way by the order of an account's references: one that was cut off stands beside what it was."""
    one, other = (places[lines.reference[places] != ""] for places in (ours, pool))
    both = np.unique(np.concatenate([one, other]))
    order = np.zeros(len(lines), np.int64)
    order[both] = np.unique(lines.reference[both].astype(str), return_inverse=True)[1]
    return _way(lines.account, order, one, other)


def _carriers(lines: Stacked, chosen: Ints) -> Ints:
    """Return the places of the marks that these lines carry."""
    held = np.zeros(len(lines), bool)
    held[chosen] = True
    return np.flatnonzero(held[lines.mark_of])


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


def _foreign(lines: Stacked) -> Bools:
    counts = pd.DataFrame({"account": lines.account, "currency": lines.currency}).value_counts(sort=True)
    usual = counts.reset_index().drop_duplicates("account").set_index("account")["currency"]
    found: Bools = lines.currency != usual.reindex(lines.account).to_numpy()
    return found


def _join(first: Ints, second: Ints) -> Ints:
    return first * (int(second.max(initial=0)) + 1) + second


def _once(found: list[tuple[Ints, Ints]], width: int) -> tuple[Ints, Ints]:
    pairs = pd.unique(np.concatenate([one * width + other for one, other in found]))
    pairs.sort()
    return pairs // width, pairs % width
