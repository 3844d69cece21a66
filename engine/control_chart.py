"""A p-chart: shares of groups of unequal size, with the limits that chance alone keeps within.

W. A. Shewhart, "Economic Control of Quality of Manufactured Product" (1931); limits of three standard errors around the
pooled share, for each group's own size, as in ISO 7870-2. Small groups have wide limits, which is the point of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

SIGMAS = 3.0


@dataclass(frozen=True)
class Point:
    """One group: k of n, and the limits for its size; `out` if chance alone hardly explains it."""

    key: str
    k: int
    n: int
    value: float
    low: float
    high: float
    out: bool


@dataclass(frozen=True)
class PChart:
    """All groups that have anything in them, in their order; `centre` is their pooled share, None without any."""

    centre: float | None
    points: tuple[Point, ...]


def p_chart(groups: Sequence[tuple[str, int, int]]) -> PChart:
    """Chart groups given as (key, k, n); those with n = 0 say nothing and are left out."""
    known = [group for group in groups if group[2] > 0]
    total = sum(n for _, _, n in known)
    if not total:
        return PChart(None, ())
    centre = sum(k for _, k, _ in known) / total
    return PChart(centre, tuple(_point(key, k, n, centre) for key, k, n in known))


def _point(key: str, k: int, n: int, centre: float) -> Point:
    reach = SIGMAS * math.sqrt(centre * (1 - centre) / n)
    value, low, high = k / n, max(centre - reach, 0.0), min(centre + reach, 1.0)
    return Point(key, k, n, value, low, high, out=not low <= value <= high)
