"""A thousand simulated promotions with known truth: how many harmful ones the rule lets through, what replays cover.

`python -m benchmarks.promotion [--quick] [--json]`. Each trial replays a challenger on a sample of audited traffic and
applies the rule; whether it is harmful is known from a hold-out of the same traffic on which everything is labelled.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from qc_models.loop.replay import Comparison, Traffic
from qc_models.loop.rule import Decision, Rule, decide

HOLD_OUT = 400_000


@dataclass(frozen=True)
class World:
    """One kind of traffic and one challenger: rates of two segments of which the second may be worse."""

    title: str
    base: float
    """Share of wrong records."""
    recall: tuple[float, float]
    """Champion's and challenger's."""
    alarms: tuple[float, float]
    audit: float = 0.05
    worse: float = 1.0
    """The challenger's recall in the second segment, as a share of that in the first."""
    late: float = 0.0
    """Share of the looks that are not made yet."""
    clustered: bool = False
    """Whether errors come in runs, by which the records are not independent."""


WORLDS = (
    World("much better", 0.02, (0.5, 0.95), (0.06, 0.05), audit=0.2),
    World("a little better, shorter queue", 0.02, (0.8, 0.85), (0.10, 0.06)),
    World("as good, shorter queue", 0.01, (0.9, 0.9), (0.08, 0.05)),
    World("as good, as long a queue", 0.01, (0.9, 0.9), (0.06, 0.06)),
    World("as good, twice the queue", 0.01, (0.9, 0.9), (0.04, 0.09)),
    World("just over the margin", 0.03, (0.9, 0.82), (0.08, 0.04)),
    World("harmful, much shorter queue", 0.02, (0.9, 0.6), (0.10, 0.02)),
    World("harmful, rarely audited", 0.05, (0.8, 0.7), (0.05, 0.04), audit=0.01),
    World("harmful in one segment", 0.04, (0.8, 0.9), (0.08, 0.05), audit=0.2, worse=0.2),
    World("harmful, reviews late", 0.03, (0.9, 0.75), (0.08, 0.05), late=0.3),
    World("harmful, errors in runs", 0.03, (0.9, 0.78), (0.08, 0.05), clustered=True),
    World("better, errors in runs", 0.03, (0.6, 0.9), (0.08, 0.05), audit=0.2, clustered=True),
)


def draw(world: World, n: int, rng: np.random.Generator) -> tuple[Traffic, NDArray[np.bool_]]:
    """Draw n records: what both flag, who is looked at, what was found; and the truth."""
    wrong = rng.random(n) < world.base
    if world.clustered:
        wrong = np.repeat(rng.random(n // 5 + 1) < world.base, 5)[:n]
    second = rng.random(n) < 0.3
    hard = rng.random(n)
    other = np.where(rng.random(n) < 0.8, hard, rng.random(n))
    easy = rng.random(n)
    alike = np.where(rng.random(n) < 0.5, easy, rng.random(n))
    champion = np.where(wrong, hard < world.recall[0], easy < world.alarms[0])
    recall = np.where(second, world.recall[1] * world.worse, world.recall[1])
    challenger = np.where(wrong, other < recall, alike < world.alarms[1])
    probability = np.where(champion, 1.0, world.audit)
    selected = rng.random(n) < probability
    labelled = selected & (rng.random(n) >= world.late)
    groups = np.where(second, "second", "first")
    found = wrong & labelled
    return Traffic(champion, challenger, probability, selected, labelled, found, {"segment": groups}, n), wrong


@dataclass(frozen=True)
class Truth:
    """What the challenger does to all records, from the hold-out."""

    improvement: float
    by_segment: dict[str, float]
    recall: float
    residual: float
    queue_ratio: float

    def harmful(self, rule: Rule) -> bool:
        """Say whether promoting it breaks what the rule promises."""
        segments = any(value < -rule.segment_margin for value in self.by_segment.values())
        return self.improvement < -rule.margin or segments

    def covered(self, one: Comparison) -> dict[str, bool]:
        """Say which intervals of a replay hold."""
        pairs = {
            "improvement": (one.improvement, self.improvement),
            "recall": (one.challenger.recall, self.recall),
            "residual": (one.challenger.residual, self.residual),
            "queue": (one.queue_ratio, self.queue_ratio),
        }
        return {name: interval.low <= value <= interval.high for name, (interval, value) in pairs.items()}


def truth_of(world: World, rng: np.random.Generator) -> Truth:
    """Measure a world on a hold-out on which everything is labelled."""
    traffic, wrong = draw(replace(world, late=0.0), HOLD_OUT, rng)
    old, new, groups = traffic.champion, traffic.challenger, traffic.segments["segment"]
    gain = (new.astype(float) - old) * wrong
    return Truth(
        improvement=float(gain.mean()),
        by_segment={str(group): float(gain[groups == group].mean()) for group in np.unique(groups)},
        recall=float((wrong & new).sum() / wrong.sum()),
        residual=float((wrong & ~new).sum() / (~new).sum()),
        queue_ratio=float(new.sum() / old.sum()),
    )


def main(
    quick: Annotated[bool, typer.Option("--quick", help="A tenth of the trials.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON object.")] = False,
    records: Annotated[int, typer.Option(help="Records a replay.")] = 12_000,
) -> None:
    """Promote or refuse in every world, and count."""
    rule, rng = Rule(), np.random.default_rng(20)
    trials = 9 if quick else 84
    table = Table("challenger", "harmful", "truly caught more per 1,000", "promoted", "improvement covered")
    promoted = harmful = total = 0
    worst, covers = 0.0, []
    for world in WORLDS:
        truth = truth_of(world, rng)
        decisions: list[Decision] = [decide(draw(world, records, rng)[0], rule) for _ in range(trials)]
        allowed = sum(one.allowed for one in decisions)
        covered = [truth.covered(one.overall) for one in decisions]
        covers += covered
        bad = truth.harmful(rule)
        promoted, total = promoted + allowed, total + trials
        harmful += allowed * bad
        worst = max(worst, allowed / trials) if bad else worst
        table.add_row(
            world.title,
            "yes" if bad else "no",
            f"{truth.improvement * 1000:+.2f}",
            f"{allowed} of {trials}",
            f"{np.mean([one['improvement'] for one in covered]):.1%}",
        )
    Console().print(table)
    figures = {
        "promotions": total,
        "delta": rule.delta,
        "promoted": promoted,
        "harmful": harmful,
        "harmful_share": harmful / total,
        "worst_harmful_world": worst,
        "coverage": {name: float(np.mean([one[name] for one in covers])) for name in covers[0]},
    }
    print(json.dumps(figures) if as_json else "\n".join(f"{key}: {value}" for key, value in figures.items()))


if __name__ == "__main__":
    typer.run(main)
