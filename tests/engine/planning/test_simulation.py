from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from engine.planning.simulation import Batch, Limits, Outcome, simulate

FREE = Limits(sessions=1000)


def batch(app: str = "erp", *, work: Sequence[float], **what: Any) -> Batch:
    return replace(Batch(app, arrives=0.0, priority=0, due=math.inf, age=0, work=work), **what)


def queue_of_strangers(arrival_rate: float, service_rate: float, customers: int, seed: int) -> list[Batch]:
    """Poisson arrivals, exponential service times: Kendall's M/M."""
    draws = Random(seed)  # noqa: S311 - repeatable
    at, found = 0.0, []
    for number in range(customers):
        at += draws.expovariate(arrival_rate)
        found.append(batch(arrives=at, work=[draws.expovariate(service_rate)], age=number))
    return found


def erlang_c(servers: int, load: float) -> float:
    """The chance that all servers are busy (A. K. Erlang, 1917); `load` in erlangs."""
    busy = load**servers / math.factorial(servers) * servers / (servers - load)
    return busy / (sum(load**n / math.factorial(n) for n in range(servers)) + busy)


@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (1, 0.7), (3, 1.8)])
def test_the_mean_wait_is_that_of_the_closed_form_within_three_standard_errors(servers: int, load: float) -> None:
    service_rate = 0.1
    expected = erlang_c(servers, load) / (servers * service_rate - load * service_rate)
    found = []
    for seed in range(8):
        day = queue_of_strangers(load * service_rate, service_rate, 6_000, seed)
        outcome = simulate(day, {"erp": FREE}, servers)
        found.append(outcome.waited / outcome.starts)
    error = statistics.stdev(found) / math.sqrt(len(found))
    assert error < 0.06 * expected  # so that a wait that is 18 % off fails
    assert abs(statistics.fmean(found) - expected) < 3 * error


def test_the_closed_form_of_one_server_is_the_textbook_one() -> None:
    assert erlang_c(1, 0.7) == pytest.approx(0.7)


def test_utilisation_is_the_offered_load_per_slot() -> None:
    outcome = simulate(queue_of_strangers(0.06, 0.1, 10_000, 1), {"erp": FREE}, 1)
    assert outcome.busy / (outcome.last_end - outcome.first_start) == pytest.approx(0.6, rel=0.03)


def ends(outcome: Outcome) -> list[float]:
    return outcome.ended


def test_slots_are_given_by_priority_then_deadline_then_age() -> None:
    day = [
        batch(work=[10.0], age=1),
        batch(work=[10.0], age=4, due=500.0),
        batch(work=[10.0], age=3, due=400.0),
        batch(work=[10.0], age=2, due=500.0),
        batch(work=[10.0], age=5, priority=1),
    ]
    assert ends(simulate(day, {"erp": FREE}, 1)) == [50.0, 40.0, 20.0, 30.0, 10.0]


def test_an_item_in_work_is_not_interrupted_by_a_more_urgent_one() -> None:
    day = [batch(work=[10.0, 10.0]), batch(work=[5.0], arrives=3.0, priority=9)]
    assert ends(simulate(day, {"erp": FREE}, 1)) == [25.0, 15.0]


def test_all_that_happens_at_one_instant_counts_before_a_slot_is_given() -> None:
    day = [batch(work=[10.0, 10.0]), batch(work=[5.0], arrives=10.0, priority=9)]
    assert ends(simulate(day, {"erp": FREE}, 1)) == [25.0, 15.0]


def test_an_application_at_its_session_limit_lets_the_next_one_pass() -> None:
    day = [batch("erp", work=[10.0] * 4, priority=1), batch("bank", work=[4.0] * 4)]
    outcome = simulate(day, {"erp": Limits(sessions=1), "bank": FREE}, 2)
    assert ends(outcome) == [40.0, 16.0]
    assert outcome.busy == 56.0
    assert outcome.busy_in == {"erp": 40.0, "bank": 16.0}


def test_starts_of_one_application_are_a_pace_apart() -> None:
    outcome = simulate([batch(work=[1.0] * 4)], {"erp": Limits(sessions=9, pace=5.0)}, 4)
    assert ends(outcome) == [16.0]


def test_nothing_starts_in_a_maintenance_window_and_what_is_in_work_goes_on() -> None:
    day = [batch(work=[30.0] * 4)]
    limits = {"erp": Limits(sessions=9, closed=((50.0, 100.0), (100.0, 110.0), (300.0, 400.0)))}
    outcome = simulate(day, limits, 1)
    assert ends(outcome) == [170.0]  # 0-30, 30-60, then closed until 110: 110-140, 140-170
    assert outcome.busy == 120.0


def test_a_window_ends_for_a_batch_whatever_the_rounding_of_its_instants() -> None:
    arrives, opens = 2526.358484266083, 13244.35837
    assert arrives + (opens - arrives) < opens
    limits = Limits(sessions=2, closed=((0.0, opens),))
    outcome = simulate([batch(work=[5.0], arrives=arrives)], {"erp": limits}, 1, until=1e6)
    assert outcome.left == [0]
    assert ends(outcome) == [pytest.approx(opens + 5)]


def test_an_open_breaker_holds_its_application_only() -> None:
    day = [batch("erp", work=[10.0]), batch("bank", work=[10.0])]
    assert ends(simulate(day, {"erp": Limits(sessions=9, opens_at=60.0), "bank": FREE}, 1)) == [70.0, 10.0]


def test_a_retried_item_waits_comes_back_before_younger_ones_and_ends_its_batch() -> None:
    day = [batch(work=[10.0, 10.0, 10.0], again={0: [(5.0, 7.0)]})]
    # 0-10 first item, 10-20 second; the first is back at 15 and goes before the third: 20-27, 27-37
    assert ends(simulate(day, {"erp": FREE}, 1)) == [37.0]


def test_items_in_work_at_the_start_hold_slots_and_sessions() -> None:
    day = [batch(work=[25.0], held=1), batch(work=[10.0], age=1)]
    assert ends(simulate(day, {"erp": FREE}, 1)) == [25.0, 35.0]
    assert ends(simulate(day, {"erp": Limits(sessions=1)}, 2)) == [25.0, 35.0]
    assert ends(simulate(day, {"erp": FREE}, 2)) == [25.0, 10.0]


def test_what_has_not_ended_when_the_time_is_over_is_counted_as_left() -> None:
    outcome = simulate([batch(work=[10.0] * 5), batch(work=[], arrives=3.0)], {"erp": FREE}, 1, until=24.0)
    assert (outcome.ended, outcome.left) == ([math.inf, 3.0], [3, 0])
    assert (outcome.busy, outcome.first_start, outcome.last_end) == (24.0, 0.0, 24.0)
