"""What speaks against a cell, in figures a person can check; looked up on demand from the detector's own statistics."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from qc_models.tables import numbers, text
from qc_models.tables.columns import Floats, Ints
from qc_models.tables.dependencies import Dependency
from qc_models.tables.features import Statistics


@dataclass(frozen=True)
class Usual:
    """Of `of` other rows with `via_value` in column `via`, `support` say `value` and `own` say what the cell says."""

    value: str
    support: int
    of: int
    own: int
    via: int
    via_value: str
    lift: float


@dataclass(frozen=True)
class Neighbour:
    """A value a few edits away that more rows have."""

    value: str
    edits: int
    count: int
    own_count: int


@dataclass(frozen=True)
class Pattern:
    """A pattern (runs of digits 9, capitals A, small letters a) and the share of the column's rows that have it."""

    pattern: str
    share: float


class Evidence:
    """Reasons by cell over the statistics of one table."""

    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics
        self._patterns: dict[int, tuple[list[str], Floats]] = {}
        self._scores: dict[int, Floats] = {}

    @cached_property
    def dependencies(self) -> tuple[Dependency, ...]:
        """Return the soft functional dependencies of the table, strongest first."""
        return self._statistics.dependencies

    def usual(self, row: int, column: int) -> list[Usual]:
        """Return what rows that agree with this one on another column have here instead, best supported first."""
        columns = self._statistics.columns
        found = []
        for dependency, group in self._statistics.told[column]:
            top, same = int(group.top[row]), int(group.same[row])
            if top > same:
                source = columns[dependency.source]
                value = columns[column].distinct[group.usual[row]]
                via = source.distinct[source.codes[row]]
                found.append(Usual(value, top, int(group.size[row]), same, dependency.source, via, dependency.lift))
        return sorted(found, key=lambda one: -one.lift * (one.support - one.own) / (one.of + 1))

    def neighbour(self, row: int, column: int) -> Neighbour | None:
        """Return the more frequent value that this one may have been meant to be."""
        one, near = self._statistics.columns[column], self._statistics.near[column]
        code = one.codes[row]
        target = int(near.index[code])
        if target < 0:
            return None
        return Neighbour(one.distinct[target], int(near.edits[code]), int(one.counts[target]), int(one.counts[code]))

    def pattern(self, row: int, column: int) -> Pattern:
        """Return the pattern of a cell and how usual it is in its column."""
        one = self._statistics.columns[column]
        if column not in self._patterns:
            patterns = text.patterns(one)
            _, codes = np.unique(np.array(patterns, dtype=object), return_inverse=True)
            self._patterns[column] = patterns, _shares(codes.astype(np.int64), one.counts)
        patterns, shares = self._patterns[column]
        code = int(one.codes[row])
        return Pattern(patterns[code], float(shares[code]))

    def number(self, row: int, column: int) -> float | None:
        """Return the robust z of a cell: its distance from the median in scaled MADs; None if it is no number."""
        one = self._statistics.columns[column]
        code = int(one.codes[row])
        if not one.is_number or not np.isfinite(one.numbers[code]):
            return None
        if column not in self._scores:
            self._scores[column] = numbers.robust_z(one)
        return float(self._scores[column][code])


def _shares(codes: Ints, counts: Ints) -> Floats:
    rows = np.bincount(codes, weights=counts)
    return np.asarray(rows[codes] / counts.sum())
