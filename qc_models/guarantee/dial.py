"""The cost dial: what each threshold costs in review minutes, and what error rate it leaves at most.

The curve is looked at before one chooses from it, so its bounds hold for all points together (delta shared out over
them), and only thresholds that Learn-then-Test proved for the promise, all of them together, may be chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.errors import UserError
from qc_models.guarantee import bounds
from qc_models.guarantee.evidence import rate_lower, rate_upper
from qc_models.guarantee.learn_then_test import Calibration, Grid, calibrate, counts
from qc_models.guarantee.sample import Audit


@dataclass(frozen=True)
class Point:
    """One setting of the dial."""

    threshold: float
    coverage: float
    """Share of the traffic that passes."""
    queue: tuple[float, float, float]
    """Records to look at per 1,000, audits included: lower bound, expected, upper bound."""
    minutes: float
    """Expected review minutes per 1,000 records."""
    k: int
    n: int
    residual: tuple[float, float, float]
    """Error rate of passed records: lower bound, as seen, upper bound."""
    certifiable: bool
    """Whether the promise is proven here."""


@dataclass(frozen=True)
class Dial:
    """The curve, from strict to loose, and the promise that it is held against."""

    points: tuple[Point, ...]
    calibration: Calibration
    delta: float

    def choose(self, threshold: float) -> Point:
        """Return the point of a setting.

        Raises:
            UserError: the grid has no such threshold, or the promise is not proven there; says what is missing.
        """
        for point in self.points:
            if point.threshold == threshold:
                return self._proven(point)
        known = ", ".join(f"{point.threshold:g}" for point in self.points if point.certifiable) or "none"
        raise UserError(f"{threshold:g} is no setting of the dial; those that are proven: {known}")

    def _proven(self, point: Point) -> Point:
        if point.certifiable:
            return point
        raise UserError(
            f"at {point.threshold:g} an error rate of {self.calibration.alpha:g} or less is not proven: {point.k} of "
            f"{point.n} audited records that would pass are wrong, so it may be {point.residual[2]:.3g}; "
            f"{self._short(point)}. {self._loosest()}"
        )

    def _short(self, point: Point) -> str:
        now = self.calibration
        tested = now.alpha * now.sensitivity
        if tested <= 0:
            return "canaries are missing"
        if now.starts and point.threshold < self.points[now.starts[0]].threshold:
            return f"it is stricter than where the test begins, {self.points[now.starts[0]].threshold:g}"
        need = bounds.audits_needed(tested, now.delta / max(1, len(now.starts)), point.k)
        if point.n >= need:
            return "its audits alone would do, but the test, which goes from strict to loose, ended before it"
        return f"{need} audits there with {point.k} wrong would prove it"

    def _loosest(self) -> str:
        best = self.calibration.threshold
        return "No setting is proven." if best is None else f"The loosest proven setting is {best:g}."


def dial(
    audits: Sequence[Audit],
    grid: Grid,
    *,
    alpha: float,
    delta: float,
    minutes: float,
    floor: float,
    sensitivity: float = 1.0,
    any_time: bool = False,
) -> Dial:
    """Compute the curve.

    Args:
        audits: A certification sample.
        grid: Thresholds and shares, from unlabelled traffic.
        alpha: The promise.
        delta: The chance of being wrong that the calibration spends; the band of the curve spends as much again.
        minutes: Review minutes a record.
        floor: Audit rate of passed records.
        sensitivity: Lower bound on the share of wrong records that auditors notice.
        any_time: As in `calibrate`; the bands then hold at all looks together, too.

    Raises:
        UserError: as `calibrate`.
    """
    found = calibrate(audits, grid, alpha=alpha, delta=delta, sensitivity=sensitivity, any_time=any_time)
    scores = np.array([audit.score for audit in audits], dtype=np.float64)
    wrong = np.array([bool(audit.wrong) for audit in audits], dtype=bool)
    k, n = counts(scores, wrong, grid)
    part = delta / (4 * len(grid.thresholds))
    points = [
        _point(at, grid, (int(k[at]), int(n[at])), part, minutes, floor, sensitivity, found, any_time=any_time)
        for at in range(len(grid.thresholds))
    ]
    return Dial(tuple(points), found, delta)


def _point(
    at: int,
    grid: Grid,
    seen: tuple[int, int],
    part: float,
    minutes: float,
    floor: float,
    sensitivity: float,
    found: Calibration,
    *,
    any_time: bool,
) -> Point:
    k, n = seen
    low, high = (rate_lower, rate_upper) if any_time else (bounds.lower, bounds.upper)
    passing = round(grid.shares[at] * grid.source)
    looked = [_looked(share, floor) for share in (bounds.upper(passing, grid.source, part), grid.shares[at])]
    most = _looked(bounds.lower(passing, grid.source, part), floor)
    worst = min(1.0, high(k, n, part) / sensitivity) if sensitivity > 0 else 1.0
    return Point(
        threshold=grid.thresholds[at],
        coverage=grid.shares[at],
        queue=(looked[0], looked[1], most),
        minutes=looked[1] * minutes,
        k=k,
        n=n,
        residual=(low(k, n, part), k / n if n else float("nan"), worst),
        certifiable=at in found.accepted,
    )


def _looked(share: float, floor: float) -> float:
    """Return how many of 1,000 records a person looks at: the flagged, and the audited among the passed."""
    return 1000 * (1 - share + share * floor)
