"""Audits for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qc_models.guarantee.sample import Audit

START = datetime(2026, 1, 5, tzinfo=UTC)


def audit(number: int, *, score: float = 0.1, wrong: bool | None = False, **other: Any) -> Audit:
    """Return one audit, drawn unless said otherwise, entered `number` minutes after the start."""
    given: dict[str, Any] = {"draw": 0.001, "floor": 0.01, "probability": 0.01, "flagged": False, "key": f"r{number}"}
    at = START + timedelta(minutes=number)
    return Audit(score=score, wrong=wrong, at=at, **{**given, **other})


def audits(scores: NDArray[np.float64], wrong: NDArray[np.bool_]) -> list[Audit]:
    """Return one drawn audit for each score."""
    pairs = zip(scores.tolist(), wrong.tolist(), strict=True)
    return [audit(number, score=score, wrong=bad) for number, (score, bad) in enumerate(pairs)]


def traffic(
    n: int, seed: int, *, base: float = 0.01, quality: float = 2.0
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return scores that are worth something, and which records are wrong."""
    draws = np.random.default_rng(seed)
    wrong = draws.random(n) < base
    scores = 1 / (1 + np.exp(-(draws.normal(size=n) + quality * wrong)))
    return scores, wrong
