from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import UserError
from qc_models.guarantee import bounds
from qc_models.guarantee.learn_then_test import (
    calibrate,
    calibrate_arrays,
    counts,
    fixed_positions,
    grid_of,
    positions,
    spend,
    walk,
)
from tests.qc_models.guarantee.samples import audits, traffic

CLEAN = np.zeros(400, dtype=bool)
SCORES = np.linspace(0.001, 0.9, 400)


def test_n_under_n_min_is_refused_and_says_how_many_are_missing() -> None:
    found = calibrate_arrays(SCORES[:298], CLEAN[:298], grid_of(SCORES[:298]), alpha=0.01, delta=0.05)
    assert (found.threshold, found.missing, found.review_at) == (None, 1, 0.0)
    nothing = calibrate([], grid_of(SCORES), alpha=0.0001, delta=0.05)
    assert nothing.missing == 29_956
    assert "at least 29956 more audits without a defect are missing" in nothing.reason


def test_n_min_without_a_defect_is_enough_for_everything() -> None:
    found = calibrate_arrays(SCORES[:299], CLEAN[:299], grid_of(SCORES[:299]), alpha=0.01, delta=0.05)
    assert (found.k, found.n, found.coverage) == (0, 299, 1.0)
    assert found.p_value <= 0.05


def test_k_equal_to_n_passes_nothing() -> None:
    found = calibrate_arrays(SCORES, ~CLEAN, grid_of(SCORES), alpha=0.01, delta=0.05)
    assert found.threshold is None
    assert found.missing > 299


def test_an_empty_pass_set_proves_nothing() -> None:
    found = calibrate_arrays(SCORES + 1, CLEAN, grid_of(SCORES), alpha=0.01, delta=0.05)
    assert found.threshold is None


def test_ties_at_t_go_in_together_and_the_product_agrees() -> None:
    scores = np.repeat([0.1, 0.2, 0.3], [400, 400, 400])
    wrong = np.repeat([0, 0, 1], [400, 400, 400]).astype(bool)
    found = calibrate_arrays(scores, wrong, grid_of(scores, points=7), alpha=0.01, delta=0.05)
    assert (found.threshold, found.n, found.k) == (0.2, 800, 0)
    reviewed = scores >= found.review_at  # the product: review at or over the threshold
    assert np.array_equal(~reviewed, scores <= found.threshold)
    assert found.review_at == math.nextafter(0.2, 1)


@given(st.floats(0, 1))
def test_review_at_maps_pass_sets_exactly(score: float) -> None:
    assert not score >= math.nextafter(score, math.inf)
    assert math.nextafter(score, math.inf) >= math.nextafter(score, math.inf)


def test_auditor_error_makes_the_test_stricter() -> None:
    grid = grid_of(SCORES)
    sharp = calibrate_arrays(SCORES, CLEAN, grid, alpha=0.01, delta=0.05)
    tired = calibrate_arrays(SCORES, CLEAN, grid, alpha=0.01, delta=0.05, sensitivity=0.7)
    assert sharp.threshold == grid.thresholds[-1]
    assert tired.threshold is None
    assert bounds.audits_needed(0.01 * 0.7, 0.05) == 427
    unknown = calibrate_arrays(SCORES, CLEAN, grid, alpha=0.01, delta=0.05, sensitivity=0.0)
    assert "plant canaries" in unknown.reason


def test_re_tuning_after_a_look_spends_delta() -> None:
    assert sum(spend(0.05, index) for index in range(1, 100_000)) == pytest.approx(0.05, rel=1e-4)
    assert spend(0.05, 2) == pytest.approx(spend(0.05, 1) / 4)
    with pytest.raises(ValueError, match="count from 1"):
        spend(0.05, 0)


def test_the_grid_is_fixed_by_unlabelled_scores_and_named_by_its_hash() -> None:
    scores, _ = traffic(5_000, 1)
    grid = grid_of(scores)
    assert grid == grid_of(scores[::-1])
    assert grid.digest == grid_of(scores).digest != grid_of(scores[1:]).digest
    assert grid.shares[-1] == 1.0
    with pytest.raises(UserError, match="needs the scores"):
        grid_of([])


def test_three_starts_only_where_the_sample_allows() -> None:
    scores, _ = traffic(5_000, 1)
    grid = grid_of(scores)
    assert len(positions(grid, 400, 0.01, 0.05)) == 1
    assert len(positions(grid, 2_000, 0.01, 0.05)) == 3
    assert positions(grid, 100, 0.01, 0.05) == ()


def test_looking_again_and_again_spends_delta_once() -> None:
    grid = grid_of(SCORES)
    given = {"alpha": 0.01, "delta": 0.05}
    few = calibrate_arrays(SCORES[:100], CLEAN[:100], grid, **given, any_time=True)
    assert few.missing > 100
    alpha, delta, broken = 0.02, 0.1, 0
    for seed in range(80):
        draws = np.random.default_rng(seed)
        scores, wrong = draws.random(2_000), draws.random(2_000) < 1.02 * alpha  # the score is worth nothing
        looks = [
            calibrate_arrays(scores[:n], wrong[:n], grid_of(SCORES / 0.9), alpha=alpha, delta=delta, any_time=True)
            for n in range(500, 2_001, 500)
        ]
        broken += any(look.accepted for look in looks)
    assert broken <= delta * 80
    assert fixed_positions(grid) == (24, 49, 74)


def test_one_early_mistake_does_not_stop_three_walks() -> None:
    p = np.array([0.9, 0.9, 0.01, 0.01, 0.01, 0.9, 0.0])
    assert walk(p, (0, 2, 4), 0.05) == (2, 3, 4)
    assert walk(p, (0,), 0.05) == ()


def test_a_walk_takes_the_part_of_the_next_start_along() -> None:
    p = np.array([0.01, 0.02, 0.045, 0.045])
    assert walk(p, (0, 2), 0.05) == (0, 1, 2, 3)
    assert walk(np.array([0.9, *p[1:]]), (0, 2), 0.05) == ()
    assert walk(p, (), 0.05) == ()


def test_segments_need_their_own_audits() -> None:
    segments = 10
    each = bounds.audits_needed(0.001, 0.05 / segments)
    assert each == pytest.approx(math.log(segments / 0.05) / 0.001, rel=1e-3)


def test_counts_are_those_of_each_pass_set() -> None:
    scores, wrong = traffic(500, 2, base=0.2)
    grid = grid_of(scores[:300], points=20)
    k, n = counts(scores, wrong, grid)
    for at, threshold in enumerate(grid.thresholds):
        assert (k[at], n[at]) == (wrong[scores <= threshold].sum(), (scores <= threshold).sum())


def test_the_promise_is_broken_in_no_more_than_delta_of_the_streams() -> None:
    alpha, delta, broken, naive = 0.02, 0.1, 0, 0
    population, population_wrong = traffic(200_000, 5, base=0.05, quality=1.5)
    grid = grid_of(population)
    k, n = counts(population, population_wrong, grid)
    true = k / n
    for seed in range(300):
        at = np.random.default_rng(seed).integers(0, len(population), 1_500)
        scores, wrong = population[at], population_wrong[at]
        found = calibrate_arrays(scores, wrong, grid, alpha=alpha, delta=delta)
        broken += found.threshold is not None and true[found.accepted[-1]] > alpha
        seen, of = counts(scores, wrong, grid)
        good = np.flatnonzero((seen <= alpha * of) & (of > 0))
        naive += len(good) > 0 and true[good[-1]] > alpha
    assert broken <= delta * 300
    assert naive > 2 * delta * 300


def test_calibrate_reads_audits_as_arrays() -> None:
    scores, wrong = traffic(2_000, 7)
    grid = grid_of(scores)
    assert calibrate(audits(scores, wrong), grid, alpha=0.01, delta=0.05) == calibrate_arrays(
        scores, wrong, grid, alpha=0.01, delta=0.05
    )


def test_mapie_finds_the_same_p_values_and_walks_the_same_way() -> None:
    methods = pytest.importorskip("mapie.risk_control.methods")
    fwer = pytest.importorskip("mapie.risk_control.fwer_control")
    for seed in range(5):
        scores, wrong = traffic(3_000, seed, base=0.02)
        grid = grid_of(scores)
        k, n = counts(scores, wrong, grid)
        ours = bounds.p_values(k, n, 0.01)
        rates = np.nextafter(k / n, 0)  # MAPIE rounds n x rate up
        theirs = methods.compute_hoeffding_bentkus_p_value(rates, n, np.array([0.01]), binary=True)[:, 0]
        assert np.allclose(ours, theirs, rtol=1e-6)
        start = int(np.flatnonzero(n >= bounds.least(0.01, 0.05))[0])
        rejected = fwer.control_fwer(theirs[start:], 0.05, fwer_method=fwer.FWERFixedSequenceTesting(n_starts=1))
        assert walk(ours, (start,), 0.05) == tuple((start + rejected).tolist())
