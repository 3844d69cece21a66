"""The learner of few labels: a blend of boosting, logistic regression and randomised trees over all cells at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from qc_models.tables.features import Matrix

Floats = NDArray[np.float64]
_TREES = 300
_CHUNK = 100_000


@dataclass(frozen=True)
class Opinions:
    """What each model says of every cell, one column a model."""

    by_model: Floats

    @property
    def mean(self) -> Floats:
        """Return the blend."""
        return np.asarray(self.by_model.mean(axis=1))


def fit(known: Matrix, wrong: NDArray[np.bool_], cells: Matrix, *, seed: int, full: bool) -> Opinions:
    """Train on the labelled cells and return the opinions on `cells`; `full` adds models.

    Both labels must occur in `wrong`.
    """
    with threadpool_limits(limits=1):  # on few cells a second thread only waits for the first
        return _fit(known, wrong, cells, seed=seed, full=full)


def _fit(known: Matrix, wrong: NDArray[np.bool_], cells: Matrix, *, seed: int, full: bool) -> Opinions:
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=300))
    trees = ExtraTreesClassifier(_TREES if full else _TREES // 5, random_state=seed)
    models = [linear, trees]
    if full:
        models.append(
            HistGradientBoostingClassifier(
                max_iter=150, max_leaf_nodes=15, min_samples_leaf=5, learning_rate=0.1, random_state=seed
            )
        )
    return Opinions(np.column_stack([_asked(model.fit(known, wrong), cells) for model in models]))


def _asked(model: Any, cells: Matrix) -> Floats:
    """Return a fitted model's probabilities, some cells at a time so that scaling copies little."""
    parts = [model.predict_proba(cells[at : at + _CHUNK])[:, 1] for at in range(0, len(cells), _CHUNK)]
    return np.concatenate(parts) if parts else np.zeros(0)
