"""Do records still come as if shuffled? A certificate carries over to later records only as long as they do.

V. Vovk, I. Nouretdinov, A. Gammerman, "Testing exchangeability on-line" (ICML 2003): each score's rank among those
before it is uniform and independent as long as the order means nothing, so a bet against that earns nothing on average.
The evidence is a martingale that may be looked at after every record: 1 / delta refutes exchangeability at any time.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort

import numpy as np
from numpy.typing import ArrayLike, NDArray

_BETS = tuple(direction * size for size in (0.25, 0.5, 1.0, 1.8) for direction in (-1, 1))
"""Slopes of the bets 1 + b (p - 1/2): for scores that rise, and for scores that fall."""
_SHARE = 0.002
"""Part of each bet's capital that goes to the others after each record, so that a late change is noticed too."""


def ranks(scores: ArrayLike, uniform: ArrayLike) -> NDArray[np.float64]:
    """Return each score's rank among those up to it, in [0, 1], shape (n,); ties are broken by `uniform` in [0, 1).

    Args:
        scores: In the order of entry, shape (n,).
        uniform: Independent draws of the same shape, such as a certification sample's draw / floor.
    """
    seen: list[float] = []
    found = []
    pairs = zip(np.asarray(scores, dtype=float).tolist(), np.asarray(uniform, dtype=float).tolist(), strict=True)
    for score, draw in pairs:
        insort(seen, score)
        less, equal = bisect_left(seen, score), bisect_right(seen, score)
        found.append((less + draw * (equal - less)) / len(seen))
    return np.array(found)


def evidence_of_change(scores: ArrayLike, uniform: ArrayLike) -> NDArray[np.float64]:
    """Return the logarithm of the evidence against exchangeable order after each record, shape (n,)."""
    capital = np.full(len(_BETS), 1 / len(_BETS))
    slopes, told, log_total = np.array(_BETS), [], 0.0
    for rank in ranks(scores, uniform):
        capital = capital * (1 + slopes * (rank - 0.5))
        total = float(capital.sum())
        log_total += math.log(total)
        capital = (1 - _SHARE) * capital / total + _SHARE / len(_BETS)
        told.append(log_total)
    return np.array(told)


def changed(scores: ArrayLike, uniform: ArrayLike, delta: float) -> int | None:
    """Return after which record (from 0) the order is refuted at confidence 1 - delta; None: it is not."""
    over = np.flatnonzero(evidence_of_change(scores, uniform) >= -math.log(delta))
    return int(over[0]) if len(over) else None
