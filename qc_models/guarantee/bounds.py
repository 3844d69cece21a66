"""Exact binomial and hypergeometric bounds, and how many audits a promise costs.

C. J. Clopper and E. S. Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial",
Biometrika 26 (1934), 404-413. Every function takes delta, the chance of being wrong that is spent: confidence is 1 -
delta.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.errors import UserError

_EXACT = 1 + 1e-9
"""Room for rounding where a chance is exactly delta: 4,750 of 5,000, not 4,751."""


def upper(k: int, n: int, delta: float) -> float:
    """Return the one-sided Clopper-Pearson upper bound of a rate of which k in n were seen; 1 for n = 0.

    Raises:
        ValueError: k is not in 0..n, or delta not in (0, 1).
    """
    _check(k, n, delta)
    if k == n:
        return 1.0
    from scipy.special import betaincinv  # noqa: PLC0415 - most commands need no scipy

    return float(betaincinv(k + 1, n - k, 1 - delta)) if k else -math.expm1(math.log(delta) / n)


def lower(k: int, n: int, delta: float) -> float:
    """Return the lower bound that belongs to `upper`; 0 for n = 0. Raises as `upper`."""
    _check(k, n, delta)
    if k == 0:
        return 0.0
    from scipy.special import betaincinv  # noqa: PLC0415

    return float(betaincinv(k, n - k + 1, delta)) if k < n else math.exp(math.log(delta) / n)


def p_values(k: ArrayLike, n: ArrayLike, alpha: float) -> NDArray[np.float64]:
    """Return P(Bin(n, alpha) <= k) for each pair: the exact p-value of "the rate is over alpha"; 1 for n = 0.

    Args:
        k: Wrong ones, shape (m,) or a number.
        n: Audited ones, of the same shape.
        alpha: The rate that is tested, in (0, 1).
    """
    from scipy.special import betaincc  # noqa: PLC0415

    wrong, audited = np.asarray(k, dtype=float), np.asarray(n, dtype=float)
    rest = np.maximum(audited - wrong, 0)
    chances: Any = betaincc(wrong + 1, np.maximum(rest, 1), alpha)
    return np.where(rest > 0, chances, 1.0)


def least(alpha: float, delta: float) -> int:
    """Return how many audits without a defect prove a rate of alpha or less: ceil(ln delta / ln(1 - alpha)).

    Raises:
        UserError: alpha or delta is not in (0, 1): such a promise cannot be proven by samples.
    """
    _check_promise(alpha, delta)
    return math.ceil(math.log(delta) / math.log1p(-alpha) - 1e-9)


def audits_needed(alpha: float, delta: float, allowed: int = 0) -> int:
    """Return the smallest sample that proves a rate of alpha or less although `allowed` of it are wrong.

    29,956 for alpha 0.0001 at 95 % without a defect. Raises UserError as `least` does.
    """
    few = least(alpha, delta)
    many = few
    while p_values(allowed, many, alpha) > delta:
        few, many = many, 2 * many + allowed
    while few < many:
        middle = (few + many) // 2
        if p_values(allowed, middle, alpha) <= delta:
            many = middle
        else:
            few = middle + 1
    return many


def lot_upper(k: int, n: int, size: int, delta: float) -> int:
    """Return how many of a finite lot may be wrong at most, k of n audited ones being wrong (hypergeometric).

    Args:
        k: Wrong ones among the audited.
        n: Audited ones, drawn at random without replacement.
        size: Records in the lot.
        delta: The chance of being wrong that is spent.

    Raises:
        ValueError: not 0 <= k <= n <= size, or delta not in (0, 1).
    """
    _check(k, n, delta)
    if n > size:
        raise ValueError(f"{n} audited of a lot of {size}")
    few, many = k, size - (n - k)
    while few < many:
        middle = (few + many + 1) // 2
        if _lot_chance(k, n, size, middle) > delta * _EXACT:
            few = middle
        else:
            many = middle - 1
    return few


def lot_audits(size: int, alpha: float, delta: float, allowed: int = 0) -> int | None:
    """Return the smallest sample of a finite lot that proves a share of alpha or less; None: even all of it does not.

    "Not even all" happens only where `allowed` wrong ones are more than alpha of the lot. Raises UserError as `least`.
    """
    _check_promise(alpha, delta)
    too_many = math.floor(alpha * size + 1e-9) + 1
    if allowed >= too_many:
        return None
    few, many = 0, size
    while few < many:
        middle = (few + many) // 2
        if _lot_chance(allowed, middle, size, too_many) <= delta * _EXACT:
            many = middle
        else:
            few = middle + 1
    return many


def _lot_chance(k: int, n: int, size: int, wrong: int) -> float:
    """Return P(at most k of n drawn are wrong | `wrong` of `size` are), summed in logarithms."""
    first, last = max(0, n - (size - wrong)), min(k, wrong, n)
    if first > last:
        return 0.0
    from scipy.special import gammaln  # noqa: PLC0415

    found = np.arange(first, last + 1, dtype=float)

    def choose(total: float, of: Any) -> Any:
        return gammaln(total + 1) - gammaln(of + 1) - gammaln(total - of + 1)

    logs = choose(wrong, found) + choose(size - wrong, n - found) - choose(size, n)
    return float(np.exp(logs).sum())


def _check(k: int, n: int, delta: float) -> None:
    if not 0 <= k <= n or not 0 < delta < 1:
        raise ValueError(f"{k} of {n} at delta {delta}: 0 <= k <= n and 0 < delta < 1 must hold")


def _check_promise(alpha: float, delta: float) -> None:
    if not 0 < alpha < 1:
        raise UserError(f"a residual error rate of {alpha} cannot be proven from samples; choose one between 0 and 1")
    if not 0 < delta < 1:
        raise UserError(f"a confidence of {1 - delta:g} cannot be reached by samples; choose one between 0 and 1")
