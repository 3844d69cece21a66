"""The rule of promotion: better, or no worse with less work, and no segment worse, shown on enough traffic.

A rule, not a wall: a person may promote against it with a reason, which is kept. Every claim rests on the bounds of
confidence sequences. A harmful promotion, one whose model lets through more errors than the margin allows, needs one of
them to fail, so its chance is at most delta (intersection-union test: R. L. Berger, Technometrics 24 (1982), 295-300).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from qc_models.loop.betting import WEIGHTS
from qc_models.loop.replay import Comparison, Traffic, by_segment, compare


@dataclass(frozen=True)
class Rule:
    """What a promotion has to show."""

    delta: float = 0.05
    """Chance of a harmful promotion."""
    margin: float = 0.002
    """More errors per record that may escape a model whose queue is shorter."""
    segment_margin: float = 0.02
    """More errors per record that may escape within one segment."""
    queue_growth: float = 0.1
    """How much longer the queue of a better model may be, as a share of the champion's."""
    least_shadow: int = 200
    """Records that the challenger must have scored in shadow, at the time."""


@dataclass(frozen=True)
class Decision:
    """Whether the rule allows a promotion, the figures, and every reason against."""

    allowed: bool
    objections: tuple[str, ...]
    overall: Comparison
    segments: Mapping[str, Comparison]


def decide(traffic: Traffic, rule: Rule) -> Decision:
    """Apply the rule to a replay."""
    overall = compare(traffic, rule.delta)
    groups = sum(len(set(values.tolist())) for values in traffic.segments.values())
    segments = by_segment(traffic, least_records(rule.segment_margin, rule.delta / max(groups, 1)), rule.delta)
    against = [*_short(traffic, rule), *_overall(overall, rule)]
    for name, one in segments.items():
        if objection := _segment(name, one, rule, groups):
            against.append(objection)
    return Decision(not against, tuple(against), overall, segments)


def least_records(margin: float, delta: float) -> int:
    """Return how many records without a lost catch show that no more than `margin` a record are lost."""
    return math.ceil(math.log(2 / (delta * WEIGHTS[0])) / -math.log1p(-margin))


def _short(traffic: Traffic, rule: Rule) -> list[str]:
    if traffic.shadowed >= rule.least_shadow:
        return []
    return [f"scored in shadow on {traffic.shadowed:,} records, {rule.least_shadow:,} are asked for"]


def _overall(one: Comparison, rule: Rule) -> list[str]:
    gain, queue, change = one.improvement, one.queue_ratio, one.queue_change
    better = gain.low > 0 and queue.high <= 1 + rule.queue_growth
    leaner = gain.low >= -rule.margin and change.high < 0
    if better or leaner:
        return []
    low, high = f"{gain.low * 1000:+.2f}", f"{gain.high * 1000:+.2f}"
    said = [f"errors caught more per 1,000 records: {gain.value * 1000:+.2f} [{low}, {high}]"]
    if gain.low < -rule.margin:
        need = least_records(rule.margin, rule.delta)
        said.append(f"it may lose more than {rule.margin * 1000:g} per 1,000 (at least {need:,} records show that not)")
    elif gain.low <= 0:
        said.append("not shown to be better, and its queue is not shown to be shorter")
    else:
        said.append(f"better, but its queue may be {queue.high - 1:.0%} longer, {rule.queue_growth:.0%} is allowed")
    if one.waiting:
        said.append(f"{one.waiting:,} records wait for a person and count against it; review them first")
    return ["; ".join(said)]


def _segment(name: str, one: Comparison, rule: Rule, groups: int) -> str | None:
    if one.records >= least_records(rule.segment_margin, rule.delta / max(groups, 1)):
        worse = one.improvement.low < -rule.segment_margin
        told = f"[{one.improvement.low * 1000:+.2f}, {one.improvement.high * 1000:+.2f}]"
        return f"{name}: errors caught more per 1,000 records lie in {told}: worse is not ruled out" if worse else None
    if one.improvement.value < 0:  # too few to be judged by a bound: what is seen to be worse is taken at its word
        return f"{name}: {one.caught_lost} of {one.caught} caught errors lost on {one.records} records"
    return None
