"""Where a day stands among the days of its column, and among those of the rows around it."""

from __future__ import annotations

import numpy as np

from qc_models.tables.columns import Floats

_LEAST = 20
_LONELY = 0.1
_IN_TIME = 0.05


def lonely(days: Floats) -> Floats:
    """Return by row how few other days stand within a fiftieth of the column's reach: 0 (no fewer than usual) to 1.

    NaN is no day; fewer than 20 days say nothing.
    """
    result, known = np.zeros(len(days)), np.isfinite(days)
    if known.sum() < _LEAST:
        return result
    values = np.sort(days[known])
    low, high = np.quantile(values, (0.05, 0.95))
    reach = max((high - low) / 50, 1.0)
    near = np.searchsorted(values, days[known] + reach, "right") - np.searchsorted(values, days[known] - reach) - 1
    result[known] = 1.0 - np.minimum(near / max(_LONELY * float(np.median(near)), 1.0), 1.0)
    return result


def out_of_line(days: Floats) -> Floats:
    """Return by row how far its day is from those of the rows around it, 0 to 1; 0 if rows are in no order of time.

    Rows around it that are far apart themselves, as where a new series begins, say nothing.
    """
    known = np.flatnonzero(np.isfinite(days))
    result = np.zeros(len(days))
    if len(known) < _LEAST:
        return result
    low, high = np.quantile(days[known], (0.25, 0.75))
    away = np.abs(days[known] - around(days[known]))
    if high > low and np.median(away) <= _IN_TIME * (high - low):
        before, after = _middle(days[known])
        agree = after - before <= _IN_TIME * (high - low)
        result[known] = agree * np.clip((away / (high - low) - 3 * _IN_TIME) / (5 * _IN_TIME), 0.0, 1.0)
    return result


def around(days: Floats) -> Floats:
    """Return by row the median of the two days before and the two after, none of them NaN; there are at least three."""
    return np.asarray(np.mean(_middle(days), axis=0))


def _middle(days: Floats) -> tuple[Floats, Floats]:
    """Return the second and the third of the four days around each row; at the ends those of one side count twice."""
    padded = np.pad(days, 2, mode="reflect")
    four = np.sort([padded[at : at + len(days)] for at in (0, 1, 3, 4)], axis=0)
    return four[1], four[2]
