from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from engine.intervals import clopper_pearson, proportion, share


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        (0, 10, 0.0, 0.3085),  # the table values of Clopper and Pearson (1934), to four digits
        (10, 10, 0.6915, 1.0),
        (1, 10, 0.0025, 0.4450),
        (5, 10, 0.1871, 0.8129),
        (0, 1, 0.0, 0.975),
    ],
)
def test_the_interval_is_the_published_one(k: int, n: int, low: float, high: float) -> None:
    assert clopper_pearson(k, n) == pytest.approx((low, high), abs=5e-5)


def test_none_wrong_and_all_wrong_touch_the_ends_exactly() -> None:
    assert proportion(0, 7).low == 0.0
    assert proportion(0, 7).high == pytest.approx(1 - 0.025 ** (1 / 7))
    assert proportion(7, 7).high == 1.0
    assert proportion(7, 7).low == pytest.approx(0.025 ** (1 / 7))


def test_no_data_is_no_statement_and_never_zero_percent() -> None:
    nothing = proportion(0, 0)
    assert (nothing.value, nothing.low, nothing.high) == (None, None, None)
    assert share([]) == nothing


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_it_is_the_beta_quantile_and_holds_the_share(case: tuple[int, int], confidence: float) -> None:
    k, n = case
    interval = clopper_pearson(k, n, confidence)
    assert interval is not None
    low, high = interval
    tail = (1 - confidence) / 2
    assert low <= k / n <= high
    assert low == pytest.approx(beta.ppf(tail, k, n - k + 1) if k else 0.0, abs=1e-12)
    assert high == pytest.approx(beta.ppf(1 - tail, k + 1, n - k) if k < n else 1.0, abs=1e-12)


def test_more_data_narrows_it() -> None:
    few, many = proportion(1, 10), proportion(100, 1000)
    assert few.high is not None
    assert many.high is not None
    assert many.high < few.high


@pytest.mark.parametrize(("k", "n", "confidence"), [(-1, 3, 0.95), (4, 3, 0.95), (1, 3, 1.0), (1, 3, 0.0)])
def test_impossible_counts_are_refused(k: int, n: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="must hold"):
        clopper_pearson(k, n, confidence)
