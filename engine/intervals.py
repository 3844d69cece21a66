"""Proportions that say how sure they are: exact binomial intervals after Clopper and Pearson (1934); means by Student.

C. J. Clopper and E. S. Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial",
Biometrika 26 (1934), 404-413. The interval never covers less than it promises, for any n and any true share.
Student, "The probable error of a mean", Biometrika 6 (1908), 1-25, for means of independent replications.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


def clopper_pearson(k: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float] | None:
    """Return the exact two-sided interval of a share of k in n, or None for n = 0: no data, no statement.

    Raises:
        ValueError: k is not in 0..n, or the confidence is not in (0, 1).
    """
    if not 0 <= k <= n or not 0 < confidence < 1:
        raise ValueError(f"{k} of {n} at confidence {confidence}: 0 <= k <= n and 0 < confidence < 1 must hold")
    if n == 0:
        return None
    # the quantile that scipy.stats.beta.ppf returns, without its second of import; most commands need neither
    from scipy.special import betaincinv  # noqa: PLC0415

    tail = (1 - confidence) / 2
    low = 0.0 if k == 0 else float(betaincinv(k, n - k + 1, tail))
    high = 1.0 if k == n else float(betaincinv(k + 1, n - k, 1 - tail))
    return low, high


@dataclass(frozen=True)
class Proportion:
    """k of n, with its 95 % Clopper-Pearson interval; everything is None while n is 0."""

    k: int
    n: int
    value: float | None
    low: float | None
    high: float | None


def proportion(k: int, n: int, confidence: float = CONFIDENCE) -> Proportion:
    """Return the share of k in n with its interval.

    Raises:
        ValueError: k is not in 0..n.
    """
    interval = clopper_pearson(k, n, confidence)
    low, high = interval or (None, None)
    return Proportion(k, n, k / n if n else None, low, high)


def share(hits: list[bool]) -> Proportion:
    """Return the share of true answers."""
    return proportion(sum(hits), len(hits))


@dataclass(frozen=True)
class Estimate:
    """A share's mean over n independent replications, with its 95 % interval; the bounds are None while n is 1."""

    value: float
    low: float | None
    high: float | None
    n: int


def mean_share(shares: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """Return the mean of shares of 1 with its two-sided interval, cut to [0, 1]; `shares` must not be empty."""
    n, mean = len(shares), statistics.fmean(shares)
    if n == 1:
        return Estimate(mean, None, None, n)
    from scipy.special import stdtrit  # noqa: PLC0415 - as above

    half = float(stdtrit(n - 1, (1 + confidence) / 2)) * statistics.stdev(shares) / math.sqrt(n)
    return Estimate(mean, max(0.0, mean - half), min(1.0, mean + half), n)
