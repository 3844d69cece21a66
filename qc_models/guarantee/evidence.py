"""Bounds that may be looked at at any time, and that hold although the error rate drifts and errors come in clusters.

For a tilt f and a wrong one seen with probability p, E[f^seen] = 1 - p(1 - f). So for outcomes x_1, x_2, ... with
conditional rates r_1, r_2, ... the product of f^x_i / (1 - r_i(1 - f)) is a martingale of mean 1, whatever the rates
do, and as log is concave it is at least f^k (1 - r(1 - f))^-n with r the average rate and k the number of wrong ones.
A mixture over tilts that reaches 1 / delta at some time therefore refutes an average rate of r with confidence 1 -
delta (J. Ville, 1939; I. Waudby-Smith and A. Ramdas, "Estimating means of bounded random variables by betting", JRSS
B 86, 2024, for the betting view; W. Hoeffding, 1963, for the average). It is the likelihood ratio mixture of q = f r
/ (1 - r(1 - f)) against r.

The same with r_i = (probability of being looked at) x (is it wrong, 0 or 1) counts the wrong ones among records that
exist: then only the audit draws are random and nothing is assumed of the errors.
"""

from __future__ import annotations

import math
from collections.abc import Callable

DOWN = ((0.0, 0.5), (0.05, 0.125), (0.1, 0.125), (0.25, 0.125), (0.5, 0.125))
"""Tilts and weights that speak for a lower rate, where none or few wrong ones are expected: for certifying."""
UP = ((2.0, 0.2), (5.0, 0.2), (10.0, 0.2), (30.0, 0.2), (100.0, 0.2))
"""Tilts and weights that speak for a higher rate, for alarms."""
FINE_DOWN = (
    (0.0, 0.4),
    *((f, 0.075) for f in (0.05, 0.1, 0.25, 0.5)),
    *((f, 0.06) for f in (0.7, 0.8, 0.9, 0.95, 0.98)),
)
"""Tilts and weights for upper bounds, tight for few and for many wrong ones."""
FINE_UP = tuple((f, 0.1) for f in (1.02, 1.05, 1.1, 1.25, 1.5, 2.0, 5.0, 10.0, 30.0, 100.0))
"""Tilts and weights for lower bounds."""


def log_evidence(k: float, n: float, rate: float, tilts: tuple[tuple[float, float], ...] = DOWN) -> float:
    """Return ln of the mixture against an average rate; the rate is refuted at delta when this is >= ln(1 / delta).

    Args:
        k: Wrong ones that were seen.
        n: Trials: audits, or wrong records that may have been seen.
        rate: The average chance per trial under the hypothesis, in [0, 1].
        tilts: `DOWN` speaks for less than the rate, `UP` for more.
    """
    parts = []
    for tilt, weight in tilts:
        if tilt == 0 and k > 0:
            continue
        chance = 1 - rate * (1 - tilt)
        if chance <= 0:
            return math.inf if n > 0 else 0.0
        won = k * math.log(tilt) if k else 0.0
        parts.append(math.log(weight) + won - n * math.log1p(-rate * (1 - tilt)))
    most = max(parts, default=-math.inf)
    return most + math.log(math.fsum(math.exp(part - most) for part in parts)) if parts else -math.inf


def audits_needed(rate: float, delta: float, allowed: int = 0) -> int:
    """Return after how many audits, `allowed` of them wrong, the rate is refuted; it costs some 8 %."""
    few, many = 1, 1
    while log_evidence(allowed, many, rate) < -math.log(delta):
        few, many = many, 2 * many + allowed
    while few < many:
        middle = (few + many) // 2
        if log_evidence(allowed, middle, rate) >= -math.log(delta):
            many = middle
        else:
            few = middle + 1
    return many


def rate_upper(k: int, n: int, delta: float) -> float:
    """Return an upper bound on the average rate, k of n being wrong, valid at all times together; 1 for n = 0."""
    limit = -math.log(delta)
    return _crossing(lambda rate: log_evidence(k, n, rate, FINE_DOWN) < limit, k / n, 1.0) if n else 1.0


def rate_lower(k: int, n: int, delta: float) -> float:
    """Return the lower bound that belongs to `rate_upper`; 0 for n = 0."""
    limit = -math.log(delta)
    return _crossing(lambda rate: log_evidence(k, n, rate, FINE_UP) < limit, k / n, 0.0) if n else 0.0


def count_upper(seen: float, chance: float, size: int, delta: float) -> int:
    """Return how many of `size` records are wrong at most, `seen` having been found; valid at all times together.

    Args:
        seen: Wrong ones found among those drawn. One that was drawn with a higher chance counts `chance` / its own: the
            tilt f^(chance / own) is then no stronger against it, because p (1 - f^(c / p)) grows with p.
        chance: With which each wrong record was to be found: audit rate x share of mistakes that an auditor notices (a
            lower bound of both, or of their average over the wrong records).
        size: Records that the draws were made from.
        delta: The chance of being wrong that is spent.
    """
    limit = -math.log(delta)
    if chance <= 0 or seen >= size:
        return size
    at_most = _crossing(lambda wrong: log_evidence(seen, wrong, chance, FINE_DOWN) < limit, float(seen), float(size))
    return min(size, math.floor(at_most))


def count_lower(seen: float, chance: float, delta: float) -> int:
    """Return how many records are wrong at least, if each is found with `chance` at most; compare `count_upper`."""
    limit = -math.log(delta)
    if chance <= 0 or seen == 0 or log_evidence(seen, seen, chance, FINE_UP) < limit:
        return math.ceil(seen)
    most = seen / chance
    return math.ceil(_crossing(lambda wrong: log_evidence(seen, wrong, chance, FINE_UP) < limit, most, float(seen)))


def happened_upper(rate: float, n: int, delta: float) -> int:
    """Return how often something happened at most in n trials, its average chance being `rate` or less."""
    limit, few, many = -math.log(delta), 0, n if rate > 0 else 0
    while few < many:
        middle = (few + many + 1) // 2
        if log_evidence(middle, n, rate, FINE_UP) < limit:
            few = middle
        else:
            many = middle - 1
    return few


def _crossing(held: Callable[[float], bool], inside: float, outside: float) -> float:
    """Return the last point from inside towards outside that is not refuted, on the outer side of it."""
    if held(outside):
        return outside
    while abs(outside - inside) > 1e-15 + 1e-9 * max(inside, outside):
        middle = (inside + outside) / 2
        if held(middle):
            inside = middle
        else:
            outside = middle
    return outside
