"""Two tables side by side: which of their cells agree, and which of their rows are most alike."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein
from scipy.optimize import linear_sum_assignment

from qc_models.tables.alignment import Link
from qc_models.tables.canonical import Reading, convention_of, readings
from qc_models.tables.columns import Floats
from qc_models.tables.table import Table

_NEAR = 0.7
_MARGIN = 0.1
_LETTERS = 0.7
_MOST_PAIRS = 4_000_000

_Readings = list[frozenset[Reading]]


class Sides:
    """A table and its source in canonical form, column by column of those that belong together."""

    near_enough = _NEAR
    """How alike (0 to 1) rows without an equal key must be."""

    def __init__(self, table: Table, source: Table, links: Mapping[int, Link]) -> None:
        self.links = links
        self.source_rows = len(source.rows)
        self._table, self._source = table, source
        self._read: dict[int, tuple[_Readings, _Readings]] = {
            column: (_readings(table.column(column)), _readings(source.column(link.source)))
            for column, link in links.items()
        }
        self._names = {
            column: ([_name(one) for one in mine], [_name(one) for one in theirs])
            for column, (mine, theirs) in self._read.items()
        }

    def agree(self, row: int, other: int, column: int) -> bool:
        """Say whether a row and a source row say the same in a column of the table."""
        mine, theirs = self._read[column]
        return not mine[row].isdisjoint(theirs[other])

    def keys(self, columns: Sequence[int]) -> tuple[list[tuple[str, ...] | None], list[tuple[str, ...] | None]]:
        """Return the keys of all rows on both sides over some columns; None where a part of it is empty."""
        parts = [self._names[column] for column in columns]
        return _keys([part[0] for part in parts]), _keys([part[1] for part in parts])

    def groups(
        self, columns: Sequence[int]
    ) -> tuple[dict[tuple[str, ...], list[int]], dict[tuple[str, ...], list[int]]]:
        """Return the rows of both sides by their key."""
        mine, theirs = self.keys(columns)
        return _by_key(mine), _by_key(theirs)

    def assign(self, rows: Sequence[int], others: Sequence[int], *, least: float) -> tuple[dict[int, int], list[int]]:
        """Pair rows with source rows so that they are most alike in all; return the pairs and the ambiguous rows.

        A pair counts if it is at least so much alike (0 to 1) and by a margin more than any other choice of either;
        records that are equal in every column are as good as one another. Beyond 4 million pairs nothing is paired.
        """
        if not rows or not others or len(rows) * len(others) > _MOST_PAIRS:
            return {}, []
        alike = self._alike(rows, others)
        first, second = linear_sum_assignment(-alike)
        pairs, doubtful = {}, []
        for at, to in zip(first, second, strict=True):
            score = alike[at, to]
            if score < least or score <= 0:
                continue
            row, other = rows[at], others[to]
            rivals = (others[int(near)] for near in np.flatnonzero(alike[at] > score - _MARGIN) if near != to)
            owners = (rows[int(near)] for near in np.flatnonzero(alike[:, to] > score - _MARGIN) if near != at)
            if not (
                all(self._twins(other, one, 1) for one in rivals) and all(self._twins(row, one, 0) for one in owners)
            ):
                doubtful.append(row)
            else:
                pairs[row] = other
        return pairs, doubtful

    def _twins(self, one: int, two: int, side: int) -> bool:
        return all(read[side][one] == read[side][two] for read in self._read.values())

    def _alike(self, rows: Sequence[int], others: Sequence[int]) -> Floats:
        """Return how alike all pairs are: the share of the information that they have in common."""
        total = np.zeros((len(rows), len(others)))
        for column, weight in self.information.items():
            total += weight * self._alike_in(column, rows, others)
        return total / max(sum(self.information.values()), 1e-9)

    def _alike_in(self, column: int, rows: Sequence[int], others: Sequence[int]) -> NDArray[np.float64]:
        mine, theirs = self._names[column]
        left, left_values = pd.factorize(np.array([mine[row] for row in rows], dtype=object))
        right, right_values = pd.factorize(np.array([theirs[other] for other in others], dtype=object))
        alike = process.cdist(
            list(left_values), list(right_values), scorer=Levenshtein.normalized_similarity, score_cutoff=_LETTERS
        ).astype(np.float64)
        nothing = np.outer(left_values == "", right_values == "")
        alike[nothing] = 0.0
        result: NDArray[np.float64] = alike[np.ix_(left, right)]
        return result

    @cached_property
    def information(self) -> dict[int, float]:
        """Return by column the bits that agreement in it is worth: its entropy in the source."""
        result = {}
        for column, (_, theirs) in self._names.items():
            counts = np.array(list(Counter(theirs).values()), dtype=float)
            shares = counts / max(counts.sum(), 1)
            result[column] = float(-(shares * np.log2(shares)).sum())
        return result


def _readings(values: list[str]) -> _Readings:
    convention = convention_of(values)
    known = {value: readings(value, convention) for value in set(values)}
    return [known[value] for value in values]


def _name(found: frozenset[Reading]) -> str:
    """Return one text for what a value may mean: the same for values that mean the same."""
    return min(str(one) for one in found)


def _keys(names: Sequence[list[str]]) -> list[tuple[str, ...] | None]:
    return [key if all(key) else None for key in zip(*names, strict=True)]


def _by_key(keys: Sequence[tuple[str, ...] | None]) -> dict[tuple[str, ...], list[int]]:
    result: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        if key is not None:
            result[key].append(row)
    return dict(result)
