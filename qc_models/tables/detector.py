"""The detector: a probability for every cell from the first look, better with every labelled record."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from qc_models.tables import learner, picker, rules
from qc_models.tables.evidence import Evidence
from qc_models.tables.features import matrix_of, statistics_of
from qc_models.tables.table import Paired, Table

Floats = NDArray[np.float64]
_FLAG = 0.5
_PRIOR_ROWS = 3


class Detector:
    """Find the wrong cells of a table.

    `paired` holds the source records of a table's rows, in the same order and with the same columns; a None cell has
    no partner. The same table, seed and labels give the same answers.
    """

    def __init__(self, table: Table, *, seed: int = 0, paired: Paired | None = None) -> None:
        self.statistics = statistics_of(table, seed)
        self._seed = seed
        self._shape = (len(table.rows), len(table.columns))
        matrix = matrix_of(self.statistics)
        self._rules = rules.suspicions(matrix)
        parts = [matrix, self._rules]
        if paired is not None:
            parts.append(_disagreement(table, paired))
        self._still = np.concatenate(parts, axis=2)
        self._prior = rules.composite(self._rules)
        if paired is not None:
            self._prior = np.maximum(self._prior, 0.9 * (parts[-1][:, :, 0] > 0))
        self._labels: dict[int, frozenset[int]] = {}
        self._opinions: tuple[int, bool, Floats] | None = None

    @cached_property
    def evidence(self) -> Evidence:
        """Return what speaks against each cell, from the same statistics."""
        return Evidence(self.statistics)

    @property
    def labelled(self) -> Mapping[int, frozenset[int]]:
        """Return the labels so far: the wrong columns by row."""
        return dict(self._labels)

    def next(self, without: Collection[int] = ()) -> int:
        """Return the row to label next; never one that is labelled, nor one of those that are to be left out.

        Raises:
            LookupError: there is no such row.
        """
        rows = self._shape[0]
        free = np.array([row for row in range(rows) if row not in self._labels and row not in without], dtype=np.int64)
        if not len(free):
            raise LookupError("every row is labelled or left out")
        rng = np.random.default_rng((self._seed, len(self._labels)))
        by_model = self._by_model(full=False)
        if len(self._labels) < _PRIOR_ROWS or by_model is None:
            return picker.choose(self._prior, free, rng)
        return picker.choose(picker.doubt(by_model).reshape(self._shape), free, rng)

    def label(self, row: int, wrong: Collection[int]) -> None:
        """Note which columns of a row are wrong; a second label of a row replaces the first.

        Raises:
            IndexError: there is no such row or column.
        """
        if not 0 <= row < self._shape[0] or not all(0 <= column < self._shape[1] for column in wrong):
            raise IndexError(f"no such cell: row {row}, columns {sorted(wrong)}")
        self._labels[row] = frozenset(wrong)
        self._opinions = None

    def forget(self, row: int) -> None:
        """Take the label of a row back, if it has one."""
        self._labels.pop(row, None)
        self._opinions = None

    def probabilities(self, *, quick: bool = False) -> Floats:
        """Return P(cell is wrong): rows x columns. Before both labels were seen it is the rules' composite.

        `quick` is content with the smaller model that `next` chooses by.
        """
        by_model = self._by_model(full=not quick)
        result = self._prior.copy() if by_model is None else by_model.mean(axis=1).reshape(self._shape)
        for row, wrong in self._labels.items():
            result[row] = [float(column in wrong) for column in range(self._shape[1])]
        return result

    def verdicts(self) -> NDArray[np.bool_]:
        """Return the cells to flag: rows x columns."""
        return self.probabilities() > _FLAG

    def record_probabilities(self) -> Floats:
        """Return P(record has a wrong cell) by row, cells taken as independent given their features."""
        return np.asarray(1.0 - np.prod(1.0 - self.probabilities(), axis=1))

    def _by_model(self, *, full: bool) -> Floats | None:
        if self._opinions is not None and self._opinions[1] >= full:
            return self._opinions[2]
        rows = np.array(sorted(self._labels), dtype=np.int64)
        wrong = np.array(
            [[column in self._labels[row] for column in range(self._shape[1])] for row in rows], dtype=bool
        )
        if not wrong.any() or wrong.all():
            return None
        known = (rows[:, None] * self._shape[1] + np.arange(self._shape[1])).ravel()
        cells = np.concatenate([self._still, self.statistics.chamber.matrix(self._labels)], axis=2)
        cells = cells.reshape(-1, cells.shape[2])
        opinions = learner.fit(cells[known], wrong.ravel(), cells, seed=self._seed, full=full)
        self._opinions = (len(rows), full, opinions.by_model)
        return opinions.by_model


def _disagreement(table: Table, paired: Paired) -> NDArray[np.float32]:
    """Return 1 where the partner has another value, and whether there is a partner: rows x columns x 2."""
    result = np.zeros((len(table.rows), len(table.columns), 2), dtype=np.float32)
    for row, (own, other) in enumerate(zip(table.rows, paired.rows, strict=True)):
        for column, (mine, theirs) in enumerate(zip(own, other, strict=True)):
            if theirs is not None:
                result[row, column] = (mine != theirs, 1.0)
    return result
