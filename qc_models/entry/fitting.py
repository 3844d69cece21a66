"""Fits the record's logistic regression; apart from `scoring`, so that serving never loads scikit-learn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from qc_models.entry.scoring import Floats, RecordScore, features


def fit(cells: Floats, matrices: NDArray[np.float32], wrong: NDArray[np.bool_], expected_share: float) -> RecordScore:
    """Fit on records whose cells were scored by a model that has not seen them."""
    found = LogisticRegression(C=100.0, max_iter=2000).fit(features(cells, matrices), wrong)
    share = float(np.clip(wrong.mean(), 0.001, 0.999))
    moved = float(np.log(expected_share / (1 - expected_share)) - np.log(share / (1 - share)))
    return RecordScore(tuple(float(weight) for weight in found.coef_[0]), float(found.intercept_[0]) + moved)


def best_threshold(
    probabilities: Floats,
    wrong: NDArray[np.bool_],
    expected_share: float,
    *,
    beta: float = 1.0,
    recall: float | None = None,
) -> float:
    """Return the threshold of the best F-beta at the expected share of wrong records, or of a stated recall."""
    order = np.argsort(-probabilities)
    ranked, falling = wrong[order], probabilities[order]
    weight = expected_share * (~wrong).sum() / max(1.0, (1 - expected_share) * wrong.sum())
    caught, alarms, total = np.cumsum(ranked) * weight, np.cumsum(~ranked), wrong.sum() * weight
    last = np.append(np.diff(falling) < 0, True)  # ties stay on one side
    if recall is not None:
        best = int(np.argmax(last & (caught >= recall * total)))
    else:
        quality = (1 + beta**2) * caught / (caught + alarms + beta**2 * total)
        best = int(np.argmax(np.where(last, quality, -1)))
    below = falling[best + 1] if best + 1 < len(falling) else 0.0
    return float((falling[best] + below) / 2)
