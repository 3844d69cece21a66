from __future__ import annotations

import statistics
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from engine.ledger.backlog import OpenRun
from engine.planning.demand import open_batches
from engine.planning.simulation import Limits, simulate
from engine.workload import AttemptTime, ServiceTimes

NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)


def times(*, returning: float = 0.2, most: int = 4) -> ServiceTimes:
    draws = Random(7)  # noqa: S311 - repeatable
    attempts = [
        AttemptTime(draws.lognormvariate(3, 0.5), 5.0 if number < 500 * returning else None) for number in range(500)
    ]
    return ServiceTimes("invoices", tuple(attempts), 500, most)


def totals(one: ServiceTimes, count: int) -> list[float]:
    work = one.items(Random(1), count)  # noqa: S311 - repeatable
    return [
        first + sum(seconds for _, seconds in work.again.get(number, ())) for number, first in enumerate(work.first)
    ]


def test_an_item_takes_as_many_attempts_as_the_share_of_returns_says() -> None:
    work = times().items(Random(1), 50_000)  # noqa: S311 - repeatable
    attempts = [1 + len(work.again.get(number, ())) for number in range(50_000)]
    assert times().per_item == pytest.approx(1 + 0.2 + 0.04 + 0.008)
    assert statistics.fmean(attempts) == pytest.approx(times().per_item, rel=0.01)
    assert max(attempts) == 4


def test_an_item_that_always_fails_ends_after_the_attempts_that_its_definition_allows() -> None:
    work = times(returning=1, most=3).items(Random(1), 10)  # noqa: S311 - repeatable
    assert {len(further) for further in work.again.values()} == {2}


def test_a_lump_has_mean_and_spread_of_the_items_that_it_stands_for() -> None:
    single = totals(times(), 50_000)
    lumps = times().lumps(Random(2), 5_000, 25)  # noqa: S311 - repeatable
    assert statistics.fmean(lumps) == pytest.approx(25 * statistics.fmean(single), rel=0.01)
    assert statistics.stdev(lumps) == pytest.approx(5 * statistics.stdev(single), rel=0.1)


def test_what_an_attempt_still_takes_is_drawn_from_those_that_took_longer() -> None:
    one = ServiceTimes("invoices", (AttemptTime(10.0), AttemptTime(30.0), AttemptTime(30.0)), 3)
    draws = Random(1)  # noqa: S311 - repeatable
    assert {one.residue(draws, 12.0)[0] for _ in range(20)} == {18.0}
    assert one.residue(draws, 99.0) == (0.0, ())


def test_a_long_queue_in_lumps_ends_when_its_items_would_within_two_per_cent() -> None:
    run = OpenRun(1, "invoices", "erp", "hash", 0, None, None, 1, left=30_000, total=30_000)
    slots = 8
    ends: dict[str, list[float]] = {"lumps": [], "items": []}
    for seed in range(5):
        draws = Random(seed)  # noqa: S311 - repeatable
        (_, lumped), *rest = open_batches(NOW, [run], {"invoices": times()}, draws, slots)
        assert (rest, len(lumped.work)) == ([], 2000)
        work = times().items(draws, 30_000)
        single = replace(lumped, work=work.first, again=work.again, weight=1)
        for name, batch in (("lumps", lumped), ("items", single)):
            ends[name].append(simulate([batch], {"erp": Limits(sessions=99)}, slots).ended[0])
    assert statistics.fmean(ends["lumps"]) == pytest.approx(statistics.fmean(ends["items"]), rel=0.02)


def test_a_lump_keeps_the_pace_of_the_items_that_it_stands_for() -> None:
    run = OpenRun(1, "invoices", "erp", "hash", 0, NOW + timedelta(days=9), None, 1, left=10_000, total=10_000)
    ((_, batch),) = open_batches(NOW, [run], {"invoices": times()}, Random(1), 1)  # noqa: S311 - repeatable
    end = simulate([batch], {"erp": Limits(sessions=99, pace=60.0)}, 99).ended[0]
    assert end == pytest.approx(10_000 * 60, rel=0.01)
