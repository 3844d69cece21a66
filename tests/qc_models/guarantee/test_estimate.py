from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.errors import UserError
from qc_models.guarantee.estimate import figures, wrong_among
from qc_models.guarantee.sample import Audit, audit_probability
from tests.qc_models.guarantee.samples import audit


def window(seed: int, *, floor: float = 0.05) -> tuple[list[Audit], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return a drifting window's records, which are wrong, and which are flagged."""
    draws = np.random.default_rng(seed)
    n = 4_000
    doubt = draws.random(n) ** 6
    bad = draws.random(n) < doubt * np.linspace(0.05, 0.4, n)
    flagged = doubt > 0.7
    records = []
    for i, u in enumerate(draws.random(n).tolist()):
        chance = 1.0 if flagged[i] else audit_probability(doubt[i], floor, kappa=0.5)
        seen = bool(bad[i]) if u < chance else None
        records.append(audit(i, draw=u, floor=floor, probability=chance, flagged=bool(flagged[i]), wrong=seen))
    return records, bad, flagged


def test_horvitz_thompson_figures_cover_the_truth_under_drift_and_top_up() -> None:
    outside, estimates = 0, []
    for seed in range(30):
        records, bad, flagged = window(seed)
        passed = int((~flagged).sum())
        found = figures(records, passed=passed, flagged=int(flagged.sum()), floor=0.05, delta=0.1)
        caught, escaped = int((bad & flagged).sum()), int((bad & ~flagged).sum())
        truth = {
            "wrong_passed": escaped,
            "error_rate": bad.mean(),
            "accuracy": (bad == flagged).mean(),
            "precision": caught / flagged.sum(),
            "recall": caught / (caught + escaped),
        }
        held = [
            getattr(found, name).low - 1e-9 <= value <= getattr(found, name).high + 1e-9
            for name, value in truth.items()
        ]
        outside += not all(held)
        estimates.append((found.wrong_passed.value or 0) - escaped)
    assert outside <= 0.1 * 30
    assert abs(np.mean(estimates)) < 3 * np.std(estimates) / 30**0.5  # unbiased


def test_nothing_and_no_wrong_record() -> None:
    empty = figures([], passed=0, flagged=0, floor=0.1, delta=0.05)
    assert (empty.error_rate.value, empty.recall.value) == (None, None)
    clean = figures([audit(1)], passed=100, flagged=0, floor=0.01, delta=0.05)
    assert (clean.accuracy.value, clean.recall.low, clean.recall.high) == (1.0, 0.0, 1.0)
    assert wrong_among([1.0, 1.0], 10, floor=1.0, delta=0.05).high == 2
    assert wrong_among([1.0, 1.0], 10, floor=0.1, delta=0.05).high == 10


def test_picked_labels_never_enter_the_estimate_and_unknown_ones_are_refused() -> None:
    picked = [audit(number, draw=None, wrong=True) for number in range(9)]
    found = figures([*picked, audit(20)], passed=1_000, flagged=0, floor=0.01, delta=0.05)
    assert (found.looked_at, found.wrong_passed.value) == (1, 0.0)
    with pytest.raises(UserError, match="not reviewed yet"):
        figures([audit(1, wrong=None)], passed=10, flagged=0, floor=0.01, delta=0.05)
    with pytest.raises(UserError, match="less than the floor"):
        figures([audit(1)], passed=10, flagged=0, floor=0.5, delta=0.05)


def test_reviewers_who_miss_widen_the_interval_upwards() -> None:
    records, _, flagged = window(1)
    counts = {"passed": int((~flagged).sum()), "flagged": int(flagged.sum()), "floor": 0.05, "delta": 0.1}
    sure, tired = figures(records, **counts), figures(records, **counts, sensitivity=0.85)  # type: ignore[arg-type]
    assert tired.error_rate.high > sure.error_rate.high
    assert tired.recall.low < sure.recall.low
