"""Soft functional dependencies: columns whose value nearly decides the value of another column, errors allowed.

The confidence of A -> B is the chance that another row with the same A has the same B (leave-one-out), its lift what
that is worth beyond B's own skew: Piatetsky-Shapiro and Matheus' pdep and tau (Measuring data dependencies in large
databases, 1993), with every row left out of its own vote.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qc_models.tables.columns import Column, Floats, Ints

_LEAST_LIFT = 0.05
_SAMPLE = 20_000


@dataclass(frozen=True)
class Dependency:
    """The value in column `source` tells the value in column `target`; `coverage`: share of rows it can speak of."""

    source: int
    target: int
    confidence: float
    lift: float
    coverage: float

    @property
    def strength(self) -> float:
        """Return what to rank by: how much it tells, on how many rows."""
        return self.lift * self.coverage


@dataclass(frozen=True)
class Groups:
    """What the other rows with the same source value say about each row's target value; arrays are by row.

    `size`: other rows in the group that have a target value; `same`: of them, with the row's own; `top`: with the most
    frequent value but the own; `usual`: code of the group's most frequent value but the own (-1: there is none).
    """

    size: Ints
    same: Ints
    top: Ints
    usual: Ints

    @property
    def share(self) -> Floats:
        """Return the share of the others that agree with the row."""
        return self.same / np.maximum(self.size, 1)

    @property
    def gap(self) -> Floats:
        """Return how much more of the others agree on another value than on the row's own, -1 to 1."""
        return (self.top - self.same) / np.maximum(self.size, 1)


def discover(columns: Sequence[Column], seed: int = 0) -> list[Dependency]:
    """Return the dependencies between all pairs of columns, strongest first.

    Beyond 20,000 rows whole groups of the source column are sampled up to that many rows.
    """
    found = []
    for source, left in enumerate(columns):
        rows = _sample(left, seed)
        if len(left.distinct) < 2 or not len(rows):  # noqa: PLR2004
            continue
        for target, right in enumerate(columns):
            if source != target and len(right.distinct) > 1:
                dependency = _measure(source, target, left, right, rows)
                if dependency.lift > _LEAST_LIFT and dependency.coverage > 0:
                    found.append(dependency)
    return sorted(found, key=lambda one: (-one.strength, one.source, one.target))


def discover_for(right: Column, sources: Sequence[tuple[int, Column]], seed: int = 0) -> list[Dependency]:
    """Return which columns (given with their places) tell a column that is none of the table's, strongest first."""
    found = []
    for source, left in sources:
        rows = _sample(left, seed)
        if len(left.distinct) > 1 and len(right.distinct) > 1 and len(rows):
            dependency = _measure(source, -1, left, right, rows)
            if dependency.lift > _LEAST_LIFT and dependency.coverage > 0:
                found.append(dependency)
    return sorted(found, key=lambda one: (-one.strength, one.source))


def groups(left: Column, right: Column) -> Groups:
    """Return what the groups of `left` say about the values of `right`, row by row."""
    wide = len(right.distinct) + 1
    valid = ~left.missing[left.codes] & ~right.missing[right.codes]
    keys, position, count = np.unique(
        left.codes[valid] * wide + right.codes[valid], return_inverse=True, return_counts=True
    )
    group, value = np.divmod(keys, wide)
    size = np.bincount(group, weights=count, minlength=len(left.distinct)).astype(np.int64)
    order = np.lexsort((value, -count, group))
    starts = np.searchsorted(group[order], np.arange(len(left.distinct) + 1))
    first = _nth(order, starts, 0)
    second = _nth(order, starts, 1)
    own = np.zeros(left.size, dtype=np.int64)
    own[valid] = count[position]
    mine = valid & (own > 0)
    best, runner = first[left.codes], second[left.codes]
    is_best = np.zeros(left.size, dtype=bool)
    is_best[mine] = (best[mine] >= 0) & (value[best[mine]] == right.codes[mine])
    rival = np.where(is_best, runner, best)
    there = (rival >= 0) & ~left.missing[left.codes]
    padded_count, padded_value = np.append(count, 0), np.append(value, -1)
    return Groups(
        size=np.where(left.missing[left.codes], 0, size[left.codes] - mine),
        same=own - mine,
        top=np.where(there, padded_count[rival], 0),
        usual=np.where(there, padded_value[rival], -1),
    )


def _nth(order: NDArray[np.intp], starts: NDArray[np.intp], place: int) -> Ints:
    """Return for each group the index of its value in a place, -1 where it has no so many."""
    at = starts[:-1] + place
    result = np.full(len(starts) - 1, -1, dtype=np.int64)
    there = at < starts[1:]
    result[there] = order[at[there]]
    return result


def _sample(column: Column, seed: int) -> Ints:
    if column.size <= _SAMPLE:
        return np.arange(column.size)
    rank = np.random.default_rng(seed).permutation(len(column.distinct))
    return np.argsort(rank[column.codes], kind="stable")[:_SAMPLE]


def _measure(source: int, target: int, left: Column, right: Column, rows: Ints) -> Dependency:
    one, two = left.codes[rows], right.codes[rows]
    valid = ~left.missing[one] & ~right.missing[two]
    one, two = one[valid], two[valid]
    nothing = Dependency(source, target, 0.0, 0.0, 0.0)
    if len(one) < 2:  # noqa: PLR2004
        return nothing
    keys, count = np.unique(one * (len(right.distinct) + 1) + two, return_counts=True)
    size = np.bincount(one, minlength=len(left.distinct))
    both = size[keys // (len(right.distinct) + 1)]
    again = both > 1
    spoken = float(count[again].sum())
    if not spoken:
        return nothing
    confidence = float((count[again] * (count[again] - 1) / (both[again] - 1)).sum() / spoken)
    marginal = np.bincount(two)
    base = float((marginal * (marginal - 1)).sum() / (len(two) * (len(two) - 1)))
    lift = (confidence - base) / (1 - base) if base < 1 else 0.0
    return Dependency(source, target, confidence, lift, spoken / len(rows))
