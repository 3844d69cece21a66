"""Which features a model leans on: how much worse it gets when one is shuffled (Breiman, "Random Forests", 2001).

Measured on rows that the model has not seen. Features that say the same as another one come out too small: shuffling
one leaves the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.inspection import permutation_importance

_MOST_ROWS = 1_500
_REPEATS = 2


def importance(
    model: Any, rows: NDArray[np.float32], wrong: NDArray[np.bool_], names: Sequence[str], seed: int
) -> list[dict[str, Any]]:
    """Return the features by importance, largest first; those without any are left out.

    Args:
        model: a scikit-learn classifier.
        rows: (n, features), not seen in training; at most 1,500 are used, wrong ones first.
        wrong: (n,), the truth.
        names: the features.
        seed: decides which rows, and the shuffling.

    Returns:
        `feature`, `drop` (mean loss of average precision when it is shuffled) and `sd` over the shuffles.
    """
    if not wrong.any() or wrong.all():
        return []
    rng = np.random.default_rng(seed)
    bad = rng.permutation(np.flatnonzero(wrong))[: _MOST_ROWS // 2]
    good = rng.permutation(np.flatnonzero(~wrong))[: _MOST_ROWS - len(bad)]
    chosen = np.concatenate([bad, good])
    found = permutation_importance(
        model, rows[chosen], wrong[chosen], scoring="average_precision", n_repeats=_REPEATS, random_state=seed
    )
    order = np.argsort(-found.importances_mean, kind="stable")
    return [
        {"feature": names[at], "drop": float(found.importances_mean[at]), "sd": float(found.importances_std[at])}
        for at in order
        if found.importances_mean[at] > 0
    ]
