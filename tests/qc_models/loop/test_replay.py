"""Replay on traffic with known truth: unbiased, covered by its intervals, and never better than what people saw."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from qc_models.loop.betting import mean_interval, ratio_interval
from qc_models.loop.replay import Traffic, by_segment, compare, queue_change, sentence
from qc_models.loop.rule import Rule, decide, least_records


def made(
    rng: np.random.Generator,
    n: int,
    *,
    base: float = 0.03,
    audit: float = 0.2,
    recall: tuple[float, float] = (0.8, 0.9),
    alarms: tuple[float, float] = (0.08, 0.06),
    late: float = 0.0,
) -> tuple[Traffic, np.ndarray]:
    """Draw traffic of two models whose mistakes go together, and its truth."""
    wrong, easy = rng.random(n) < base, rng.random(n)
    seen = np.where(rng.random(n) < 0.7, easy, rng.random(n))
    old = np.where(wrong, easy < recall[0], rng.random(n) < alarms[0])
    new = np.where(wrong, seen < recall[1], rng.random(n) < alarms[1])
    probability = np.where(old, 1.0, audit)
    selected = rng.random(n) < probability
    labelled = selected & (rng.random(n) >= late)
    groups = np.where(rng.random(n) < 0.5, "a", "b")
    return Traffic(old, new, probability, selected, labelled, wrong & labelled, {"side": groups}, n), wrong


def test_the_intervals_cover_the_truth_and_the_estimate_is_unbiased() -> None:
    rng, truth, covered, estimates = np.random.default_rng(3), 0.03 * (0.9 - 0.8), [], []
    for _ in range(100):
        traffic, wrong = made(rng, 1_500)
        found = compare(traffic)
        estimates.append(found.improvement.value)
        residual = float((wrong & ~traffic.challenger).sum() / (~traffic.challenger).sum())
        queue = (0.03 * 0.9 + 0.97 * 0.06) / (0.03 * 0.8 + 0.97 * 0.08)
        covered.append(
            found.improvement.low <= truth <= found.improvement.high
            and found.challenger.residual.low <= residual <= found.challenger.residual.high
            and found.challenger.recall.low <= 0.9 <= found.challenger.recall.high
            and found.queue_ratio.low <= queue <= found.queue_ratio.high
        )
    assert np.mean(covered) >= 0.95
    assert abs(np.mean(estimates) - truth) < 4 * np.std(estimates) / np.sqrt(len(estimates))


def test_what_waits_for_a_person_counts_against_the_challenger() -> None:
    rng = np.random.default_rng(4)
    traffic, _ = made(rng, 3_000, late=0.3)
    waiting = compare(traffic).improvement
    nobody = compare(traffic.only(~traffic.waiting)).improvement
    assert waiting.low < nobody.low
    assert waiting.value == nobody.value


def test_a_flag_given_up_that_waits_counts_as_much_as_it_would_if_it_were_wrong() -> None:
    """The champion need not have decided at the time: what it flags may have been a pass that was drawn at 1 in 20."""
    n = 400
    old = np.arange(n) < 40
    nothing = np.zeros(n, dtype=bool)
    traffic = Traffic(old, nothing, np.full(n, 0.05), ~nothing, ~old, nothing, {}, n)
    decided = replace(traffic, labelled=~nothing, wrong=old)
    assert compare(traffic).improvement.low <= compare(decided).improvement.low


def test_an_unaudited_pass_is_never_counted_as_an_error() -> None:
    rng = np.random.default_rng(5)
    traffic, _ = made(rng, 2_000)
    blind = replace(traffic, wrong=traffic.wrong | ~traffic.selected)  # whatever it says where nobody looked
    assert compare(blind).as_dict() == compare(traffic).as_dict()


def test_losing_nothing_on_enough_records_is_proof_and_losing_is_refused() -> None:
    n = least_records(0.002, 0.05)
    flags = np.arange(n) % 10 == 0
    nothing, everything = np.zeros(n, dtype=bool), np.ones(n)
    fewer = flags & (np.arange(n) % 20 != 0)
    same = Traffic(flags, fewer, np.where(flags, 1.0, 0.05), flags, flags, nothing, {}, n)
    assert decide(same, Rule()).allowed
    short = decide(same.only(np.arange(n) < n // 2), replace(Rule(), least_shadow=0))
    assert not short.allowed
    assert "it may lose more than 2 per 1,000" in short.objections[0]
    dropped = flags & ~fewer
    harmful = replace(same, wrong=dropped & (np.arange(n) % 200 == 0), probability=everything)
    assert not decide(harmful, Rule()).allowed


def test_a_segment_that_gets_worse_stops_a_model_that_is_better_overall() -> None:
    n = 9_000
    number = np.arange(n)
    side = np.where(number % 4 == 0, "b", "a")
    wrong = number % 25 == 0
    flagged = number % 5 == 0
    old = flagged & ~(wrong & (side == "a") & (number % 2 == 1))
    new = flagged & ~(wrong & (side == "b"))
    traffic = Traffic(old, new, np.ones(n), np.ones(n, dtype=bool), np.ones(n, dtype=bool), wrong, {"side": side}, n)
    decision = decide(traffic, Rule())
    assert decision.overall.improvement.low > 0
    assert [text.split(":")[0:2] for text in decision.objections] == [["side", " b"]]


def test_small_segments_are_judged_together() -> None:
    rng = np.random.default_rng(6)
    traffic, _ = made(rng, 1_000)
    names = np.array([f"s{number % 40}" for number in range(990)] + ["big"] * 10)
    found = by_segment(replace(traffic, segments={"supplier": names}), 100, 0.05)
    assert list(found) == ["supplier: smaller groups"]


def test_the_sentence_says_counts_bounds_and_records() -> None:
    n = 4_210
    number = np.arange(n)
    wrong = number < 4
    old = (number >= 100) & (number < 500)
    new = (number < 3) | ((number >= 100) & (number < 425))
    every = np.ones(n, dtype=bool)
    said = sentence(compare(Traffic(old, new, np.ones(n), every, every, wrong, {}, 0)))
    assert said.startswith("would have caught 3 of 4 escaped errors [")
    assert "cut the queue by 18% [" in said
    assert said.endswith("on 4,210 records, no new labels")


def test_betting_covers_a_rare_mean_at_all_times_together_and_says_something_of_it() -> None:
    missed = 0
    for seed in range(40):
        wrong = (np.random.default_rng(seed).random(4_000) < 0.002).astype(float)
        looks = [mean_interval(wrong[:n], 0.0, 1.0, 0.1) for n in (100, 500, 1_000, 2_000, 4_000)]
        missed += any(not look.low <= 0.002 <= look.high for look in looks)
    assert missed <= 0.1 * 40
    assert mean_interval(np.zeros(4_000), 0.0, 1.0, 0.1).high < 0.002
    assert looks[-1].high < 0.01
    partly = np.random.default_rng(1).binomial(3, 0.1, size=1_000) / 3
    found = mean_interval(partly, 0.0, 1.0, 0.1)
    assert found.high - found.low < 0.08


def test_what_is_not_known_is_null_in_json() -> None:
    nothing = np.zeros(3, dtype=bool)
    found = compare(Traffic(nothing, nothing, np.ones(3), nothing, nothing, nothing, {}, 0)).as_dict()
    json.dumps(found, allow_nan=False)
    assert found["queue_ratio"] == {"value": None, "low": 0.0, "high": None}


def test_few_records_claim_neither_a_direction_nor_more_errors_than_records() -> None:
    n = 15
    number, every = np.arange(n), np.ones(n, dtype=bool)
    old, new, audit = number < 3, (number > 0) & (number < 4), np.where(number < 3, 1.0, 0.02)
    found = compare(Traffic(old, new, audit, every, every, number == 3, {}, 0))
    assert "changed the queue by +0% [-" in sentence(found)
    gain = found.improvement
    assert -1 <= gain.low <= gain.value <= gain.high <= 1


@pytest.mark.parametrize("empty", [np.zeros(50, dtype=bool), np.ones(50, dtype=bool)])
def test_extreme_flags_have_sane_bounds(empty: np.ndarray) -> None:
    change, ratio = queue_change(empty, ~empty, 0.05)
    assert -1 <= change.low <= change.value <= change.high <= 1
    assert ratio.low >= 0
    assert mean_interval(np.array([]), 0.0, 1.0, 0.05).low == 0.0
    nothing = ratio_interval(np.zeros(5), np.zeros(5), lambda r: (-r, 1 - r), 1.0, 0.05)
    assert (nothing.low, nothing.high) == (0.0, 1.0)
