"""Confidence sequences for the mean of bounded losses, by betting.

I. Waudby-Smith and A. Ramdas, "Estimating means of bounded random variables by betting", JRSS B 86 (2024), hedged
capital with predictable plug-in bets. The interval holds at all times together if every loss has the same mean given
the past (records in exchangeable order); where the rate drifts, `estimate` and `evidence` hold and this does not. It
is for losses that are more than right or wrong: the share of wrong fields of a record, weighted losses, differences
of two models, and losses corrected by predictions (A. N. Angelopoulos et al., "Prediction-powered inference", Science
382, 2023).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_POINTS = 100
_TRUNCATE = 0.5
_CHUNK = 2_000


def mean_interval(
    losses: NDArray[np.float64], delta: float, *, least: float = 0.0, most: float = 1.0
) -> tuple[float, float]:
    """Return lower and upper bound of the mean after the last loss; the same call on more losses stays valid.

    Args:
        losses: In the order of entry, shape (n,), each between `least` and `most`.
        delta: The chance of being wrong at any time.
        least: The smallest possible loss.
        most: The largest possible loss, such as 1 / (lowest audit rate) for weighted ones.

    Raises:
        ValueError: a loss is out of range.
    """
    scaled = (np.asarray(losses, dtype=np.float64) - least) / (most - least)
    if len(scaled) and not np.allclose(scaled, np.clip(scaled, 0, 1), rtol=0, atol=1e-12):
        raise ValueError(f"losses must be between {least} and {most}")
    low, high, ends = 0.0, 1.0, np.geomspace(1e-8, 0.1, _POINTS)
    grid = np.unique(np.concatenate([ends, np.linspace(0.1, 0.9, 2 * _POINTS), 1 - ends]))
    for _ in range(2):  # a coarse look, then a close one at both ends
        held = np.flatnonzero(_alive(np.clip(scaled, 0, 1), grid, delta))
        if not len(held):
            return least, most  # the losses contradict a constant mean: nothing can be said
        first, last = int(held[0]), int(held[-1])
        low = float(grid[first - 1]) if first else low
        high = float(grid[last + 1]) if last + 1 < len(grid) else high
        close = [np.linspace(low, grid[first], _POINTS), np.linspace(grid[last], high, _POINTS)]
        grid = np.unique(np.clip(np.concatenate(close), 1e-12, 1 - 1e-12))
    return least + low * (most - least), least + high * (most - least)


def _alive(x: NDArray[np.float64], grid: NDArray[np.float64], delta: float) -> NDArray[np.bool_]:
    """Return which means were never refuted, shape (grid points,)."""
    bets = _bets(x, delta)
    up, down = np.zeros(len(grid)), np.zeros(len(grid))
    alive = np.ones(len(grid), dtype=bool)
    limit = np.log(2 / delta)
    for start in range(0, len(x), _CHUNK):
        part, bet = x[start : start + _CHUNK, None], bets[start : start + _CHUNK, None]
        gap = part - grid[None, :]
        ups = up + np.cumsum(np.log1p(np.minimum(bet, _TRUNCATE / grid) * gap), axis=0)
        downs = down + np.cumsum(np.log1p(-np.minimum(bet, _TRUNCATE / (1 - grid)) * gap), axis=0)
        alive &= (np.maximum(ups, downs) < limit).all(axis=0)
        up, down = ups[-1], downs[-1]
    return alive


def _bets(x: NDArray[np.float64], delta: float) -> NDArray[np.float64]:
    """Return the predictable plug-in bets: sqrt(2 ln(2 / delta) / (variance so far * t * ln(t + 1)))."""
    t = np.arange(1, len(x) + 1)
    means = (0.5 + np.cumsum(x)) / (t + 1)
    variances = (0.25 + np.cumsum((x - means) ** 2)) / (t + 1)
    before = np.concatenate([[0.25], variances[:-1]])
    return np.asarray(np.sqrt(2 * np.log(2 / delta) / (before * t * np.log(t + 1))))


def weighted(
    wrong: NDArray[np.float64], looked: NDArray[np.bool_], probability: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return Horvitz-Thompson losses, shape (records,), between 0 and 1 / lowest probability."""
    return np.where(looked, np.where(looked, wrong, 0.0) / probability, 0.0)


def prediction_powered(
    wrong: NDArray[np.float64],
    looked: NDArray[np.bool_],
    probability: NDArray[np.float64],
    predicted: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return losses with the model's P(wrong) as control variate, of the same mean and less variance if it predicts.

    They lie between 1 - 1 / lowest probability and 1 / lowest probability. `predicted` is in [0, 1] and fixed before
    the outcome. Shapes are (records,).
    """
    return predicted + np.where(looked, (np.where(looked, wrong, 0.0) - predicted) / probability, 0.0)
