"""Sixty days of deliveries that overlap, come late, are corrected: what is lost, doubled or changed, and what it costs.

`python -m benchmarks.rolling [--quick] [--json]`. The world is the small generator's (`fixtures.generate.statements`),
its files go through the real readers, ledger and matcher. Three runs are compared, by their lines:

- *near*: after each delivery, what is new is matched with what is open near it: the product;
- *everything*: after each delivery, everything that is open is matched: what *near* must equal;
- *at once*: all lines come in one file a side and are matched once. It must not equal the others: what was closed stays
  closed, though a rival came later. What that changes is counted, and who was right.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.rolling_runs import (
    Day,
    Run,
    Truth,
    at_once,
    changed_decisions,
    lost_and_doubled,
    rolling,
)
from bots.reconciliation.gate import closing, seeded
from bots.reconciliation.kinds import SURE
from fixtures.generate.statements import world


def main(
    quick: Annotated[bool, typer.Option("--quick", help="Fewer and smaller days.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON object.")] = False,
    days: Annotated[int, typer.Option(help="Business days with people who decide.")] = 60,
    compared: Annotated[int, typer.Option(help="Business days of the comparison of the three runs; 0: not.")] = 30,
    growth: Annotated[int, typer.Option(help="Business days over which the cost of a day is watched; 0: not.")] = 180,
    per_day: Annotated[int, typer.Option(help="Pieces of business a day.")] = 40,
    seed: Annotated[int, typer.Option(help="Of the world.")] = 60,
) -> None:
    """Run all, compare and measure."""
    if quick:
        days, compared, growth, per_day = 10, 5, 0, 10
    closes = closing(seeded().evidence) or frozenset(SURE)
    with tempfile.TemporaryDirectory() as name:
        figures = {"closing": sorted(closes), "days": days, "per_day": per_day}
        figures |= _decided(Path(name), days, per_day, seed, closes)
        if compared:
            figures |= _compared(Path(name), compared, per_day, seed, closes)
        if growth:
            figures |= _grown(Path(name), growth, per_day // 2, seed, closes)
    table = Table("what", "figure")
    for key, value in figures.items():
        table.add_row(key, str(value))
    Console().print(table)
    if as_json:
        print(json.dumps(figures))


def _decided(folder: Path, days: int, per_day: int, seed: int, closes: frozenset[str]) -> dict[str, object]:
    """Let deliveries come while people decide; count what is lost, doubled, changed."""
    made = world(seed=seed, days=days, per_day=per_day)
    run = rolling(folder / "people", made, closes, people=True)
    lost, doubled = lost_and_doubled(run, made)
    return {
        "deliveries": len(run.days),
        "lines_delivered": run.counts["lines"],
        **{name: run.counts[name] for name in ("new", "again", "late", "back_dated", "corrected", "withdrawn")},
        "lost": lost,
        "doubled": doubled,
        "decisions": len(run.decided) + len(run.refused),
        "decisions_changed": changed_decisions(run),
        "problems": len(run.items.problems()),
        "unexplained_balances": sum(bool(one.difference) for one in run.items.accounts()),
    }


def _compared(folder: Path, days: int, per_day: int, seed: int, closes: frozenset[str]) -> dict[str, object]:
    """Compare the three runs by their matches."""
    made = world(seed=seed, days=days, per_day=per_day)
    near = rolling(folder / "near", made, closes)
    full = rolling(folder / "everything", made, closes, everything=True)
    once = at_once(folder / "once", made, closes)
    return {
        "compared_days": days,
        "near_and_everything_differ_closed": _differ(near, full, "closed"),
        "near_and_everything_differ_suggested": _differ(near, full, "suggested"),
        "near_and_everything_differ_in_lines": _differ(near, full, "closed", "suggested"),
        **_against_at_once(near, once, Truth(made)),
        "loaded_near": sum(day.loaded for day in near.days),
        "loaded_everything": sum(day.loaded for day in full.days),
    }


def _differ(one: Run, other: Run, *states: str) -> int:
    """Count matches in some states that only one of two runs has: of the same lines, whatever their figures."""
    found = [{key for state in states for key in run.solution(state)} for run in (one, other)]
    return len(found[0] ^ found[1])


def _against_at_once(near: Run, once: Run, truth: Truth) -> dict[str, object]:
    ours, theirs = near.solution("closed").keys(), once.solution("closed").keys()
    wrong = [sum(not truth.right(lines) for lines in found) for found in (ours, theirs)]
    return {
        "closed_rolling": len(ours),
        "closed_at_once": len(theirs),
        "closed_only_rolling": len(ours - theirs),
        "closed_only_at_once": len(theirs - ours),
        "wrong_rolling": wrong[0],
        "wrong_at_once": wrong[1],
    }


def _grown(folder: Path, days: int, per_day: int, seed: int, closes: frozenset[str]) -> dict[str, object]:
    """Compare the last quarter of the days with the second, when the windows were full for the first time."""
    run = rolling(folder / "growth", world(seed=seed + 1, days=days, per_day=per_day), closes)
    quarter = len(run.days) // 4
    early, late = run.days[quarter : 2 * quarter], run.days[3 * quarter :]
    open_lines = len(run.items.lines())
    return {
        "growth_days": days,
        "lines_kept": len(run.items.lines(everything=True)),
        "open_at_the_end": open_lines,
        "day_seconds": _middle(late, "seconds"),
        "seconds_growth": _ratio(early, late, "seconds"),
        "loaded_growth": _ratio(early, late, "loaded"),
        "questions_growth": _ratio(early, late, "questions"),
    }


def _middle(days: Iterable[Day], name: str) -> float:
    return round(float(median(getattr(day, name) for day in days)), 4)


def _ratio(early: list[Day], late: list[Day], name: str) -> float:
    """Return what a new line cost late as a multiple of what it cost early (medians)."""
    costs = [median(getattr(day, name) / max(day.new, 1) for day in part) for part in (early, late)]
    return round(float(costs[1] / costs[0]), 3)


if __name__ == "__main__":
    typer.run(main)
