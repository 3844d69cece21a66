"""Which lines of a few add up to a total, and in how many ways: a sum that can be reached twice is no evidence.

Two methods, both exact. Up to `TABLE` items: the table of all sums, for many totals of equal size at once (numpy).
Above: meet in the middle (Horowitz and Sahni, Journal of the ACM 21, 1974), bounded in size, with equal sums of a half
counted together, so that the number of solutions is exact even where there are millions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

MOST = 40
"""Items among which a sum is ever looked for: two halves of 20, a million sums each."""
TABLE = 13
"""Items up to which all sums are written down."""
_CELLS = 1 << 20


@dataclass(frozen=True)
class Sums:
    """What adds up to each of T totals."""

    count: Ints
    """T: number of solutions, of any allowed size."""
    total: Ints
    """S: the total that each solution kept belongs to, ascending."""
    chosen: NDArray[np.uint64]
    """S: its items, one bit each."""


def popcount(masks: NDArray[np.uint64]) -> Ints:
    """Return the number of items in each choice."""
    return np.bitwise_count(masks).astype(np.int64)


def solve(items: Ints, totals: Ints, largest: int, keep: int) -> Sums:
    """Find the choices of 1 to `largest` items that add up to each total.

    Args:
        items: T x n amounts; row i is what total i is made of. n is at most MOST.
        totals: T totals.
        largest: most items of a choice.
        keep: how many choices are kept a total, the smallest first; all of them are counted.
    """
    if items.shape[1] > MOST:
        raise ValueError(f"{items.shape[1]} items: at most {MOST}")
    if items.shape[1] <= TABLE:
        return _by_table(items, totals, largest, keep)
    counts = np.zeros(len(totals), dtype=np.int64)
    total, chosen = [], []
    for place in range(len(totals)):
        counts[place], found = _by_halves(items[place], int(totals[place]), largest, keep)
        total += [place] * len(found)
        chosen += found
    return Sums(counts, np.array(total, dtype=np.int64), np.array(chosen, dtype=np.uint64))


def _by_table(items: Ints, totals: Ints, largest: int, keep: int) -> Sums:
    width = items.shape[1]
    order = np.arange(1 << width, dtype=np.uint64)
    sizes = popcount(order)
    fits = (sizes >= 1) & (sizes <= largest)
    rows: list[Ints] = []
    masks: list[NDArray[np.uint64]] = []
    step = max(1, _CELLS >> width)
    for start in range(0, len(totals), step):
        hit = (_sums(items[start : start + step]) == totals[start : start + step, None]) & fits
        found = np.nonzero(hit)
        rows.append(found[0] + start)
        masks.append(found[1].astype(np.uint64))
    row: Ints = np.concatenate([np.zeros(0, dtype=np.int64), *rows])
    mask: NDArray[np.uint64] = np.concatenate([np.zeros(0, dtype=np.uint64), *masks])
    count = np.bincount(row, minlength=len(totals)).astype(np.int64)
    by_size = np.lexsort((mask, popcount(mask), row))
    row, mask = row[by_size], mask[by_size]
    kept = _rank(row) < keep
    return Sums(count, row[kept], mask[kept])


def _sums(items: Ints) -> Ints:
    """Return T x 2**n: the sum of every choice, in the order of its bits."""
    sums = np.zeros((len(items), 1), dtype=np.int64)
    for column in range(items.shape[1]):
        sums = np.hstack((sums, sums + items[:, column, None]))
    return sums


def _rank(row: Ints) -> Ints:
    """Return the place of each element among the equal ones before it; `row` ascends."""
    return np.arange(len(row)) - np.searchsorted(row, row)


@dataclass(frozen=True)
class _Half:
    """The choices of one half, alike ones (same sum, same size) together, ascending by sum and size."""

    total: Ints
    size: Ints
    count: Ints
    first: Ints
    """Place in `masks` of each first one."""
    masks: NDArray[np.uint64]


def _half(items: Ints, largest: int, shift: int) -> _Half:
    masks, size = _masks_of(len(items), largest)
    total = _sums(items[None, :])[0][masks]
    order = np.argsort(total * (MOST + 1) + size, kind="stable")
    masks, total, size = masks[order] << np.uint64(shift), total[order], size[order]
    new = np.ones(len(masks), dtype=bool)
    new[1:] = (total[1:] != total[:-1]) | (size[1:] != size[:-1])
    first = np.flatnonzero(new)
    return _Half(total[first], size[first], np.diff(np.append(first, len(masks))), first, masks)


@lru_cache(maxsize=64)
def _masks_of(items: int, largest: int) -> tuple[NDArray[np.uint64], Ints]:
    """Return the choices of at most `largest` of so many items, and their sizes."""
    masks = np.arange(1 << items, dtype=np.uint64)
    size = popcount(masks)
    return masks[size <= largest], size[size <= largest]


def _by_halves(items: Ints, wanted: int, largest: int, keep: int) -> tuple[int, list[int]]:
    middle = len(items) // 2
    left, right = _half(items[:middle], largest, 0), _half(items[middle:], largest, middle)
    low = np.searchsorted(right.total, wanted - left.total, side="left")
    high = np.searchsorted(right.total, wanted - left.total, side="right")
    one = np.repeat(np.arange(len(low)), high - low)
    other = np.arange(len(one)) - np.repeat(np.cumsum(high - low) - high, high - low)
    size = left.size[one] + right.size[other]
    fits = (size >= 1) & (size <= largest)
    one, other, size = one[fits], other[fits], size[fits]
    count = int((left.count[one] * right.count[other]).sum())
    found: list[int] = []
    for place in np.lexsort((other, one, size))[:keep]:
        found += _spell(left, int(one[place]), right, int(other[place]), keep - len(found))
        if len(found) >= keep:
            break
    return count, found


def _spell(left: _Half, one: int, right: _Half, other: int, most: int) -> list[int]:
    """Write out the choices of two groups of alike ones."""
    pairs: Iterator[tuple[np.uint64, np.uint64]] = product(_masks(left, one, most), _masks(right, other, most))
    return [int(first) | int(second) for (first, second), _ in zip(pairs, range(most), strict=False)]


def _masks(half: _Half, group: int, most: int) -> NDArray[np.uint64]:
    start = half.first[group]
    return half.masks[start : start + min(most, half.count[group])]
