"""The review threshold with a proven residual error rate: fixed-sequence Learn-then-Test with exact binomial p-values.

A. N. Angelopoulos, S. Bates, E. J. Candes, M. I. Jordan, L. Lei, "Learn then Test: calibrating predictive algorithms to
achieve risk control" (2021, arXiv 2110.01052). The sequence is walked from strict to loose over a grid that was fixed
before any label was seen, so testing many thresholds costs nothing; up to three starts share delta.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.errors import UserError
from qc_models.guarantee import evidence
from qc_models.guarantee.bounds import audits_needed, least, p_values
from qc_models.guarantee.sample import Audit

STARTS = (1, 2, 4)
"""Where the walks begin: at so many times the least sample. More than one, lest one early mistake stops everything."""
SHARES = (0.25, 0.5, 0.75)
"""Where the walks begin if the audits are looked at again and again: at these shares of the traffic."""
REVIEW_ALL = 0.0
"""The product's threshold that sends everything to review: no probability is under it."""


@dataclass(frozen=True)
class Grid:
    """Candidate thresholds, fixed before calibration from the scores of unlabelled traffic."""

    thresholds: tuple[float, ...]
    """Ascending; a record passes at t if its score is t or less, so that ties are never torn apart."""
    shares: tuple[float, ...]
    """Share of the traffic that passes at each."""
    source: int
    """How many scores it was made from."""

    @property
    def digest(self) -> str:
        """Return the SHA-256 of thresholds and shares: what was fixed."""
        text = json.dumps([list(self.thresholds), list(self.shares)], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def grid_of(scores: ArrayLike, points: int = 100) -> Grid:
    """Return quantiles of unlabelled scores, shape (n,), as a grid of at most `points` distinct thresholds.

    Raises:
        UserError: there are no scores, or one of them is no number.
    """
    known = np.sort(np.asarray(scores, dtype=np.float64))
    if not len(known) or not np.isfinite(known).all():
        raise UserError("a grid of thresholds needs the scores of past records, all of them numbers; there are none")
    at = np.ceil(np.arange(1, points + 1) / points * len(known)).astype(int) - 1
    thresholds = np.unique(known[np.maximum(at, 0)])
    shares = np.searchsorted(known, thresholds, side="right") / len(known)
    return Grid(tuple(thresholds.tolist()), tuple(shares.tolist()), len(known))


@dataclass(frozen=True)
class Calibration:
    """What the walk found. Without a threshold everything goes to review."""

    alpha: float
    delta: float
    """What this calibration spends, after `spend`."""
    sensitivity: float
    """Lower bound on the share of wrong records that an audit finds; the rate that is tested is alpha times this."""
    threshold: float | None
    """Records with this score or less pass; None: nothing is proven."""
    k: int
    n: int
    """Wrong and audited ones at the threshold; with none, of the whole sample."""
    p_value: float
    starts: tuple[int, ...]
    """Grid positions where the walks began."""
    accepted: tuple[int, ...]
    """Grid positions that are proven, all of them together at confidence 1 - delta."""
    missing: int
    """Further audits at least, all without a defect, until something is proven; 0 with a threshold."""
    coverage: float
    """Share of the traffic that passes."""

    @property
    def review_at(self) -> float:
        """Return the product's threshold, "review at or over": the next float over the threshold, 0 to review all."""
        return REVIEW_ALL if self.threshold is None else math.nextafter(self.threshold, math.inf)

    @property
    def reason(self) -> str:
        """Say it in a sentence."""
        promise = f"an error rate of {self.alpha:g} or less at {1 - self.delta:.4g} confidence"
        if self.sensitivity == 0:
            return f"{promise} is not proven: nothing is known of how many mistakes the auditors miss; plant canaries"
        if self.threshold is None:
            return f"{promise} is not proven: at least {self.missing} more audits without a defect are missing"
        return f"{promise} holds up to score {self.threshold:.6g}: {self.k} wrong of {self.n}, p = {self.p_value:.3g}"


def spend(delta: float, index: int) -> float:
    """Return the part of delta that calibration number `index` (from 1) may use: delta * 6 / (pi^2 index^2).

    They add up to delta however often the threshold is tuned again after a look at the labels.

    Raises:
        ValueError: index is under 1.
    """
    if index < 1:
        raise ValueError(f"calibration number {index}: they count from 1")
    return delta * 6 / (math.pi * index) ** 2


def positions(grid: Grid, n: int, alpha: float, delta: float) -> tuple[int, ...]:
    """Return where the walks begin, from the size of the sample and the grid alone.

    The expected number of audits at a start must exceed the least sample by two standard deviations. It is not the
    number that the sample happens to have there, because a start chosen by the sample would make its p-value depend
    on it.
    """
    for factors in (STARTS, STARTS[:1]):
        few = least(alpha, delta / len(factors))
        if n < 3 * few and len(factors) > 1:
            continue
        found = []
        for factor in factors:
            wanted = few * factor
            enough = [i for i, s in enumerate(grid.shares) if n * s - 2 * math.sqrt(n * s * (1 - s)) >= wanted]
            if enough and enough[0] not in found:
                found.append(enough[0])
        if found:
            return tuple(found)
    return ()


def fixed_positions(grid: Grid) -> tuple[int, ...]:
    """Return where the walks begin at every look: a start that moved with the sample would be chosen by it."""
    return tuple(sorted({next(i for i, have in enumerate(grid.shares) if have >= share) for share in SHARES}))


def any_time_p_values(k: NDArray[np.int64], n: NDArray[np.int64], alpha: float) -> NDArray[np.float64]:
    """Return 1 / evidence against "the rate is over alpha" (at most 1): p-values that hold at all looks together."""
    logs = [evidence.log_evidence(wrong, seen, alpha) for wrong, seen in zip(k.tolist(), n.tolist(), strict=True)]
    return np.exp(-np.maximum(logs, 0.0))


def walk(p: NDArray[np.float64], starts: Sequence[int], delta: float) -> tuple[int, ...]:
    """Return the grid positions that are proven, p having shape (grid points,).

    Each start has an equal part of delta and goes on to looser thresholds until the first p-value over its level. A
    walk that reaches the next start takes that one's part along: the fallback procedure (B. L. Wiens, "A fixed
    sequence Bonferroni procedure for testing multiple endpoints", Pharmaceutical Statistics 2, 2003), valid under any
    dependence.
    """
    accepted, level = [], 0.0
    for at in range(starts[0] if starts else len(p), len(p)):
        level += delta / len(starts) if at in starts else 0.0
        if level and p[at] <= level:
            accepted.append(at)
        else:
            level = 0.0
    return tuple(accepted)


def calibrate(
    audits: Sequence[Audit],
    grid: Grid,
    *,
    alpha: float,
    delta: float,
    sensitivity: float = 1.0,
    any_time: bool = False,
) -> Calibration:
    """Choose the loosest threshold whose residual error rate is proven to be alpha or less.

    Args:
        audits: A certification sample (`sample.certification_sample`): random, each record once, all known.
        grid: Fixed beforehand, from scores without labels.
        alpha: The highest residual error rate among passed records.
        delta: The chance of being wrong that is spent here; see `spend` for repeated calibration.
        sensitivity: Lower bound on the share of wrong records that the auditors notice, with a delta of its own.
        any_time: Whether the growing sample is looked at again and again, on the same grid: all looks together then
            spend delta once (p-values from evidence that holds at all times), for about 8 % more audits.

    Raises:
        UserError: the promise cannot be made from samples at all, or the audits are no random sample.
    """
    refuse_biased(audits)
    scores = np.array([audit.score for audit in audits], dtype=np.float64)
    wrong = np.array([bool(audit.wrong) for audit in audits], dtype=bool)
    return calibrate_arrays(scores, wrong, grid, alpha=alpha, delta=delta, sensitivity=sensitivity, any_time=any_time)


def calibrate_arrays(
    scores: NDArray[np.float64],
    wrong: NDArray[np.bool_],
    grid: Grid,
    *,
    alpha: float,
    delta: float,
    sensitivity: float = 1.0,
    any_time: bool = False,
) -> Calibration:
    """Do as `calibrate`, from arrays of shape (audits,) that are known to be a random sample."""
    if not 0 <= sensitivity <= 1:
        raise ValueError(f"sensitivity {sensitivity} is no share")
    k, n = counts(scores, wrong, grid)
    tested = alpha * sensitivity
    everything = (int(wrong.sum()), len(wrong))
    if tested <= 0:
        return _nothing(alpha, delta, sensitivity, everything, 0)
    starts = fixed_positions(grid) if any_time else positions(grid, len(scores), tested, delta)
    p = any_time_p_values(k, n, tested) if any_time else p_values(k, n, tested)
    accepted = walk(p, starts, delta)
    if not accepted:
        need = evidence.audits_needed if any_time else audits_needed
        missing = _missing(k, n, grid, need, tested, delta)
        return _nothing(alpha, delta, sensitivity, everything, missing, starts)
    best = accepted[-1]
    return Calibration(
        alpha=alpha,
        delta=delta,
        sensitivity=sensitivity,
        threshold=grid.thresholds[best],
        k=int(k[best]),
        n=int(n[best]),
        p_value=float(p[best]),
        starts=starts,
        accepted=accepted,
        missing=0,
        coverage=grid.shares[best],
    )


def counts(
    scores: NDArray[np.float64], wrong: NDArray[np.bool_], grid: Grid
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the wrong and the audited ones that pass at each threshold, each of shape (grid points,)."""
    at = np.searchsorted(np.asarray(grid.thresholds), scores, side="left")
    size = len(grid.thresholds) + 1
    k = np.bincount(at, weights=wrong, minlength=size)[:-1].cumsum()
    return k.astype(np.int64), np.bincount(at, minlength=size)[:-1].cumsum().astype(np.int64)


def refuse_biased(audits: Sequence[Audit]) -> None:
    """Refuse labels that were not drawn at random, and those that are not known.

    Raises:
        UserError: an audit was not drawn (a picker chose it, or it was seen because it was flagged), or has no outcome.
    """
    chosen = [audit for audit in audits if audit.draw is None or audit.draw >= audit.floor]
    if chosen:
        raise UserError(
            f"{len(chosen)} of {len(audits)} labels were not drawn at random (one is {chosen[0].key}); labels of "
            "flagged or picked records show the doubtful only and prove nothing: pass a certification sample"
        )
    unknown = [audit for audit in audits if audit.wrong is None]
    if unknown:
        raise UserError(f"{len(unknown)} drawn records are not reviewed yet (one is {unknown[0].key})")
    if len({audit.key for audit in audits}) < len(audits):
        raise UserError("a record is in the audits twice; pass a certification sample, which has each record once")


def _missing(
    k: NDArray[np.int64],
    n: NDArray[np.int64],
    grid: Grid,
    need: Callable[[float, float, int], int],
    alpha: float,
    delta: float,
) -> int:
    """Return the fewest further audits that could prove something if they show no further defect."""
    wanted = {int(wrong): need(alpha, delta, int(wrong)) for wrong in np.unique(k)}
    short = [(wanted[int(wrong)] - int(seen)) / share for wrong, seen, share in zip(k, n, grid.shares, strict=True)]
    return max(1, math.ceil(min(short)))


def _nothing(
    alpha: float,
    delta: float,
    sensitivity: float,
    seen: tuple[int, int],
    missing: int,
    starts: tuple[int, ...] = (),
) -> Calibration:
    return Calibration(alpha, delta, sensitivity, None, *seen, 1.0, starts, (), missing, 0.0)
