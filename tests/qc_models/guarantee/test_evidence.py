from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qc_models.guarantee import bounds
from qc_models.guarantee.evidence import (
    DOWN,
    FINE_DOWN,
    FINE_UP,
    UP,
    count_lower,
    count_upper,
    happened_upper,
    log_evidence,
    rate_lower,
    rate_upper,
)
from qc_models.guarantee.sequential import ALL, State, Watch, after, certified, start_weight


def test_weights_add_up_to_one() -> None:
    for tilts in (DOWN, UP, FINE_DOWN, FINE_UP):
        assert sum(weight for _, weight in tilts) == pytest.approx(1)
    assert start_weight(np.arange(1, 100_000)).sum() < 1


def test_the_mixture_is_the_likelihood_ratio_of_the_field() -> None:
    alpha, k, n = 0.001, 3, 5_000
    ratio = 0.0
    for tilt, weight in DOWN[1:]:
        q = tilt * alpha / (1 - alpha * (1 - tilt))
        ratio += weight * (q / alpha) ** k * ((1 - q) / (1 - alpha)) ** (n - k)
    assert log_evidence(k, n, alpha) == pytest.approx(math.log(ratio))


def test_certifying_at_any_time_costs_less_than_a_tenth_more() -> None:
    first = next(n for n in range(29_956, 40_000) if certified(0, n, 0.0001, 0.05))
    assert 29_956 < first < 1.1 * 29_956
    assert not certified(0, first, 0.0001, 0.05, sensitivity=0.85)
    assert certified(0, math.ceil(first / 0.85), 0.0001, 0.05, sensitivity=0.85)


@settings(max_examples=60)
@given(st.integers(0, 60), st.integers(1, 3_000), st.floats(0.001, 0.2))
def test_any_time_bounds_enclose_the_exact_ones(k: int, n: int, delta: float) -> None:
    k = min(k, n)
    assert rate_lower(k, n, delta) <= bounds.lower(k, n, delta) + 1e-9
    assert rate_upper(k, n, delta) >= bounds.upper(k, n, delta) - 1e-9


@settings(max_examples=60)
@given(st.integers(0, 50), st.floats(0.005, 1), st.integers(0, 2_000))
def test_count_bounds_grow_with_what_is_found_and_hold_it(seen: int, chance: float, more: int) -> None:
    size = seen + more
    high = count_upper(seen, chance, size, 0.05)
    assert count_lower(seen, chance, 0.05) <= max(seen, math.ceil(seen / chance))
    assert seen <= high <= size
    assert high + 1 <= count_upper(seen + 1, chance, size + 1, 0.05)


def test_counting_needs_no_model_of_the_errors() -> None:
    assert count_upper(0, 1.0, 10_000, 0.05) == 0  # all were looked at and noticed
    assert count_upper(0, 0.0, 10_000, 0.05) == 10_000
    draws = np.random.default_rng(1)
    broken = 0
    for _ in range(120):
        wrong, found, missed = 0, 0, False
        for day in range(20):
            new = 40 if day == 11 else 1  # a cluster
            wrong, found = wrong + new, found + int(draws.binomial(new, 0.1))
            missed |= wrong > count_upper(found, 0.1, 100_000, 0.1)
        broken += missed
    assert broken <= 0.1 * 120


def test_what_happened_is_more_than_its_mean() -> None:
    assert [happened_upper(rate, n, 0.05) for rate, n in ((0.0, 100), (1.0, 100), (0.5, 0))] == [0, 100, 0]
    assert 5 < happened_upper(0.005, 1_000, 0.05) < 20


def test_k_0_and_k_n_and_no_audit() -> None:
    assert (rate_lower(0, 0, 0.05), rate_upper(0, 0, 0.05)) == (0.0, 1.0)
    assert rate_upper(50, 50, 0.05) == 1.0
    assert rate_lower(50, 50, 0.05) > 0.9
    assert rate_lower(0, 50, 0.05) == 0.0


def test_an_alarm_comes_soon_after_a_jump_although_times_were_good_and_is_not_forgotten() -> None:
    draws = np.random.default_rng(2)
    good = Watch(0.001, 0.05).after(ALL, draws.random(20_000) < 0.0002)
    assert good.certified()
    assert not good.alarms()
    bad = good.after(ALL, draws.random(2_000) < 0.02)
    assert bad.alarms() == (ALL,)
    assert not bad.certified()
    assert bad.after(ALL, [False] * 10_000).alarms() == (ALL,)


def test_audits_in_one_batch_or_one_by_one_are_the_same_evidence() -> None:
    outcomes = np.random.default_rng(3).random(300) < 0.05
    batch, single = after(State(), outcomes, 0.01), State()
    for outcome in outcomes:
        single = after(single, [outcome], 0.01)
    assert single.capital == pytest.approx(batch.capital)
    assert (single.k, single.n) == (batch.k, batch.n)
    assert single.peak == pytest.approx(batch.peak)


def test_false_alarms_are_rarer_than_delta_at_exactly_alpha() -> None:
    draws = np.random.default_rng(4)
    watches = [Watch(0.02, 0.1).after(ALL, draws.random(3_000) < 0.02) for _ in range(60)]
    assert sum(bool(one.alarms()) for one in watches) <= 0.1 * 60


def test_segments_share_delta_and_an_unseen_one_fails_closed() -> None:
    watch = Watch(0.01, 0.05, segments=("north", "south")).after("north", [False] * 1_000)
    assert (watch.delta_of(ALL), watch.delta_of("north")) == (0.025, 0.0125)
    assert watch.certified("north")
    assert not watch.certified("south")
    assert watch.certified()
    assert not watch.after("west", [False]).certified()
    assert watch.after("south", [True] * 3).alarms() == ("south",)


def test_a_watch_fits_into_a_ledger_row() -> None:
    watch = Watch(0.01, 0.05, segments=("north",), notice=0.99)
    assert Watch.from_json(watch.to_json()) == watch
    later = watch.after("north", [False, True]).after("west", [False])
    assert Watch.from_json(later.to_json()) == later
    assert later.bounds("north")[1] == 1.0
    assert later.bounds("nowhere", sensitivity=0.5) == (0.0, 1.0)
