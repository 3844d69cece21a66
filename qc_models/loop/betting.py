"""Confidence sequences for means and ratios of bounded values, by betting.

Against "the mean is at most m" a fraction f of the wealth is staked on values over m: x in [low, high] multiplies it by
1 - f + f (x - low) / (m - low), which is never negative and at most 1 on average if the claim is true. Wealth over
1 / delta therefore refutes the claim, at whatever time one looks (J. Ville, 1939). The wealth is a mixture over fixed
fractions, so it does not depend on the order of the values and also bounds the average of means that drift (arithmetic
and geometric mean). I. Waudby-Smith and A. Ramdas, "Estimating means of bounded random variables by betting", JRSS B 86
(2024), 1-27; F. Orabona and K.-S. Jun, "Tight concentrations and confidence sequences from the regret of universal
portfolio", IEEE Trans. Inf. Theory 70 (2024), 436-455, for mixtures over fractions.

Values are mostly 0 with rare ones of 1 / pi. There to stake everything is the best bet, where predictable plug-in bets
(the same paper) say next to nothing; and the wealth depends on counts alone: milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FRACTIONS = 2.0 ** -np.arange(16)
WEIGHTS = np.array([0.3, *[0.7 / 15] * 15])
"""Much of the wealth stakes everything: the best bet while nothing speaks against the claim that is being proven."""
_STEPS = 40


@dataclass(frozen=True)
class Interval:
    """An estimate between bounds that hold at all times together; NaN bounds mean that nothing can be said."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float | None]:
        """Return it for JSON; what is not known is null."""
        return {name: number if math.isfinite(number) else None for name, number in vars(self).items()}


def log_wealth(values: Floats, counts: Floats, mean: float, low: float) -> float:
    """Return ln of the wealth of betting on values over `mean`.

    Args:
        values: distinct values, all >= low, shape (u,).
        counts: how often each came, shape (u,).
        mean: the claim: the mean is at most this; over low.
        low: least value that could have come, known beforehand.
    """
    returns = np.maximum(values - low, 0.0) / (mean - low)
    with np.errstate(divide="ignore"):
        factors = np.log(1 - FRACTIONS[:, None] + FRACTIONS[:, None] * returns[None, :])
    wealth = np.where(counts > 0, factors * counts, 0.0).sum(axis=1)
    return float(np.logaddexp.reduce(wealth + np.log(WEIGHTS)))


def mean_interval(values: Floats, low: float, high: float, delta: float) -> Interval:
    """Return the mean of bounded values between its bounds at confidence 1 - delta, half of it spent on each side.

    Args:
        values: shape (n,), in the order they came or any other.
        low: least value that could have come, known beforehand.
        high: largest value that could have come.
        delta: chance of being wrong, in (0, 1).
    """
    if not len(values):
        return Interval(math.nan, low, high)
    distinct, counts = np.unique(values, return_counts=True)
    weights, mean = counts.astype(np.float64), float(values.mean())
    under = _lower(distinct, weights, mean, low, delta / 2)
    over = -_lower(-distinct, weights, -mean, -high, delta / 2)
    return Interval(mean, under, over)


def _lower(values: Floats, counts: Floats, mean: float, low: float, delta: float) -> float:
    limit = math.log(1 / delta)
    refuted, open_ = low, mean
    for _ in range(_STEPS):
        middle = (refuted + open_) / 2
        if middle in (refuted, open_):
            break
        if log_wealth(values, counts, middle, low) >= limit:
            refuted = middle
        else:
            open_ = middle
    return refuted


def ratio_interval(
    over: Floats, under: Floats, bounds: Callable[[float], tuple[float, float]], most: float, delta: float
) -> Interval:
    """Return sum(over) / sum(under) between the ratios r for which "the mean of over - r under is 0" is not refuted.

    Args:
        over: shape (n,), never negative.
        under: shape (n,), never negative.
        bounds: least and largest value of over - r under that could have come, by r.
        most: largest ratio that is possible.
        delta: chance of being wrong, in (0, 1), half of it for each side.
    """
    total = float(under.sum())
    if total <= 0:
        return Interval(math.nan, 0.0, most)
    value = min(most, float(over.sum()) / total)
    pairs, counts = np.unique(np.column_stack([over, under]), axis=0, return_counts=True)
    weights, limit = counts.astype(np.float64), math.log(2 / delta)

    def refuted(ratio: float, sign: int) -> bool:
        lowest, highest = bounds(ratio)
        values = sign * (pairs[:, 0] - ratio * pairs[:, 1])
        least = lowest if sign > 0 else -highest
        if least >= 0:  # nothing speaks for the claim but zeros alone
            return bool((values > 0).any())
        return log_wealth(values, weights, 0.0, least) >= limit

    return Interval(value, _edge(refuted, value, 0.0, 1), _edge(refuted, value, most, -1))


def _edge(refuted: Callable[[float, int], bool], inside: float, outside: float, sign: int) -> float:
    """Return the last ratio from inside towards outside that is not refuted, on the outer side of it."""
    if not refuted(outside, sign):
        return outside
    for _ in range(_STEPS):
        middle = (inside + outside) / 2
        if refuted(middle, sign):
            outside = middle
        else:
            inside = middle
    return outside
