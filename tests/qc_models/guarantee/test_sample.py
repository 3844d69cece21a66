from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from engine.errors import UserError
from qc_models.guarantee.learn_then_test import calibrate, grid_of
from qc_models.guarantee.sample import (
    audit_probability,
    certification_sample,
    one_each,
    part_of,
    refuse_reuse,
    split,
)
from tests.qc_models.guarantee.samples import START, audit


def test_only_draws_under_the_floor_certify_whatever_the_top_up_was() -> None:
    doubted = audit(1, draw=0.3, probability=audit_probability(0.4, 0.01, kappa=1.0), wrong=True)
    flagged = audit(2, draw=0.9, probability=1.0, flagged=True, wrong=True)
    flagged_and_drawn = audit(3, draw=0.005, probability=1.0, flagged=True, wrong=True)
    picked = audit(4, draw=None, wrong=False)
    sample = certification_sample([doubted, flagged, flagged_and_drawn, picked, audit(5)])
    assert [one.key for one in sample] == ["r3", "r5"]


def test_a_window_in_which_everything_was_reviewed_is_a_sample_of_all() -> None:
    held = [audit(number, draw=number / 10, floor=1.0, probability=1.0) for number in range(5)]
    flagged = audit(7, draw=0.7, probability=1.0, flagged=True, wrong=True)
    sample = certification_sample([*held, flagged])
    assert [one.key for one in sample] == ["r0", "r1", "r2", "r3", "r4", "r7"]
    assert {one.floor for one in sample} == {1.0}
    later = audit(9, draw=0.05, floor=0.02)
    assert [one.key for one in certification_sample([*held, flagged, later])] == ["r0"]


def test_flagged_only_labels_are_refused() -> None:
    with pytest.raises(UserError, match="all records are flagged ones"):
        certification_sample([audit(1, draw=0.001, flagged=True, probability=1.0)])
    with pytest.raises(UserError, match="less than the given floor"):
        certification_sample([audit(1)], floor=0.5)


def test_the_floor_sample_shows_the_true_rate_although_the_top_up_looks_where_errors_are() -> None:
    draws = np.random.default_rng(3)
    doubt = draws.random(20_000) ** 4
    bad = draws.random(20_000) < doubt / 10
    chance = [audit_probability(p, 0.2, kappa=2.0) for p in doubt.tolist()]
    records = [
        audit(i, score=doubt[i], draw=float(u), floor=0.2, probability=chance[i], wrong=bool(bad[i]))
        for i, u in enumerate(draws.random(20_000))
    ]
    looked = [one for one in records if one.draw is not None and one.draw < one.probability]
    sample = certification_sample(records)
    assert np.mean([bool(one.wrong) for one in sample]) == pytest.approx(bad.mean(), abs=0.006)
    assert np.mean([bool(one.wrong) for one in looked]) > 1.4 * bad.mean()


def test_selection_biased_labels_are_refused_by_construction() -> None:
    for biased in (audit(1, draw=None), audit(1, draw=0.5, flagged=True, probability=1.0)):
        with pytest.raises(UserError, match="not drawn at random"):
            calibrate([biased], grid_of([0.1]), alpha=0.01, delta=0.05)


def test_right_duplicates_count_once_by_key_and_by_content() -> None:
    again = audit(9, key="r1", wrong=False)
    near = [audit(number, content="same") for number in (20, 21, 22)]
    assert [one.key for one in one_each([audit(1), again])] == ["r1"]
    assert [one.key for one in certification_sample([audit(1), again, *near])] == ["r1", "r20"]
    with pytest.raises(UserError, match="twice"):
        calibrate([audit(1), again], grid_of([0.1]), alpha=0.01, delta=0.05)


def test_a_mistake_that_repeats_is_as_many_mistakes_and_right_ones_that_say_the_same_do_not_outweigh_it() -> None:
    near = [audit(number, content="same", wrong=number in {21, 23}) for number in range(20, 25)]
    assert [one.key for one in certification_sample([*near, audit(30)])] == ["r21", "r23", "r30"]


def test_a_repeated_mistake_is_not_hidden_by_the_luck_of_its_first_draw() -> None:
    draws = np.random.default_rng(4).random(2_000)
    records = [
        audit(i, draw=float(u), floor=0.1, wrong=i % 2 == 0, content="same" if i % 2 == 0 else str(i))
        for i, u in enumerate(draws)
    ]
    sample = certification_sample(records)
    assert np.mean([bool(one.wrong) for one in sample]) == pytest.approx(0.5, abs=0.1)


def test_labels_changed_later_are_evaluated_anew() -> None:
    first, later = audit(1, wrong=False), replace(audit(1, wrong=True), at=START + timedelta(days=1))
    assert [one.wrong for one in certification_sample([later, first])] == [True]
    assert [one.wrong for one in certification_sample([first, replace(later, wrong=None)])] == [False]


def test_delayed_truth_is_not_left_out() -> None:
    records = [audit(1), audit(2, wrong=None), audit(3, wrong=True)]
    with pytest.raises(UserError, match="1 of 3 drawn records are not reviewed yet, the oldest is r2"):
        certification_sample(records)
    assert [one.key for one in certification_sample(records, before=records[1].at)] == ["r1"]
    assert [one.wrong for one in certification_sample(records, overdue="wrong")] == [False, True, True]


def test_a_higher_rate_for_a_while_does_not_overweight_that_while() -> None:
    normal = [audit(number, draw=0.004) for number in range(3)]
    tightened = [audit(number, draw=draw, floor=0.1) for number, draw in ((10, 0.004), (11, 0.05))]
    assert [one.key for one in certification_sample([*normal, *tightened])] == ["r0", "r1", "r2", "r10"]


def test_the_same_records_for_threshold_and_report_are_refused() -> None:
    records = [audit(number) for number in range(1_000)]
    chosen, reported = split(records, "salt")
    refuse_reuse(chosen, reported)
    assert len(chosen) + len(reported) == 1_000
    assert 400 < len(chosen) < 600
    with pytest.raises(UserError, match="cannot report on it too"):
        refuse_reuse(chosen, [*reported, chosen[0]])
    assert part_of("r1", "salt") == part_of("r1", "salt") != part_of("r1", "other")
