"""Which record to label next: the one whose cells the models doubt most, with some chance so that rounds differ."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_CELLS = 4
_JITTER = 0.1
_BLIND_JITTER = 0.3
"""While nothing was learnt, the most suspicious records are of one kind: more chance makes the first ones differ."""


def doubt(by_model: Floats) -> Floats:
    """Return the doubt about each cell: the blend's entropy and how far its models disagree; cells x models given."""
    mean = np.clip(by_model.mean(axis=-1), 1e-9, 1 - 1e-9)
    entropy = -(mean * np.log2(mean) + (1 - mean) * np.log2(1 - mean))
    spread = by_model.max(axis=-1) - by_model.min(axis=-1)
    return np.asarray(entropy + spread)


def choose(doubts: Floats, rng: np.random.Generator, *, learnt: bool) -> int:
    """Return the row whose four most doubtful cells weigh most, after a log-normal jitter of the sums.

    If the doubts were `learnt` from labels, one that many cells of a column share weighs more, by the root of the
    column's norm: one answer settles them all, and without it a column of which no error was seen yet can stay unasked.
    After Settles and Craven, An analysis of active learning strategies for sequence labeling tasks, 2008 (information
    density), with columns for likeness.
    """
    weighed = doubts * np.sqrt(np.linalg.norm(doubts, axis=0)) if learnt else doubts
    most = np.sort(weighed, axis=1)[:, -_CELLS:].sum(axis=1)
    return int(np.argmax((most + 1e-6) * rng.lognormal(0.0, _JITTER if learnt else _BLIND_JITTER, len(most))))
