"""How long items and steps took, against their standard times; pure functions over ledger rows."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.definition import Workflow
from engine.intervals import Proportion, share
from engine.ledger.rows import ItemFacts


@dataclass(frozen=True)
class Spread:
    """How long something took, in seconds, against its standard; None where nothing was measured."""

    n: int
    median: float | None
    p95: float | None
    total: float
    standard: float | None
    over_standard: Proportion


@dataclass(frozen=True)
class StepTime:
    """How long one action of one step took, over all attempts."""

    step: str
    action: str
    time: Spread


def _spread(seconds: Sequence[float], standards: Sequence[float | None]) -> Spread:
    known = {standard for standard in standards if standard is not None}
    judged = [s > standard for s, standard in zip(seconds, standards, strict=True) if standard is not None]
    return Spread(
        n=len(seconds),
        median=statistics.median(seconds) if seconds else None,
        p95=percentile(seconds, 0.95) if seconds else None,
        total=sum(seconds),
        standard=known.pop() if len(known) == 1 else None,
        over_standard=share(judged),
    )


def percentile(values: Sequence[float], q: float) -> float:
    """Return the q-quantile by linear interpolation (Hyndman and Fan's type 7); `values` must not be empty."""
    ordered = sorted(values)
    place = q * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def work_seconds(facts: ItemFacts) -> float | None:
    """Return how long the bots worked on the item over all attempts; None if no attempt was measured."""
    measured = [seconds for attempt in facts.attempts if (seconds := attempt.seconds) is not None]
    return sum(measured) if measured else None


def item_time(items: Iterable[ItemFacts], workflows: Mapping[str, Workflow]) -> Spread:
    """Return how long the bots worked on an item, against the standard time of its definition."""
    measured = [(facts, seconds) for facts in items if (seconds := work_seconds(facts)) is not None]
    standards = [workflows[facts.definition_hash].time.standard.total_seconds() for facts, _ in measured]
    return _spread([seconds for _, seconds in measured], standards)


def step_times(items: Iterable[ItemFacts]) -> tuple[StepTime, ...]:
    """Return how long each action of each step took, in the order in which they first happened."""
    timings: dict[tuple[str, str], list[tuple[float, float | None]]] = defaultdict(list)
    for facts in items:
        for attempt in facts.attempts:
            for step in attempt.steps or ():
                timings[step["step"], step["action"]].append((step["seconds"], step["standard"]))
    return tuple(
        StepTime(step, action, _spread([seconds for seconds, _ in some], [standard for _, standard in some]))
        for (step, action), some in timings.items()
    )
