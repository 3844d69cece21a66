"""A table inspected: what is suspicious, why, and what it should probably say; all that is shown comes from here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qc_models.tables.columns import Floats
from qc_models.tables.corrections import Correction, Corrector
from qc_models.tables.detector import Detector
from qc_models.tables.pairing import Pairing
from qc_models.tables.reasons import Reason, Reasons
from qc_models.tables.table import Table

FLAG = 0.5
_TOLD = 0.9


@dataclass(frozen=True)
class Suspect:
    """A suspicious cell: where it stands (`line`: in the file), P(wrong), why, and what it should probably say."""

    row: int
    column: int
    line: int
    name: str
    value: str
    probability: float
    reasons: tuple[Reason, ...]
    correction: Correction | None
    labelled: bool


@dataclass(frozen=True)
class Inspection:
    """The outcome for one table: how many cells are flagged, in all and by column, and which columns of which rows.

    `suspects` holds the most probable of the flagged cells, as many as were asked for.
    """

    table: Table
    labelled: int
    total: int
    by_column: tuple[int, ...]
    suspects: tuple[Suspect, ...]
    marked: Mapping[int, frozenset[int]]
    pairing: Pairing | None = None

    @property
    def records(self) -> int:
        """Return how many records have a suspicious cell."""
        return len(self.marked)

    @property
    def clean(self) -> bool:
        """Say whether nothing is left for a person."""
        return not self.total and (self.pairing is None or self.pairing.complete)


class Inspector:
    """Inspects one table, with the labels it has so far; with a pairing, against its source."""

    def __init__(self, table: Table, *, seed: int = 0, pairing: Pairing | None = None) -> None:
        self.table = table
        self.pairing = pairing
        self.detector = Detector(table, seed=seed, paired=pairing.rows if pairing else None)
        self._told = pairing.told if pairing else {}
        self._right: dict[tuple[int, int], str] = {}

    def label(self, row: int, wrong: Mapping[int, str | None]) -> None:
        """Note what a person found in a row: its wrong columns, with the right values where they are known."""
        self.forget(row)
        self.detector.label(row, wrong.keys())
        self._right.update({(row, column): value for column, value in wrong.items() if value is not None})

    def forget(self, row: int) -> None:
        """Take the label of a row back."""
        self.detector.forget(row)
        self._right = {cell: value for cell, value in self._right.items() if cell[0] != row}

    def inspect(self, top: int) -> Inspection:
        """Return the outcome with the `top` most suspicious cells explained."""
        chances = self.probabilities()
        flags = chances > FLAG
        reasons, corrector, labelled = self._reasons(), self.corrector(chances), self.detector.labelled
        cells = [(int(row), int(column)) for row, column in np.argwhere(flags)]
        ranked = sorted(cells, key=lambda cell: (cell[0] in labelled, -chances[cell]))  # what a person knows comes last
        return Inspection(
            table=self.table,
            labelled=len(labelled),
            total=len(ranked),
            by_column=tuple(int(count) for count in flags.sum(axis=0)),
            marked={int(row): _columns(flags[row]) for row in np.flatnonzero(flags.any(axis=1))},
            pairing=self.pairing,
            suspects=tuple(
                Suspect(
                    row=row,
                    column=column,
                    line=self.table.line(row),
                    name=self.table.columns[column],
                    value=self.table.rows[row][column],
                    probability=float(chances[row, column]),
                    reasons=tuple(reasons.of(row, column)),
                    correction=corrector.suggest(row, column),
                    labelled=row in labelled,
                )
                for row, column in ranked[:top]
            ),
        )

    def doubts(self, row: int) -> tuple[frozenset[int], Reasons]:
        """Return the suspicious columns of a row without a label at a glance, and where to ask for their reasons."""
        marks = _columns(self.detector.glance(row) > FLAG)
        return marks | {column for place, column in self._told if place == row}, self._reasons()

    def probabilities(self) -> Floats:
        """Return P(cell is wrong): the detector's, but a disagreement with the source is always for a person.

        Unless, that is, a person has called one of that column right: then the detector has learned what it means.
        """
        chances = self.detector.probabilities()
        labelled = self.detector.labelled
        harmless = {column for row, column in self._told if row in labelled and column not in labelled[row]}
        for row, column in self._told:
            if row not in labelled and column not in harmless:
                chances[row, column] = max(chances[row, column], _TOLD)
        return chances

    def corrector(self, chances: Floats) -> Corrector:
        """Return what suggests corrections, given P(cell is wrong)."""
        labelled = self.detector.labelled
        return Corrector(self.detector.statistics, chances, told=self._told, right=self._right, labelled=labelled)

    def _reasons(self) -> Reasons:
        return Reasons(self.detector.statistics, told=self._told, agreed=self._agreed, labelled=self.detector.labelled)

    def _agreed(self, row: int, column: int) -> bool:
        paired = self.pairing.rows.rows[row][column] if self.pairing else None
        return paired is not None and (row, column) not in self._told


def _columns(flags: NDArray[np.bool_]) -> frozenset[int]:
    return frozenset(int(column) for column in np.flatnonzero(flags))
