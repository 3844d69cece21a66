"""The opinion before the first label: a composite of rules that needs no training and holds for any column.

Each rule gives a suspicion of 0 to 1; the composite is their noisy-or. It ranks well and calibrates badly, which is all
that a cold start needs: the first labels come from its ranking.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qc_models.tables.columns import Floats
from qc_models.tables.features import NAMES, Matrix

RULES = (
    "dependency",
    "near_frequent",
    "misspelt_word",
    "strange_letters",
    "rare_pattern",
    "missing",
    "type",
    "outlier",
)
_AT = {name: place for place, name in enumerate(NAMES)}


def suspicions(matrix: Matrix) -> NDArray[np.float32]:
    """Return the suspicion of each of `RULES` for every cell: rows x columns x rules."""
    rules = [
        _dependency(matrix),
        _near(matrix),
        _word(matrix),
        _strange(matrix),
        _pattern(matrix),
        _missing(matrix),
        _type(matrix),
        _outlier(matrix),
    ]
    return np.stack(rules, axis=2).astype(np.float32)


def composite(rules: NDArray[np.float32]) -> Floats:
    """Return one probability a cell out of the suspicions: rows x columns."""
    return np.asarray(1.0 - np.prod(1.0 - np.clip(rules, 0.0, 0.99), axis=2, dtype=float))


def _of(matrix: Matrix, name: str) -> Floats:
    return matrix[:, :, _AT[name]].astype(float)


def _dependency(matrix: Matrix) -> Floats:
    return np.clip(_of(matrix, "violation") * 1.2, 0.0, 1.0)


def _near(matrix: Matrix) -> Floats:
    """Suspect a rare value with a frequent neighbour, less so in columns where most values have one."""
    there = _of(matrix, "neighbour")
    usual = there.mean(axis=0, keepdims=True) if len(there) else there
    ratio = 1.0 - np.exp(-_of(matrix, "neighbour_ratio") / 2.0)
    damped = (1.0 - usual) ** 4 * np.where(_of(matrix, "number_column") > 0, 0.3, 1.0)
    return np.asarray(there * ratio * damped)


def _word(matrix: Matrix) -> Floats:
    """Suspect a rare word with a frequent neighbour, in columns where few rows have one."""
    return _unusual(matrix, 1.0 - np.exp(-_of(matrix, "word_neighbour") / 2.0))


def _strange(matrix: Matrix) -> Floats:
    """Suspect letters that follow each other nowhere else in the column, in columns where few rows have such."""
    return _unusual(matrix, 1.0 - np.exp(-_of(matrix, "trigram_new")))


def _unusual(matrix: Matrix, suspicion: Floats) -> Floats:
    usual = (suspicion > 0).mean(axis=0, keepdims=True) if len(matrix) else suspicion
    return np.asarray(suspicion * (1.0 - usual) ** 4)


def _pattern(matrix: Matrix) -> Floats:
    """Suspect a pattern that hardly another row has, in columns where few rows have such."""
    often, never = np.log(0.05), np.log(0.002)
    return _unusual(matrix, np.clip((often - _of(matrix, "runs_others")) / (often - never), 0.0, 0.95))


def _missing(matrix: Matrix) -> Floats:
    return _of(matrix, "missing") * (1.0 - _of(matrix, "missing_share")) ** 4


def _type(matrix: Matrix) -> Floats:
    return np.clip(_of(matrix, "type_mismatch"), 0.0, 1.0) ** 4


def _outlier(matrix: Matrix) -> Floats:
    return _of(matrix, "outside_fences") * 0.6
