"""Quality of matching: what closes, what of it is wrong, over sets of one world and over all of its seeds."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

LIMIT = 0.0001
TEN_TIMES = 10
NONE = (0, 0, 0, 0)


@dataclass(frozen=True)
class Run:
    """One matcher on one set."""

    name: str
    matcher: str
    world: str
    """Sets of one world differ in their seed alone."""
    found: dict[str, Any]
    does: str = ""

    @property
    def pairs(self) -> int:
        """Return how many pairs it made."""
        return sum(row[0] for row in self.found["kinds"].values())

    @property
    def wrong(self) -> int:
        """Return how many of them are wrong."""
        return sum(row[1] for row in self.found["kinds"].values())

    @property
    def f1(self) -> float:
        """Return F1 over all pairs, suggestions included."""
        return float(2 * (self.pairs - self.wrong) / (self.pairs + self.found["true"]))

    def closed(self, closing: Iterable[str]) -> tuple[int, int, int, int, int]:
        """Return pairs that these kinds close, and the wrong ones; and the lines that are wrongly closed.

        Of these: lines without a partner that are in a wrong pair, and in a wrong group; and lines with a partner that
        are closed against their own side, as a reversal.
        """
        kinds, alone = self.found["kinds"], self.found["one_sided"]
        chosen = list(closing)
        rows = [kinds.get(kind, NONE) for kind in chosen]
        against = sum(alone.get(kind, (0, 0))[1] for kind in chosen)
        count, wrong, lonely, grouped = (sum(row[place] for row in rows) for place in range(4))
        return count, wrong, lonely, grouped, against

    def coverage(self, closing: Iterable[str]) -> float:
        """Return the share of true pairs that these kinds close."""
        count, wrong, *_ = self.closed(closing)
        return float((count - wrong) / self.found["true"])

    def figures(self, closing: Sequence[str]) -> dict[str, float]:
        """Return all that is said of the set."""
        count, wrong, lonely, grouped, against = self.closed(closing)
        return {
            "true": self.found["true"],
            "closed": count,
            "coverage": self.coverage(closing),
            "wrong": wrong,
            "wrong_share": wrong / max(count, 1),
            "breaks_in_pairs": lonely,
            "breaks_in_groups": grouped,
            "one_sided_wrong": against,
            "f1": self.f1,
        }


def together(runs: Sequence[Run]) -> list[str]:
    """Choose kinds, the best first, as long as no set has more than half the limit of wrong pairs over all of them.

    The other half is left for what is not seen. Best: by the share of wrong pairs if one more had been wrong; and none
    in which that is over TEN_TIMES the limit, since a budget that is not used up is no reason to close what is wrong.
    """
    pairs: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for one in runs:
        for kind, (count, bad, *_) in one.found["kinds"].items():
            pairs[kind] += count
            wrong[kind] += bad
    closing: list[str] = []
    for kind in sorted(pairs, key=lambda kind: ((wrong[kind] + 1) / pairs[kind], kind)):
        if wrong[kind] + 1 > TEN_TIMES * LIMIT * pairs[kind]:
            break
        sums = [one.closed([*closing, kind]) for one in runs]
        if all(bad <= LIMIT / 2 * count for count, bad, *_ in sums):
            closing.append(kind)
    return sorted(closing)


WORST = {"coverage": min, "f1": min}
"""Of everything else the largest figure is the worst."""


def spread(runs: Sequence[Run], closing: Sequence[str]) -> dict[str, dict[str, dict[str, float]]]:
    """Return mean and worst of each figure over the seeds of each world that has more than one."""
    worlds: dict[str, list[Run]] = {}
    for one in runs:
        worlds.setdefault(one.world, []).append(one)
    found = {}
    for same in worlds.values():
        if len(same) > 1:
            rows = [one.figures(closing) for one in same]
            columns = {name: [row[name] for row in rows] for name in rows[0]}
            name = same[0].name.rstrip("0123456789")
            found[f"{name}* ({len(same)} seeds)"] = {
                "mean": {name: statistics.fmean(column) for name, column in columns.items()},
                "worst": {name: WORST.get(name, max)(column) for name, column in columns.items()},
            }
    return found


def quality(runs: Sequence[Run], closing: Sequence[str], where: str) -> Table:
    """Return how much closes, and how well: a row a set, and mean and worst over the seeds of a world.

    Breaks: lines without a partner that are closed, in a wrong pair + in a wrong group. One-sided: lines with a partner
    that are closed as each other's reversals.
    """
    table = Table(title=f"Quality; {len(closing)} kinds close, {where}")
    names = (
        "set",
        "true pairs",
        "closed",
        "coverage",
        "wrong",
        "wrong %",
        "breaks closed: pairs",
        "groups",
        "one-sided",
    )
    for name in (*names, "F1 with suggestions"):
        table.add_column(name, justify="left" if name == "set" else "right")
    for one in runs:
        table.add_row(one.name, *_cells(one.figures(closing)))
    for name, rows in spread(runs, closing).items():
        table.add_section()
        for said, row in rows.items():
            table.add_row(f"{name} {said}", *_cells(row))
    return table


def _cells(row: dict[str, float]) -> list[str]:
    return [
        f"{row['true']:,.0f}",
        f"{row['closed']:,.0f}",
        f"{row['coverage']:.4f}",
        f"{row['wrong']:,.4g}",
        f"{100 * row['wrong_share']:.4f}",
        f"{row['breaks_in_pairs']:,.4g}",
        f"{row['breaks_in_groups']:,.4g}",
        f"{row['one_sided_wrong']:,.4g}",
        f"{row['f1']:.4f}",
    ]
