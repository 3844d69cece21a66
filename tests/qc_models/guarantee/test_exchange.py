from __future__ import annotations

import numpy as np
import pytest

from qc_models.guarantee.exchange import changed, ranks


def test_ranks_are_uniform_although_scores_are_tied() -> None:
    draws = np.random.default_rng(1)
    found = ranks(draws.integers(0, 3, 4_000), draws.random(4_000))
    assert np.histogram(found, bins=4)[0] / 4_000 == pytest.approx([0.25] * 4, abs=0.03)


def test_exchangeability_broken_by_time_is_noticed() -> None:
    draws = np.random.default_rng(2)
    scores = np.concatenate([draws.normal(size=1_000), draws.normal(0.8, size=1_000)])
    at = changed(scores, draws.random(2_000), 0.01)
    assert at is not None
    assert 1_000 < at < 1_300


def test_a_shuffled_order_raises_no_more_than_delta_false_alarms() -> None:
    alarms = 0
    for seed in range(200):
        draws = np.random.default_rng(seed)
        alarms += changed(draws.beta(0.5, 5, size=300), draws.random(300), 0.1) is not None
    assert alarms <= 0.1 * 200
