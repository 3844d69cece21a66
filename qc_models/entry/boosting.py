"""The boosting over cells: gradient-boosted trees, monotone where more evidence can only mean more suspicion."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from qc_models.entry.schema import MONOTONE

TREES = 150
Cells = NDArray[np.float32]
Floats = NDArray[np.float64]


def boost(
    cells: Cells, wrong: NDArray[np.bool_], seed: int, trees: int = TREES, weights: Floats | None = None
) -> HistGradientBoostingClassifier:
    """Fit on one row a cell (n, features), float32: small enough to be read by ONNX at once, deterministic by seed.

    The monotone constraints (Potharst and Feelders, "Classification trees for problems with monotonicity constraints",
    2002) keep a few odd examples from making strong evidence look harmless.
    """
    rows, weight = fold(cells, wrong, weights)
    cells, wrong = cells[rows], wrong[rows]
    unknown = np.isnan(cells).all(axis=0)
    if unknown.any():  # scikit-learn cannot bin a feature that no cell of this workflow has
        cells = cells.copy()
        cells[:, unknown] = 0
    return HistGradientBoostingClassifier(
        max_iter=trees,
        max_leaf_nodes=24,
        learning_rate=0.1,
        min_samples_leaf=10,
        l2_regularization=1.0,
        early_stopping=False,
        monotonic_cst=MONOTONE,
        random_state=seed,
    ).fit(cells, wrong, weight)


def probabilities(model: HistGradientBoostingClassifier, cells: Cells) -> Floats:
    """Return P(wrong) of each cell of records (records, columns, features)."""
    found = model.predict_proba(cells.reshape(-1, cells.shape[2]))[:, 1]
    return np.asarray(found, dtype=np.float64).reshape(cells.shape[:2])


def fold(
    cells: Cells, wrong: NDArray[np.bool_], weights: Floats | None = None
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the first of all rows that are alike, and their weight together: the same fit in less time."""
    together = np.ascontiguousarray(np.column_stack([cells, wrong.astype(np.float32)]))
    raw = together.view(np.dtype((np.void, together.strides[0]))).ravel()
    _, rows, group = np.unique(raw, return_index=True, return_inverse=True)
    summed = np.bincount(group.ravel(), weights)
    order = np.argsort(rows)
    return rows[order], summed[order].astype(np.float64)
