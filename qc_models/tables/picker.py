"""Which record to label next: the one whose cells the models doubt most, with some chance so that rounds differ."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_CELLS = 4
_JITTER = 0.3


def doubt(by_model: Floats) -> Floats:
    """Return the doubt about each cell: the blend's entropy and how far its models disagree; cells x models given."""
    mean = np.clip(by_model.mean(axis=-1), 1e-9, 1 - 1e-9)
    entropy = -(mean * np.log2(mean) + (1 - mean) * np.log2(1 - mean))
    spread = by_model.max(axis=-1) - by_model.min(axis=-1)
    return np.asarray(entropy + spread)


def choose(doubts: Floats, rng: np.random.Generator) -> int:
    """Return the row whose four most doubtful cells weigh most, after a log-normal jitter of the sums."""
    most = np.sort(doubts, axis=1)[:, -_CELLS:].sum(axis=1)
    return int(np.argmax((most + 1e-6) * rng.lognormal(0.0, _JITTER, len(most))))
