"""How many audits until a certificate, and until an alarm, for `benchmarks.guarantee`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from qc_models.guarantee.evidence import audits_needed
from qc_models.guarantee.sequential import State, after

MOST = 400_000


@dataclass(frozen=True)
class Times:
    """How often something came, and after how many audits in the median; None if in fewer than half of the streams."""

    share: float
    p50: int | None


def certify_times(alpha: float, delta: float, rate: float, streams: int, draws: np.random.Generator) -> Times:
    """Return when the any-time test certifies streams of a true rate, exactly, by the audits between mistakes."""
    least: list[int] = []
    found = []
    for _ in range(streams):
        errors = np.cumsum(draws.geometric(rate, size=max(10, int(4 * MOST * rate) + 10))) if rate else np.zeros(0)
        found.append(_certified_at(errors[errors <= MOST].astype(int).tolist(), least, alpha, delta))
    return _times(found)


def _certified_at(errors: list[int], least: list[int], alpha: float, delta: float) -> float:
    for k in range(len(errors) + 1):
        while len(least) <= k:
            least.append(audits_needed(alpha, delta, len(least)))
        since, until = (errors[k - 1] if k else 1), (errors[k] - 1 if k < len(errors) else MOST)
        if max(since, least[k]) <= until:
            return max(since, least[k])
    return math.inf


def alarm_times(
    alpha: float,
    delta: float,
    factor: float,
    streams: int,
    draws: np.random.Generator,
    *,
    good: int = 0,
    most: int = MOST,
) -> Times:
    """Return when the alarm comes after a jump to factor x alpha, `good` audits at alpha / 5 having gone before.

    Streams that had a false alarm in the good times are left out.
    """
    found = []
    for _ in range(streams):
        state = after(State(), draws.random(good) < alpha / 5, alpha)
        if state.peak < -math.log(delta):
            found.append(_alarmed_at(state, alpha, delta, factor, most, draws))
    return _times(found)


def _alarmed_at(
    state: State, alpha: float, delta: float, factor: float, most: int, draws: np.random.Generator
) -> float:
    seen = 0
    while seen < most:
        gap = int(draws.geometric(min(1.0, factor * alpha)))
        seen += gap
        outcomes = np.zeros(gap, dtype=bool)
        outcomes[-1] = True
        state = after(state, outcomes, alpha)
        if state.peak >= -math.log(delta) and seen <= most:
            return seen
    return math.inf


def _times(found: list[float]) -> Times:
    middle = float(np.median(found)) if found else math.inf
    return Times(float(np.mean(np.isfinite(found))), int(middle) if math.isfinite(middle) else None)
