"""How long open items have been open: buckets by the age of their day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from engine.open_items import AgeRow

EDGES = (3, 7, 30, 60, 90)
"""Last day of each bucket but the last, calendar days from a line's day."""


@dataclass(frozen=True)
class Bucket:
    """The open lines of one side, account and currency that are equally old."""

    side: int
    account: str
    currency: str
    first: int
    """Calendar days, at least; a line of the future counts as 0."""
    last: int | None
    """At most; None: without end."""
    lines: int
    amount: int
    """Sum, minor units."""

    @property
    def label(self) -> str:
        """Return the bucket's name."""
        return f"{self.first}+" if self.last is None else f"{self.first}-{self.last}"


def ageing(rows: Sequence[AgeRow], asof: date, edges: Sequence[int] = EDGES) -> list[Bucket]:
    """Return the buckets that hold something, by account, currency, side and age.

    Args:
        rows: open lines by day.
        asof: the day on which their age is asked.
        edges: last day of each bucket but the last, ascending.
    """
    firsts = [0, *(edge + 1 for edge in edges)]
    sums: dict[tuple[str, str, int, int], list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        age = max(0, (asof - row.day).days)
        at = sum(age > edge for edge in edges)
        total = sums[row.account, row.currency, row.side, at]
        total[0] += row.lines
        total[1] += row.amount
    lasts = [*edges, None]
    return [
        Bucket(side, account, currency, firsts[at], lasts[at], *sums[account, currency, side, at])
        for account, currency, side, at in sorted(sums)
    ]
