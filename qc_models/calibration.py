"""Platt's calibration, outside the graph: converters get calibrated pipelines silently wrong.

J. Platt, "Probabilistic outputs for support vector machines and comparisons to regularized likelihood methods",
Advances in Large Margin Classifiers (1999): a logistic regression over the classifier's own log-odds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_EDGE = 1e-7


@dataclass(frozen=True)
class Platt:
    """P = 1 / (1 + exp(-(slope * log-odds + intercept))); slope 1 and intercept 0 change nothing."""

    slope: float = 1.0
    intercept: float = 0.0

    def probabilities(self, raw: Floats) -> Floats:
        """Return calibrated probabilities of raw ones, any shape."""
        squeezed: Floats = 1.0 / (1.0 + np.exp(-(self.slope * log_odds(raw) + self.intercept)))
        return squeezed

    def moved(self, share: float, expected: float) -> Platt:
        """Return the calibration for another share of the second class than that of the data it was fitted on."""
        shift = float(log_odds(np.array([expected]))[0] - log_odds(np.array([share]))[0])
        return Platt(self.slope, self.intercept + shift)

    def as_text(self) -> str:
        """Return it as the metadata carries it."""
        return json.dumps({"slope": self.slope, "intercept": self.intercept})

    @classmethod
    def from_text(cls, text: str) -> Platt:
        """Read it back. Raises KeyError or ValueError."""
        found = json.loads(text)
        return cls(float(found["slope"]), float(found["intercept"]))


def log_odds(raw: Floats) -> Floats:
    """Return the log-odds of probabilities, bounded at 1e-7 from either end."""
    clipped = np.clip(raw, _EDGE, 1 - _EDGE)
    odds: Floats = np.log(clipped) - np.log1p(-clipped)
    return odds


def brier(probabilities: Floats, wrong: NDArray[np.bool_]) -> float:
    """Return the mean squared error of probabilities (G. W. Brier, Monthly Weather Review 78, 1950); 0 is best."""
    return float(np.mean((probabilities - wrong) ** 2))


def calibration_error(probabilities: Floats, wrong: NDArray[np.bool_], bins: int = 15) -> float:
    """Return the expected calibration error over equal-width bins (Naeini and others, AAAI 2015); 0 is best."""
    places = np.minimum((probabilities * bins).astype(int), bins - 1)
    apart = 0.0
    for place in np.unique(places):
        inside = places == place
        apart += abs(float(probabilities[inside].mean()) - float(wrong[inside].mean())) * float(inside.mean())
    return apart


def best_threshold(
    probabilities: Floats,
    wrong: NDArray[np.bool_],
    expected_share: float,
    *,
    beta: float = 1.0,
) -> float:
    """Return the threshold of the best F-beta at the expected share of wrong ones."""
    order = np.argsort(-probabilities)
    ranked, falling = wrong[order], probabilities[order]
    weight = expected_share * (~wrong).sum() / max(1.0, (1 - expected_share) * wrong.sum())
    caught, alarms, total = np.cumsum(ranked) * weight, np.cumsum(~ranked), wrong.sum() * weight
    last = np.append(np.diff(falling) < 0, True)  # ties stay on one side
    quality = (1 + beta**2) * caught / (caught + alarms + beta**2 * total)
    best = int(np.argmax(np.where(last, quality, -1)))
    below = falling[best + 1] if best + 1 < len(falling) else 0.0
    return float((falling[best] + below) / 2)
