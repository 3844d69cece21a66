"""How good an inspection is where the truth is known: the clean table answers for the person and judges."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import UserError
from qc_models.tables.inspection import FLAG, Inspector
from qc_models.tables.table import Table


@dataclass(frozen=True)
class Figures:
    """Figures over the rows without a label; None where nothing was there to divide by.

    `precision`, `recall`, `f1` are of wrong cells. Of the flagged cells that are wrong, `correction_coverage` have a
    suggestion, and `correction_precision` of these suggestions are the clean value.
    `corrected` is the share of all wrong cells whose suggestion is the clean value, `correction_false` how many cells
    that are right were given another value.
    """

    labelled: int
    wrong: int
    precision: float | None
    recall: float | None
    f1: float | None
    correction_precision: float | None
    correction_coverage: float | None
    corrected: float | None
    correction_false: int

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able data."""
        return asdict(self)


class Trial:
    """An inspection whose labels come from the clean table, row by row and column by column the same."""

    def __init__(self, inspector: Inspector, clean: Table, path: Path) -> None:
        """Compare the tables.

        Raises:
            UserError: the clean table has other dimensions.
        """
        table = inspector.table
        mine, theirs = (len(table.rows), len(table.columns)), (len(clean.rows), len(clean.columns))
        if mine != theirs:
            raise UserError(
                f"{path}: {theirs[0]:,} rows of {theirs[1]} columns where the table has {mine[0]:,} of {mine[1]}; "
                "it must be the same table, row by row"
            )
        self._inspector = inspector
        self._clean = clean
        self._wrong = np.array(table.rows, dtype=object) != np.array(clean.rows, dtype=object)

    def label(self, count: int) -> None:
        """Label so many rows of the detector's choice, with the right values."""
        for _ in range(count):
            row = self._inspector.detector.next()
            columns = np.flatnonzero(self._wrong[row])
            self._inspector.label(row, {int(column): self._clean.rows[row][column] for column in columns})

    def figures(self) -> Figures:
        """Judge the inspection as it is."""
        chances = self._inspector.probabilities()
        flags, wrong = chances > FLAG, self._wrong.copy()
        labelled = list(self._inspector.detector.labelled)
        flags[labelled] = wrong[labelled] = False
        hits = int((flags & wrong).sum())
        precision, recall = _share(hits, int(flags.sum())), _share(hits, int(wrong.sum()))
        given, right, false = self._corrections(chances, flags)
        return Figures(
            labelled=len(labelled),
            wrong=int(wrong.sum()),
            precision=precision,
            recall=recall,
            f1=_share(2 * hits, int(flags.sum() + wrong.sum())),
            correction_precision=_share(right, given),
            correction_coverage=_share(given, hits),
            corrected=_share(right, int(wrong.sum())),
            correction_false=false,
        )

    def _corrections(self, chances: np.ndarray, flags: np.ndarray) -> tuple[int, int, int]:
        corrector = self._inspector.corrector(chances)
        given = right = false = 0
        for row, column in np.argwhere(flags):
            found = corrector.suggest(int(row), int(column))
            if found is not None and self._wrong[row, column]:
                given += 1
                right += found.value == self._clean.rows[row][column]
            elif found is not None:
                false += 1
        return given, right, false


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
