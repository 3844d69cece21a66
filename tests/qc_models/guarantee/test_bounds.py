from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from engine.errors import UserError
from qc_models.guarantee import bounds


@pytest.mark.parametrize(
    ("alpha", "allowed"),
    [
        (0.01, [299, 473, 628, 773, 913]),
        (0.001, [2_995, 4_742, 6_294, 7_752, 9_151]),
        (0.0001, [29_956, 47_437, 62_956, 77_535, 91_533]),
    ],
)
def test_audits_needed_are_those_of_the_table(alpha: float, allowed: list[int]) -> None:
    assert [bounds.audits_needed(alpha, 0.05, k) for k in range(5)] == allowed
    assert bounds.least(alpha, 0.05) == allowed[0]


def test_audits_needed_at_99_percent() -> None:
    assert [bounds.audits_needed(alpha, 0.01) for alpha in (0.01, 0.001, 0.0001)] == [459, 4_603, 46_050]


def test_finite_lots_need_fewer_audits_and_small_ones_nearly_all() -> None:
    sizes = {1_000: 950, 5_000: 4_750, 10_000: 7_764, 50_000: 19_651, 100_000: 23_840, 1_000_000: 29_224}
    assert {size: bounds.lot_audits(size, 0.0001, 0.05) for size in sizes} == sizes
    assert bounds.lot_audits(5_000, 0.0001, 0.05, allowed=1) is None


def test_k_0_and_k_n_and_n_0() -> None:
    assert bounds.upper(0, 299, 0.05) == pytest.approx(0.01, rel=1e-2)
    assert bounds.upper(7, 7, 0.05) == 1.0 == bounds.upper(0, 0, 0.05)
    assert bounds.lower(0, 7, 0.05) == 0.0 == bounds.lower(0, 0, 0.05)
    assert bounds.lower(598, 598, 0.05) >= 0.995 > bounds.lower(597, 597, 0.05)
    assert bounds.p_values([0, 7, 0], [7, 7, 0], 0.1) == pytest.approx([0.9**7, 1, 1])


@pytest.mark.parametrize(("k", "n", "delta"), [(-1, 5, 0.05), (6, 5, 0.05), (1, 5, 0), (1, 5, 1)])
def test_impossible_counts_are_refused(k: int, n: int, delta: float) -> None:
    with pytest.raises(ValueError, match="must hold"):
        bounds.upper(k, n, delta)


@pytest.mark.parametrize(("alpha", "delta"), [(0, 0.05), (1, 0.05), (0.01, 0), (0.01, 1)])
def test_what_samples_cannot_prove_is_refused(alpha: float, delta: float) -> None:
    with pytest.raises(UserError, match="choose one between 0 and 1"):
        bounds.audits_needed(alpha, delta)


@given(st.integers(0, 40), st.integers(1, 400), st.floats(0.001, 0.3))
def test_bounds_are_where_the_exact_chance_is_delta(k: int, n: int, delta: float) -> None:
    k = min(k, n)
    high, low = bounds.upper(k, n, delta), bounds.lower(k, n, delta)
    assert low <= k / n <= high
    if k < n:
        assert stats.binom.cdf(k, n, high) == pytest.approx(delta, rel=1e-6)
        assert float(bounds.p_values(k, n, high)) == pytest.approx(delta, rel=1e-6)
    if k:
        assert stats.binom.sf(k - 1, n, low) == pytest.approx(delta, rel=1e-6)


@settings(max_examples=50)
@given(st.integers(1, 300), st.data())
def test_a_lots_bound_is_the_last_that_is_not_refuted(size: int, data: st.DataObject) -> None:
    n = data.draw(st.integers(0, size))
    k = data.draw(st.integers(0, n))
    most = bounds.lot_upper(k, n, size, 0.05)
    assert k <= most <= size - (n - k)
    assert most == size - (n - k) or stats.hypergeom.cdf(k, size, most + 1, n) <= 0.05 * (1 + 1e-6)
    assert most == k or stats.hypergeom.cdf(k, size, most, n) > 0.05 * (1 - 1e-6)
