"""Where a value stands among the numbers of its column."""

from __future__ import annotations

import numpy as np

from qc_models.tables.columns import Column, Floats

NAMES = ("is_number", "type_mismatch", "number_z", "number_robust_z", "outside_fences", "tail_share")
_FENCE = 3.0
_SCALE = 1.4826
_MOST = 20.0


def number_features(column: Column) -> Floats:
    """Return one row of `NAMES` for each distinct value; zeros where the column does not hold numbers."""
    features = np.zeros((len(column.distinct), len(NAMES)))
    known = np.isfinite(column.numbers)
    present = ~column.missing
    features[:, 0] = known
    share = (column.counts * known).sum() / max((column.counts * present).sum(), 1)
    features[:, 1] = np.where(present, np.where(known, 1.0 - share, share), 0.0)
    if not column.is_number or not known.any():
        return features
    numbers, weights = column.numbers[known], column.counts[known].astype(float)
    features[known, 2] = _clip((numbers - np.average(numbers, weights=weights)) / _deviation(numbers, weights))
    features[:, 3] = _clip(robust_z(column))
    low, high = (weighted_quantile(numbers, weights, share) for share in (0.25, 0.75))
    reach = _FENCE * (high - low)
    features[known, 4] = (numbers < low - reach) | (numbers > high + reach)
    order = np.argsort(numbers, kind="stable")
    below = np.empty(len(numbers))
    below[order] = np.cumsum(weights[order]) - weights[order] / 2
    features[known, 5] = np.log(np.minimum(below, weights.sum() - below) / weights.sum() + 1e-6)
    return features


def robust_z(column: Column) -> Floats:
    """Return for each distinct value its distance from the median in units of the scaled MAD; 0 if it is no number.

    Source: Iglewicz and Hoaglin, How to Detect and Handle Outliers (1993); the mean absolute deviation steps in where
    more than half of the cells are equal.
    """
    result = np.zeros(len(column.distinct))
    known = np.isfinite(column.numbers)
    if not column.is_number or not known.any():
        return result
    numbers, weights = column.numbers[known], column.counts[known].astype(float)
    middle = weighted_quantile(numbers, weights, 0.5)
    distance = np.abs(numbers - middle)
    scale = _SCALE * weighted_quantile(distance, weights, 0.5) or 1.2533 * float(np.average(distance, weights=weights))
    result[known] = (numbers - middle) / scale if scale > 0 else 0.0
    return result


def weighted_quantile(numbers: Floats, weights: Floats, share: float) -> float:
    """Return the smallest number that at least `share` of the weight does not exceed."""
    order = np.argsort(numbers, kind="stable")
    reached = np.cumsum(weights[order])
    return float(numbers[order][np.searchsorted(reached, share * reached[-1])])


def _deviation(numbers: Floats, weights: Floats) -> float:
    mean = np.average(numbers, weights=weights)
    return float(np.sqrt(np.average((numbers - mean) ** 2, weights=weights))) or 1.0


def _clip(values: Floats) -> Floats:
    return np.sign(values) * np.log1p(np.minimum(np.abs(values), np.exp(_MOST)))
