"""Cells against the arithmetic laws of their table: which laws they break, and which of the cells is to blame.

To blame is the cell whose change would mend most: for each broken law its columns are solved for, rounded as the column
rounds, and tried in all other laws of the cell (model-based diagnosis with the fewest faults: Reiter, A theory of
diagnosis from first principles, 1987).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import OSA

from qc_models.tables.columns import Column, Floats
from qc_models.tables.laws import Law, laws_of
from qc_models.tables.quantities import Amounts, amounts_of

NAMES = ("laws_broken", "laws_kept", "law_blame", "law_break", "law_mended", "law_only_mender", "law_mended_near")
_SAME = 1e-9


@dataclass(frozen=True)
class Broken:
    """A law that a row breaks: the left side comes to `expected`, the column on the right says `observed`."""

    law: Law
    expected: float
    observed: float


@dataclass(frozen=True)
class Mend:
    """What a cell should be, written as its column is, for `laws` more laws to hold; `law` is the one that says it."""

    text: str
    laws: int
    law: Law


class Arithmetic:
    """The laws of a table and who breaks them; `features` are rows x columns x `NAMES`, all 0 without a law."""

    def __init__(self, columns: Sequence[Column], seed: int = 0) -> None:
        self._columns = columns
        found = {at: amounts for at, one in enumerate(columns) if (amounts := amounts_of(one)) is not None}
        self._numbers = {at: amounts.values[columns[at].codes] for at, amounts in found.items()}
        self.laws = laws_of(found, self._numbers, seed)
        used = {column for law in self.laws for column in law.columns}
        self._numbers = {at: numbers for at, numbers in self._numbers.items() if at in used}
        self._amounts: dict[int, Amounts] = {at: found[at] for at in used}

    def features(self) -> NDArray[np.float32]:
        """Return `NAMES` for every cell."""
        size = self._columns[0].size if self._columns else 0
        result = np.zeros((size, len(self._columns), len(NAMES)), dtype=np.float32)
        broken_in_row = np.zeros(size)
        for law in self.laws:
            numbers = self._of(law)
            off = np.abs(law.off(numbers))
            known, kept = np.isfinite(off), law.holds(numbers)
            broken = known & ~kept
            broken_in_row += broken
            size_of_it = np.where(broken, np.log1p(off / (np.abs(numbers[-1]) + 1.0)), 0.0)
            for column in law.columns:
                result[:, column, 0] += broken
                result[:, column, 1] += known & kept
                result[:, column, 3] = np.maximum(result[:, column, 3], size_of_it)
        result[:, :, 2] = result[:, :, 0] / np.maximum(broken_in_row, 1)[:, None]
        self._mended(result, broken_in_row)
        return result

    def _mended(self, result: NDArray[np.float32], broken_in_row: Floats) -> None:
        """Fill in what each cell's change would mend, whether it alone would mend so much, and how small it is."""
        for column in self._numbers:
            rows = np.flatnonzero(result[:, column, 0])
            gain, value, _ = self._best(rows, column)
            result[rows, column, 4] = np.maximum(gain, 0) / broken_in_row[rows]
            there = np.flatnonzero(gain > 0)
            result[rows[there], column, 6] = [self._alike(rows[at], column, value[at]) for at in there]
        most = result[:, :, 4].max(axis=1, keepdims=True, initial=0.0)
        best = (result[:, :, 4] >= most - _SAME) & (most > 0)
        result[:, :, 5] = best * most / np.maximum(best.sum(axis=1, keepdims=True), 1)

    def suspicion(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return how much the laws speak against each cell, 0 to 1: the row's broken laws, shared out by blame."""
        mended, only, near = (features[:, :, at] for at in (4, 5, 6))
        weight = only * (0.2 + near)
        total = np.maximum(weight.sum(axis=1, keepdims=True), 1e-9)
        return np.asarray(0.9 * mended * np.where(only > 0, weight / total, 0.0), dtype=np.float32)

    def write(self, column: int, value: float) -> str:
        """Return a number as a column writes it."""
        return self._amounts[column].write(value)

    def broken(self, row: int, column: int) -> list[Broken]:
        """Return the laws of a cell that its row breaks, those with the fewest columns first."""
        found = []
        for law in self._laws(column):
            numbers = [one[row : row + 1] for one in self._of(law)]
            off = law.off(numbers)
            if np.isfinite(off[0]) and not law.holds(numbers)[0]:
                expected = law.solve(numbers, len(numbers) - 1)
                found.append(Broken(law, float(expected[0]), float(numbers[-1][0])))
        return found

    def mend(self, row: int, column: int) -> Mend | None:
        """Return the value that would mend all broken laws of a row and break none; None if there is no such.

        A cell without a number counts as breaking each of its laws whose other numbers are there.
        """
        if column not in self._numbers:
            return None
        gain, value, law = self._best(np.array([row]), column)
        broken = len({one.law for other in self._numbers for one in self.broken(row, other)})
        if gain[0] <= 0 or gain[0] < broken:
            return None
        return Mend(self._amounts[column].write(float(value[0])), int(gain[0]), self.laws[law[0]])

    def _best(self, rows: NDArray[np.intp], column: int) -> tuple[Floats, Floats, NDArray[np.int64]]:
        """Return by row the most laws that a change of the cell would mend on balance, the value, and whose it is."""
        gain = np.full(len(rows), -np.inf)
        value, whose = np.full(len(rows), np.nan), np.zeros(len(rows), dtype=np.int64)
        unit = 10.0 ** self._amounts[column].places
        own = self._laws(column)
        before = self._held(own, rows, column, self._numbers[column][rows])
        for law in own:
            tried = law.solve([one[rows] for one in self._of(law)], law.columns.index(column))
            if not np.isfinite(self._numbers[column][rows]).all():
                tried = self._solve_without(law, rows, column)
            tried = np.round(tried * unit) / unit
            now = self._held(own, rows, column, tried) - before
            better = np.isfinite(tried) & (now > gain)
            gain[better], value[better] = now[better], tried[better]
            whose[better] = self.laws.index(law)
        return gain, value, whose

    def _solve_without(self, law: Law, rows: NDArray[np.intp], column: int) -> Floats:
        place = law.columns.index(column)
        numbers = [one[rows] for one in self._of(law)]
        numbers[place] = np.zeros(len(rows)) if law.form == "sum" else numbers[place]
        return law.solve(numbers, place)

    def _held(self, laws: Sequence[Law], rows: NDArray[np.intp], column: int, tried: Floats) -> Floats:
        held = np.zeros(len(rows))
        for law in laws:
            held += law.holds([tried if at == column else self._numbers[at][rows] for at in law.columns])
        return held

    def _alike(self, row: int, column: int, value: float) -> float:
        """Return how alike a cell is to what it should be: 1 less the share of its signs that are changed."""
        one = self._columns[column]
        return float(
            OSA.normalized_similarity(one.distinct[one.codes[row]].strip(), self._amounts[column].write(value))
        )

    def _laws(self, column: int) -> list[Law]:
        return [law for law in self.laws if column in law.columns]

    def _of(self, law: Law) -> list[Floats]:
        return [self._numbers[column] for column in law.columns]
