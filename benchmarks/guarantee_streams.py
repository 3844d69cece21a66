"""Streams of records whose truth is known, for `benchmarks.guarantee`: what went in, what was promised, what was true.

A stream has a calibration window, from whose audits a threshold is chosen, and a live window, in which the published
bound is looked at ten times. Errors come independently at one rate (`iid`), at a rate that changes along the stream
(`drift`: creeping up, creeping down, or a jump in the live window), or in batches of which few are bad (`clusters`).
In the hardest case (`edge`) the score is worth nothing and every threshold is just over alpha: all passing is
violation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from qc_models.guarantee import bounds
from qc_models.guarantee.learn_then_test import Grid, calibrate_arrays, counts, grid_of
from qc_models.guarantee.residual import Residual, Window, residual
from qc_models.guarantee.reviewers import Canaries, sensitivity

SCENARIOS = ("iid", "drift", "clusters", "edge")
ALPHAS = (1e-2, 1e-3, 1e-4)
MISSES = (0.0, 0.05, 0.15)
SIZES = {1e-2: (15_000, 0.2, 30_000, 0.1), 1e-3: (40_000, 0.5, 60_000, 0.2), 1e-4: (200_000, 0.75, 100_000, 0.3)}
"""Records and audit rate of the calibration window, records and audit rate of the live window, by alpha."""
EARLIER = 10_000
"""Records without labels whose scores the grid is made from."""
LOOKS = 10
CANARIES = 600
SPOILT = 0.0002
"""Share of right records that a reviewer calls wrong."""

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Kind:
    """What a stream is like."""

    scenario: str
    alpha: float
    base: float
    quality: float
    """Distance between the scores of right and wrong records, in standard deviations."""
    missed: float
    """Share of wrong records that reviewers do not notice."""
    confirmed: bool
    """Whether a second person confirms what was called wrong, so that nothing right is spoilt."""


@dataclass(frozen=True)
class Choice:
    """A way to choose the threshold, and what came of it."""

    coverage: float
    rate: float
    """True error rate of what passes; 0 if nothing does."""


@dataclass(frozen=True)
class Outcome:
    """What one stream showed."""

    kind: Kind
    choices: dict[str, Choice]
    """By method: learn_then_test, any_time, naive, sgr, bonferroni, oracle."""
    bound_broken: bool
    """Whether more records were wrong than the published bound said, at any look."""
    estimate_broken: bool
    """Whether more were wrong than the plain estimate said: found / audit rate, reviewers taken as perfect."""
    published: float
    """The published bound on the residual rate at the last look."""
    residual: float
    """The true one."""
    sensitivity_gap: float


def kind_of(number: int, draws: np.random.Generator) -> Kind:
    """Return the kind of stream: scenarios in turn, alpha 0.01 for 60 %, 0.001 for 35 %, 0.0001 for 5 % of them."""
    turn = number // 4 % 20
    alpha = ALPHAS[0] if turn < 12 else ALPHAS[1] if turn < 19 else ALPHAS[2]
    base = draws.choice([0.001, 0.005, 0.01, 0.02, 0.05])
    scenario = SCENARIOS[number % 4]
    quality, missed, confirmed = draws.choice([1.5, 2.5, 4.0]), draws.choice(MISSES), draws.random() < 0.5
    if scenario == "edge":
        base, quality = 1.02 * alpha, 0.0
    return Kind(scenario, alpha, float(base), float(quality), float(missed), bool(confirmed))


def stream(kind: Kind, delta: float, draws: np.random.Generator) -> Outcome:
    """Run one stream; half of delta goes to the threshold's promise, half to the published bound."""
    n, rate, live, live_rate = SIZES[kind.alpha]
    wrong = draws.random(n + live) < rates(kind, n, live, draws)
    scores = _scores(wrong, kind, draws)
    called = _called(wrong, kind, draws)
    planted = Canaries(
        CANARIES,
        int(draws.binomial(CANARIES, 1 - kind.missed)),
        CANARIES,
        int(draws.binomial(CANARIES, SPOILT)),
    )
    drawn = draws.random(n) < rate
    grid = grid_of(_scores(draws.random(EARLIER) < kind.base, kind, draws))
    known = sensitivity(planted, delta=delta * 0.1)
    true = true_rates(kind, grid, scores[:n], wrong[:n])
    chosen = choose(scores[:n][drawn], called[:n][drawn], grid, kind.alpha, known.lower, delta * 0.4)
    choices = {
        name: Choice(0.0, 0.0) if at is None else Choice(grid.shares[at], float(true[at]))
        for name, at in {**chosen, "oracle": _last(true <= kind.alpha)}.items()
    }
    limits = kind.alpha, known.lower, delta * 0.4
    choices["any_time"] = again(scores[:n], called[:n], wrong[:n], drawn, grid, kind, limits)
    at = chosen["learn_then_test"]
    passes = scores[n:] <= (-np.inf if at is None else grid.thresholds[at])
    bound = published(passes, wrong[n:], called[n:], live_rate, planted, delta / 2, draws, confirmed=kind.confirmed)
    gap = abs((known.estimate or 0.0) - (1 - kind.missed))
    return Outcome(kind, choices, *bound, sensitivity_gap=gap)


def rates(kind: Kind, n: int, live: int, draws: np.random.Generator) -> Floats:
    """Return each record's chance of being wrong, shape (n + live,); the calibration window's mean is about `base`."""
    total = n + live
    if kind.scenario == "drift":
        shape = draws.integers(3)
        along = np.linspace(0.3, 1.7, n)
        factors = np.concatenate([along, np.full(live, 1.7)]) if shape == 0 else np.ones(total)
        factors = np.concatenate([along[::-1], np.full(live, 0.3)]) if shape == 1 else factors
        if shape == 2:
            factors[n + draws.integers(live) :] = 8.0
        return np.minimum(1.0, kind.base * factors)
    if kind.scenario == "clusters":
        size = int(draws.choice([5, 20, 100]))
        bad = draws.random(total // size + 1) < 0.02
        return np.repeat(np.where(bad, min(0.8, 45 * kind.base), 0.1 * kind.base), size)[:total]
    return np.full(total, kind.base)


def true_rates(kind: Kind, grid: Grid, scores: Floats, wrong: Bools) -> Floats:
    """Return the true error rate of what passes at each threshold.

    For independent errors that of all records that could come (exact); under drift and clusters that of the records
    of the calibration window, because no other rate exists there.
    """
    if kind.scenario in {"drift", "clusters"}:
        k, n = counts(scores, wrong, grid)
        return np.asarray(k / np.maximum(n, 1))
    edges = np.array(grid.thresholds)
    at = np.log(edges / (1 - edges))
    bad, good = kind.base * ndtr(at - kind.quality), (1 - kind.base) * ndtr(at)
    return np.asarray(bad / (bad + good))


def choose(scores: Floats, wrong: Bools, grid: Grid, alpha: float, least: float, delta: float) -> dict[str, int | None]:
    """Return by method the grid position that it would deploy; None: everything is reviewed."""
    found = calibrate_arrays(scores, wrong, grid, alpha=alpha, delta=delta, sensitivity=least)
    k, n = counts(scores, wrong, grid)
    p = bounds.p_values(k, n, alpha * least)
    return {
        "learn_then_test": found.accepted[-1] if found.accepted else None,
        "naive": _last((k <= alpha * n) & (n > 0)),
        "sgr": sgr(k, n, alpha * least, delta),
        "bonferroni": _last(p <= delta / len(p)),
    }


def again(
    scores: Floats,
    called: Bools,
    wrong: Bools,
    drawn: Bools,
    grid: Grid,
    kind: Kind,
    limits: tuple[float, float, float],
) -> Choice:
    """Look ten times while the audits come in, and deploy what is proven; the worst of what was deployed counts."""
    alpha, least, delta = limits
    coverage, worst = 0.0, 0.0
    for end in np.linspace(len(scores) / LOOKS, len(scores), LOOKS).astype(int).tolist():
        seen = drawn[:end]
        found = calibrate_arrays(
            scores[:end][seen], called[:end][seen], grid, alpha=alpha, delta=delta, sensitivity=least, any_time=True
        )
        coverage = found.coverage
        if found.accepted:
            worst = max(worst, float(true_rates(kind, grid, scores[:end], wrong[:end])[found.accepted[-1]]))
    return Choice(coverage, worst)


def sgr(k: NDArray[np.int64], n: NDArray[np.int64], alpha: float, delta: float) -> int | None:
    """Selection with guaranteed risk: binary search with delta / steps each (Geifman and El-Yaniv 2017, 1705.08500)."""
    steps = int(np.ceil(np.log2(len(n))))
    few, many, best = 0, len(n) - 1, None
    for _ in range(steps):
        middle = (few + many + 1) // 2
        if bounds.upper(int(k[middle]), int(n[middle]), delta / steps) <= alpha:
            best, few = middle, middle
        else:
            many = max(few, middle - 1)
    return best


def published(
    passes: Bools,
    wrong: Bools,
    called: Bools,
    rate: float,
    planted: Canaries,
    delta: float,
    draws: np.random.Generator,
    *,
    confirmed: bool,
) -> tuple[bool, bool, float, float]:
    """Look ten times: was the bound ever broken, was the plain estimate; the last bound and the last true rate."""
    audited = passes & (draws.random(len(passes)) < rate)
    looked = audited | ~passes
    still = np.where(looked, wrong != called, wrong)
    broken, plain, bound, true = False, False, 1.0, 0.0
    for end in np.linspace(len(passes) / LOOKS, len(passes), LOOKS).astype(int).tolist():
        window = Window(
            passed=int(passes[:end].sum()),
            flagged=int((~passes[:end]).sum()),
            floor=rate,
            found=int((audited & called)[:end].sum()),
            audited=int(audited[:end].sum()),
            flagged_wrong=int((~passes & called)[:end].sum()),
            confirmed=int((looked & called)[:end].sum()) if confirmed else 0,
        )
        now: Residual = residual(window, planted, delta=delta)
        left = int(still[:end].sum())
        broken |= left > now.wrong
        plain |= left > window.found / rate - window.found
        bound, true = now.wrong / end, left / end
    return broken, plain, bound, true


def _scores(wrong: Bools, kind: Kind, draws: np.random.Generator) -> Floats:
    return np.asarray(1 / (1 + np.exp(-(draws.normal(size=len(wrong)) + kind.quality * wrong))))


def _called(wrong: Bools, kind: Kind, draws: np.random.Generator) -> Bools:
    """Return what a reviewer would call each record."""
    luck = draws.random(len(wrong))
    return np.where(wrong, luck >= kind.missed, (luck < SPOILT) & (not kind.confirmed))


def _last(good: Bools) -> int | None:
    found = np.flatnonzero(good)
    return int(found[-1]) if len(found) else None
