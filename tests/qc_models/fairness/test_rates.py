from __future__ import annotations

import numpy as np
import pytest

from qc_models.fairness.rates import Case, Counts, by_group, count, gaps, rates


def case(group: str, *, flagged: bool, wrong: bool | None = None) -> Case:
    return Case({"supplier": group}, flagged, wrong)


def stream(rng: np.random.Generator, flag_rates: dict[str, float], records: int) -> list[Case]:
    return [
        case(group, flagged=bool(rng.random() < rate)) for group, rate in flag_rates.items() for _ in range(records)
    ]


def test_misses_and_false_alarms_are_counted_where_the_truth_is_known_at_random() -> None:
    cases = [
        case("A", flagged=True, wrong=True),
        case("A", flagged=False, wrong=True),
        case("A", flagged=True, wrong=False),
        case("A", flagged=False, wrong=False),
        case("A", flagged=True),
    ]
    assert count(cases) == Counts(flag=(3, 5), miss=(1, 2), false_alarm=(1, 2))


def test_every_group_has_its_exact_interval_and_no_data_is_no_statement() -> None:
    [group] = rates(by_group([case("A", flagged=True)] * 20))
    assert group.flag.value == 1.0
    assert group.flag.low == pytest.approx(0.025 ** (1 / 20))
    assert group.miss.value is None


def test_a_proven_gap_is_named_with_the_least_that_it_can_be() -> None:
    cases = stream(np.random.default_rng(1), {"A": 0.1, "B": 0.1, "C": 0.5}, 300)
    gap = gaps(by_group(cases), tolerance=0.02)[0]
    assert (gap.segment, gap.group, gap.rate) == ("supplier", "C", "flag")
    assert 0.15 < gap.least < gap.value - gap.others
    assert "supplier C" in gap.sentence()


def test_a_gap_is_held_against_the_tolerance_and_a_lone_group_has_none() -> None:
    cases = stream(np.random.default_rng(1), {"A": 0.1, "C": 0.5}, 300)
    assert gaps(by_group(cases), tolerance=0.9) == []
    assert gaps(by_group(cases[:300]), tolerance=0.0) == []


def test_equal_groups_raise_no_alarm_in_many_looks() -> None:
    alarms = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        cases = stream(rng, dict.fromkeys("ABCD", 0.2), 160)
        looks = [cases[i::8] for i in range(8)]
        seen: list[Case] = []
        for number, more in enumerate(looks, start=1):
            seen += more
            alarms += bool(gaps(by_group(seen), tolerance=0.0, look=number))
    assert alarms <= 5
