"""The detector: a probability for every cell from the first look, better with every labelled record."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from qc_models.tables import learner, picker, rules
from qc_models.tables.evidence import Evidence
from qc_models.tables.features import matrix_of, statistics_of
from qc_models.tables.table import Paired, Table

Floats = NDArray[np.float64]
_FLAG = 0.5
_PAIRED_PRIOR = 0.9
_FOLDS = 5
_CANDIDATES = 1_000
_PRIOR_ROWS = 3
_MODEL_ROWS = 5
"""With fewer labelled rows the rules are the better judge: a model of one or two errors calls most cells wrong."""


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
        self.suspicions = rules.suspicions(matrix)
        self._prior = rules.composite(self.suspicions)
        parts = [matrix, self.suspicions]
        for related, suspicion in self.statistics.relations.opinions():
            parts += [related, suspicion[:, :, None]]
            self._prior = 1.0 - (1.0 - self._prior) * (1.0 - suspicion)
        if paired is not None:
            parts.append(_disagreement(table, paired))
            self._prior = np.maximum(self._prior, _PAIRED_PRIOR * (parts[-1][:, :, 0] > 0))
        self._still = np.concatenate(parts, axis=2)
        self._labels: dict[int, frozenset[int]] = {}
        self._latest: Floats | None = None

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
        done = {*self._labels, *without}
        free = np.array([row for row in range(self._shape[0]) if row not in done], dtype=np.int64)
        if not len(free):
            raise LookupError("every row is labelled or left out")
        rng = np.random.default_rng((self._seed, len(self._labels)))
        if len(free) > _CANDIDATES:
            free = np.sort(rng.choice(free, _CANDIDATES, replace=False))
        opinions = self._opinions_on(free, full=False) if len(self._labels) >= _PRIOR_ROWS else None
        prior = self._prior[free]
        doubts = (
            prior if opinions is None else picker.doubt(opinions) + self._trust() * abs(prior - opinions.mean(axis=2))
        )
        return int(free[picker.choose(doubts, rng, learnt=opinions is not None)])

    def label(self, row: int, wrong: Collection[int]) -> None:
        """Note which columns of a row are wrong; a second label of a row replaces the first.

        Raises:
            IndexError: there is no such row or column.
        """
        if not 0 <= row < self._shape[0] or not all(0 <= column < self._shape[1] for column in wrong):
            raise IndexError(f"no such cell: row {row}, columns {sorted(wrong)}")
        self._labels[row] = frozenset(wrong)
        self._latest = None

    def forget(self, row: int) -> None:
        """Take the label of a row back, if it has one."""
        self._labels.pop(row, None)
        self._latest = None

    def glance(self, row: int) -> Floats:
        """Return P(cell is wrong) of one row without a label, by the smaller model that `next` chooses by."""
        enough = len(self._labels) >= min(_MODEL_ROWS, self._shape[0])
        opinions = self._opinions_on(np.array([row], dtype=np.int64), full=False) if enough else None
        return self._prior[row].copy() if opinions is None else np.asarray(opinions.mean(axis=2)[0])

    def probabilities(self) -> Floats:
        """Return P(cell is wrong): rows x columns. Before both labels were seen it is the rules' composite."""
        if self._latest is None:
            enough = len(self._labels) >= min(_MODEL_ROWS, self._shape[0])
            opinions = self._opinions_on(np.arange(self._shape[0]), full=True) if enough else None
            self._latest = self._prior.copy() if opinions is None else opinions.mean(axis=2)
            for row, wrong in self._labels.items():
                self._latest[row] = [float(column in wrong) for column in range(self._shape[1])]
        return self._latest.copy()

    def verdicts(self) -> NDArray[np.bool_]:
        """Return the cells to flag: rows x columns."""
        return self.probabilities() > _FLAG

    def record_probabilities(self) -> Floats:
        """Return P(record has a wrong cell) by row, cells taken as independent given their features."""
        return np.asarray(1.0 - np.prod(1.0 - self.probabilities(), axis=1))

    def disputed(self) -> list[tuple[int, int]]:
        """Return the labelled cells (row, column) that deserve a second blind look, the most disputed first.

        A cell is disputed if models that were trained without its row hold the opposite of its label. Each fold leaves
        a fifth of the labelled rows out; with fewer than five rows nothing is disputed.
        """
        rows = np.array(sorted(self._labels), dtype=np.int64)
        if len(rows) < _FOLDS:
            return []
        found: list[tuple[float, int, int]] = []
        for fold in range(_FOLDS):
            held = rows[fold::_FOLDS]
            opinions = self._opinions_on(held, full=False, without=frozenset(held.tolist()))
            if opinions is not None:
                against = abs(opinions.mean(axis=2) - self._wrong(held.tolist()))
                found += [
                    (-against[at], int(held[at[0]]), int(at[1]))
                    for at in zip(*np.nonzero(against > _FLAG), strict=True)
                ]
        return [(row, column) for _, row, column in sorted(found)]

    def _trust(self) -> Floats:
        """Return by column how far the rules' suspicions were borne out by the labels; 1 where none was looked at."""
        rows = sorted(self._labels)
        suspected = self._prior[rows] > _FLAG
        return np.asarray((1.0 + (suspected & self._wrong(rows)).sum(axis=0)) / (1.0 + suspected.sum(axis=0)))

    def _wrong(self, rows: Sequence[int]) -> NDArray[np.bool_]:
        columns = range(self._shape[1])
        return np.array([[column in self._labels[row] for column in columns] for row in rows], dtype=bool)

    def _opinions_on(self, asked: NDArray[np.int64], *, full: bool, without: Collection[int] = ()) -> Floats | None:
        """Return what each model says of the cells of some rows: rows x columns x models; None without both labels."""
        labels = {row: wrong for row, wrong in self._labels.items() if row not in without}
        rows = sorted(labels)
        wrong = np.array(
            [[column in self._labels[row] for column in range(self._shape[1])] for row in rows], dtype=bool
        )
        if not wrong.any() or wrong.all():
            return None
        votes = self.statistics.chamber.matrix(labels)
        known, cells = (
            np.concatenate([self._still[which], votes[which]], axis=2).reshape(
                -1, self._still.shape[2] + votes.shape[2]
            )
            for which in (rows, asked)
        )
        by_model = learner.fit(known, wrong.ravel(), cells, seed=self._seed, full=full).by_model
        return by_model.reshape(len(asked), self._shape[1], -1)


def _disagreement(table: Table, paired: Paired) -> NDArray[np.float32]:
    """Return 1 where the partner has another value, and whether there is a partner: rows x columns x 2."""
    result = np.zeros((len(table.rows), len(table.columns), 2), dtype=np.float32)
    for row, (own, other) in enumerate(zip(table.rows, paired.rows, strict=True)):
        for column, (mine, theirs) in enumerate(zip(own, other, strict=True)):
            if theirs is not None:
                result[row, column] = (mine != theirs, 1.0)
    return result
