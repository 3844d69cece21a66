"""Which records to review next, while labels are few: those in doubt, and unlike those that are known already.

Uncertainty sampling repeats itself: the ten most doubtful records are often ten times the same doubt. So each choice is
made by uncertainty x novelty (Settles, "Active learning literature survey", 2009, section 5.1, information density).
What is picked this way is no sample: mark it `picked`, learn from it, and never estimate an error rate with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from qc_models.entry.scoring import Floats

_EDGE = 1e-6
_PLAIN = 0.05
"""Doubt that every cell has, so that two records without a doubt count as alike."""


class Looked(Protocol):
    """What a detector thought of a record."""

    @property
    def probability(self) -> float:
        """P(the record is wrong)."""
        ...

    @property
    def cells(self) -> Floats:
        """P(wrong) of each column, in the same order for all records."""
        ...


def pick(
    candidates: Sequence[Looked], count: int, *, known: Sequence[Looked] = (), threshold: float = 0.5
) -> list[int]:
    """Return the positions of the records to review next, most instructive first.

    Args:
        candidates: Records that nobody reviewed.
        count: How many to choose; fewer if there are fewer.
        known: Records that were reviewed already.
        threshold: Where the decision changes: a record at it is the most uncertain one.
    """
    if not candidates or count < 1:
        return []
    doubt = _uncertainty(np.array([one.probability for one in candidates]), threshold)
    shapes = np.stack([_shape(one) for one in candidates])
    novelty = np.ones(len(candidates))
    for one in known:
        novelty = np.minimum(novelty, _apart(shapes, _shape(one)))
    chosen: list[int] = []
    for _ in range(min(count, len(candidates))):
        worth = doubt * (_PLAIN + novelty)
        worth[chosen] = -1
        best = int(np.argmax(worth))
        chosen.append(best)
        novelty = np.minimum(novelty, _apart(shapes, shapes[best]))
    return chosen


def _uncertainty(probabilities: Floats, threshold: float) -> Floats:
    """Return the entropy of the decision in bits, with the threshold moved to where it is greatest."""
    clipped = np.clip(probabilities, _EDGE, 1 - _EDGE)
    at = np.log(clipped / (1 - clipped)) - np.log(np.clip(threshold, _EDGE, 1 - _EDGE) / (1 - threshold + _EDGE))
    chance = np.clip(1 / (1 + np.exp(-at)), _EDGE, 1 - _EDGE)
    entropy: Floats = -(chance * np.log2(chance) + (1 - chance) * np.log2(1 - chance))
    return entropy


def _shape(one: Looked) -> Floats:
    """Return which columns are in doubt, as a direction."""
    found = np.sqrt(np.clip(one.cells, 0, 1)) + _PLAIN
    direction: Floats = found / np.linalg.norm(found)
    return direction


def _apart(shapes: Floats, shape: Floats) -> Floats:
    apart: Floats = np.sqrt(np.clip(1 - (shapes @ shape) ** 2, 0, 1))
    return apart
