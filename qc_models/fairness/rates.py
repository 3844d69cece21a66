"""How often each segment is flagged, how often its errors are missed, how often it is suspected for nothing.

Flag rates count every inspected record. Misses and false alarms need the truth, and only a random sample gives it
without bias: the records whose draw lies below the floor are looked at whatever the model thought of them, so within
them k of n is binomial and Clopper-Pearson's interval is exact. Labels of flagged records alone would say nothing
about misses.

A gap between a group and all others is alarmed when even the two nearest ends of their intervals lie further apart
than the tolerance. The intervals of all groups, rates and looks together hold with the stated confidence: Bonferroni
over groups and rates, and 6 / (pi^2 i^2) of the error for the i-th look, which sums to all of it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.intervals import Proportion, clopper_pearson, proportion
from engine.ledger.labels import Inspected

RATES = ("flag", "miss", "false_alarm")


@dataclass(frozen=True)
class Case:
    """One record: its groups, whether inspection suspected it, and the truth where the random sample tells it."""

    groups: Mapping[str, str]
    flagged: bool
    wrong: bool | None


@dataclass(frozen=True)
class Counts:
    """The three rates of a group, as k of n."""

    flag: tuple[int, int]
    """Suspected records of all."""
    miss: tuple[int, int]
    """Wrong records that were not suspected, of the wrong ones in the random sample."""
    false_alarm: tuple[int, int]
    """Right records that were suspected, of the right ones in the random sample."""


@dataclass(frozen=True)
class Group:
    """One group of a segment with its rates, each with its exact 95 % interval."""

    segment: str
    group: str
    flag: Proportion
    miss: Proportion
    false_alarm: Proportion


@dataclass(frozen=True)
class Gap:
    """A group whose rate is proven to be further from everybody else's than the tolerance."""

    segment: str
    group: str
    rate: str
    """flag, miss or false_alarm."""
    value: float
    others: float
    least: float
    """The gap is at least this, with the confidence of the look."""

    def sentence(self) -> str:
        """Say it for people."""
        what = {
            "flag": "of its records are flagged",
            "miss": "of its errors are missed",
            "false_alarm": "of its right records are flagged for nothing",
        }[self.rate]
        return (
            f"{self.segment} {self.group}: {self.value:.1%} {what}, {self.others:.1%} elsewhere; "
            f"the gap is at least {self.least:.1%}"
        )


def case_of(one: Inspected, groups: Mapping[str, str]) -> Case:
    """Turn an inspected record into a case; without a random draw below the floor its truth is not used."""
    beyond_model = any(check != "model" for check in one.checks)
    over = one.probability is not None and one.threshold is not None and one.probability >= one.threshold
    sampled = one.floor is not None and one.draw < one.floor
    return Case(groups, beyond_model or over, one.label.wrong if one.label is not None and sampled else None)


def count(cases: Iterable[Case]) -> Counts:
    """Count the three rates of some cases."""
    seen = list(cases)
    wrong = [case for case in seen if case.wrong is True]
    right = [case for case in seen if case.wrong is False]
    return Counts(
        (sum(case.flagged for case in seen), len(seen)),
        (sum(not case.flagged for case in wrong), len(wrong)),
        (sum(case.flagged for case in right), len(right)),
    )


def by_group(cases: Sequence[Case]) -> dict[str, dict[str, Counts]]:
    """Return the counts by segment and group, groups in the order of their names."""
    found: dict[str, dict[str, list[Case]]] = defaultdict(lambda: defaultdict(list))
    for case in cases:
        for segment, group in case.groups.items():
            found[segment][group].append(case)
    return {segment: {group: count(groups[group]) for group in sorted(groups)} for segment, groups in found.items()}


def rates(counts: Mapping[str, Mapping[str, Counts]]) -> list[Group]:
    """Return every group with its rates."""
    return [
        Group(segment, group, *(proportion(*getattr(found, rate)) for rate in RATES))
        for segment, groups in counts.items()
        for group, found in groups.items()
    ]


def gaps(
    counts: Mapping[str, Mapping[str, Counts]],
    *,
    tolerance: float,
    confidence: float = 0.95,
    look: int = 1,
) -> list[Gap]:
    """Return the proven gaps, largest first.

    Args:
        counts: counts by segment and group.
        tolerance: gaps up to this are let be, as a share of 1.
        confidence: of all statements of all looks together.
        look: how many looks were taken so far, this one included.
    """
    compared = sum(len(groups) for groups in counts.values() if len(groups) > 1) * len(RATES)
    if not compared:
        return []
    spent = (1 - confidence) * 6 / (math.pi * look) ** 2
    each = 1 - spent / (2 * compared)
    found = [
        gap
        for segment, groups in counts.items()
        if len(groups) > 1
        for group in groups
        for rate in RATES
        if (gap := _gap(segment, group, rate, groups, each)) is not None and gap.least > tolerance
    ]
    return sorted(found, key=lambda gap: -gap.least)


def _gap(segment: str, group: str, rate: str, groups: Mapping[str, Counts], confidence: float) -> Gap | None:
    mine: tuple[int, int] = getattr(groups[group], rate)
    others: list[tuple[int, int]] = [getattr(found, rate) for name, found in groups.items() if name != group]
    rest = sum(k for k, _ in others), sum(n for _, n in others)
    here, there = clopper_pearson(*mine, confidence), clopper_pearson(*rest, confidence)
    if here is None or there is None:
        return None
    least = max(here[0] - there[1], there[0] - here[1], 0.0)
    return Gap(segment, group, rate, mine[0] / mine[1], rest[0] / rest[1], least)
