"""From cells to the record: a small logistic regression over the cells' probabilities, outside the graph.

Its intercept is moved to the share of wrong records that is expected in service (training plants far more mistakes than
people make), so that the number means what it says. What reviewers said later moves it once more (`Adjustment`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qc_models.entry.schema import AT, PROCESS

Floats = NDArray[np.float64]
FEATURES = ("top_1", "top_2", "top_3", "any", "laws_broken", "told_against")
_EDGE = 1e-6
_PROCESS = [AT[name] for name in PROCESS]


@dataclass(frozen=True)
class Adjustment:
    """What reviews taught: Platt's straight line over the logit, and the weight of each process signal.

    J. Platt, "Probabilistic outputs for support vector machines", 1999. A signal counts in units of its spread around
    its center among reviewed records; an unknown one counts as usual.
    """

    intercept: float = 0.0
    slope: float = 1.0
    process: tuple[float, ...] = (0.0,) * len(PROCESS)
    center: tuple[float, ...] = (0.0,) * len(PROCESS)
    spread: tuple[float, ...] = (1.0,) * len(PROCESS)

    def logits(self, logits: Floats, matrices: NDArray[np.float32]) -> Floats:
        """Return the adjusted logits of records (n,) with feature matrices (n, columns, features)."""
        moved: Floats = self.intercept + self.slope * logits + self.signals(matrices) @ np.array(self.process)
        return moved

    def signals(self, matrices: NDArray[np.float32]) -> Floats:
        """Return the process signals of records, in units of their spread, 0 where unknown."""
        raw = matrices[:, 0, _PROCESS].astype(np.float64)
        units: Floats = np.nan_to_num((raw - np.array(self.center)) / np.array(self.spread), nan=0.0)
        return np.clip(units, -5, 5)


@dataclass(frozen=True)
class RecordScore:
    """Weights of the record's logistic regression, in the order of FEATURES, its intercept, and what reviews taught."""

    weights: tuple[float, ...]
    intercept: float
    adjustment: Adjustment = Adjustment()

    def probabilities(self, cells: Floats, matrices: NDArray[np.float32]) -> Floats:
        """Return P(the record is wrong) of each record from its cells' probabilities and feature matrices."""
        return squeeze(self.adjustment.logits(self.logits(cells, matrices), matrices))

    def logits(self, cells: Floats, matrices: NDArray[np.float32]) -> Floats:
        """Return what the logistic regression alone says, before reviews."""
        found: Floats = features(cells, matrices) @ np.array(self.weights) + self.intercept
        return found


def squeeze(logits: Floats) -> Floats:
    """Return the probabilities of logits."""
    squeezed: Floats = 1.0 / (1.0 + np.exp(-np.clip(logits, -40, 40)))
    return squeezed


def features(cells: Floats, matrices: NDArray[np.float32]) -> Floats:
    """Return the records' features.

    They are the logits of the three most suspicious cells and of the chance that any cell is wrong, and whether a law
    of arithmetic or a dependency is broken at all (either may leave several cells to choose from, none likely alone).
    """
    clipped = np.clip(cells, _EDGE, 1 - _EDGE)
    top = -np.sort(-clipped, axis=1)[:, :3]
    if top.shape[1] < 3:  # noqa: PLR2004 - a contract of one or two fields
        top = np.pad(top, ((0, 0), (0, 3 - top.shape[1])), constant_values=_EDGE)
    right = np.log1p(-clipped).sum(axis=1)
    any_wrong = np.log(-np.expm1(right)) - right
    laws = np.minimum(matrices[:, 0, AT["record_laws_broken"]], 2)
    told = np.minimum(matrices[:, 0, AT["record_told_against"]], 2)
    joined: Floats = np.column_stack([np.log(top / (1 - top)), any_wrong, laws, told]).astype(np.float64)
    return joined
