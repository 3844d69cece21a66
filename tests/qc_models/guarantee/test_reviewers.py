from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from qc_models.guarantee.residual import Budget, Split, Window, budget, residual
from qc_models.guarantee.reviewers import Canaries, SecondReviews, canaries_needed, false_corrections, sensitivity

PLAN = Canaries(planted=600, found=600, decoys=600, broken=0)


def test_six_hundred_canaries_show_that_reviewers_find_99_5_percent() -> None:
    assert canaries_needed(0.995, 0.05) == 598
    assert sensitivity(PLAN, delta=0.05).lower >= 0.995
    assert false_corrections(PLAN, delta=0.05) <= 0.005


def test_without_canaries_nothing_is_known() -> None:
    known = sensitivity(Canaries(), delta=0.05)
    assert (known.lower, known.estimate, known.source) == (0.0, None, "nothing")
    assert false_corrections(Canaries(), delta=0.05) == 1.0
    alone = sensitivity(Canaries(), SecondReviews(both=99, second_only=1), delta=0.05)
    assert alone.lower == 0.0  # agreement alone cannot see what both miss


def test_two_hundred_canaries_tell_the_sensitivity_to_two_points() -> None:
    found = np.random.default_rng(1).binomial(200, 0.95, size=2_000)
    assert np.median(np.abs(found / 200 - 0.95)) <= 0.02
    lows = [sensitivity(Canaries(200, int(k)), delta=0.05).lower for k in found[:500]]
    assert np.mean([low > 0.95 for low in lows]) <= 0.05


def test_second_reviews_refute_canaries_that_were_too_easy() -> None:
    hard = SecondReviews(both=60, first_only=10, second_only=40, neither=900)
    known = sensitivity(PLAN, hard, delta=0.05)
    assert known.source == "second reviews"
    assert known.lower < 0.6
    assert "too easy" in known.reason
    agreed = sensitivity(PLAN, SecondReviews(both=70, second_only=0, neither=900), delta=0.05)
    assert agreed.source == "canaries"


def test_kappa_is_cohens_and_capture_recapture_chapmans() -> None:
    pairs = SecondReviews(both=20, first_only=5, second_only=10, neither=65)
    first = [1] * 25 + [0] * 75
    second = [1] * 20 + [0] * 5 + [1] * 10 + [0] * 65
    assert pairs.kappa == pytest.approx(cohen_kappa_score(first, second))
    assert pairs.missed_by_both == pytest.approx(26 * 31 / 21 - 1 - 35)
    assert SecondReviews().kappa is None
    assert SecondReviews(neither=5).kappa is None
    assert SecondReviews(first_only=3).missed_by_both is None


def test_the_residual_adds_what_escaped_what_was_missed_and_what_was_broken() -> None:
    window = Window(passed=90_000, flagged=2_000, floor=0.1, found=0, audited=9_000, flagged_wrong=1_000)
    now = residual(window, PLAN, delta=0.05)
    assert now.wrong == now.escaped + now.missed + now.broken
    assert now.rho == now.wrong / 92_000
    assert 0 < now.missed < 40
    tired = residual(window, Canaries(600, 510, 600, 0), delta=0.05)
    assert tired.missed > 150
    assert tired.escaped > now.escaped


def test_nothing_known_is_said_and_not_hidden() -> None:
    assert residual(Window(0, 0, 0.01), Canaries(), delta=0.05).rho is None
    dark = residual(Window(1_000, 10, 0.0, flagged_wrong=5), Canaries(), delta=0.05)
    assert dark.wrong == 1_010
    assert len(dark.missing) == 3


def test_confirmed_corrections_broke_nothing() -> None:
    window = Window(passed=9_000, flagged=1_000, floor=0.1, audited=900, flagged_wrong=40)
    assert residual(window, Canaries(600, 600), delta=0.05).broken == 40
    assert residual(replace(window, confirmed=40), Canaries(600, 600), delta=0.05).broken == 0
    with pytest.raises(ValueError, match="more confirmed than called wrong"):
        residual(replace(window, confirmed=41), PLAN, delta=0.05)


def test_the_error_budget_says_how_many_may_still_go_through() -> None:
    now = residual(Window(passed=90_000, flagged=0, floor=1.0, audited=90_000), Canaries(600, 600, 90_000), delta=0.05)
    assert str(budget(now, 0.001, planned=100_000)).startswith("you may still let ")
    assert Budget(10, 3).left == 7
    assert str(Budget(10, 30)) == "not shown to be kept: up to 30 records may be wrong, 10 are allowed"


@given(st.integers(0, 50), st.integers(0, 50))
def test_more_found_is_never_a_better_bound(found: int, wrong: int) -> None:
    worse = residual(Window(5_000, 200, 0.1, found + 1, 0, 500, wrong + 1), PLAN, delta=0.05)
    assert worse.wrong >= residual(Window(5_000, 200, 0.1, found, 0, 500, wrong), PLAN, delta=0.05).wrong


def test_a_split_that_spends_more_than_delta_is_refused() -> None:
    with pytest.raises(ValueError, match="add up to 1"):
        residual(Window(10, 0, 0.1), PLAN, delta=0.05, split=Split(escaped=0.9))
    with pytest.raises(ValueError, match="more found than audited"):
        residual(Window(10, 0, 0.1, found=1), PLAN, delta=0.05)
    with pytest.raises(ValueError, match="more wrong than flagged"):
        residual(Window(10, 0, 0.1, flagged_wrong=1), PLAN, delta=0.05)
