"""Geometry of the report's pictures, in per cent of a width that the page decides.

No text is inside a drawing, so that none is ever scaled: labels stand beside the bars, as the page's own text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pandas as pd

from bots.reconciliation.ageing import EDGES
from bots.reconciliation.bridge import STATES, Bridge

_ROOM = 0.3
"""Share of the drawn span that is left before the first bar where the axis does not begin at nought."""
_THINNEST = 0.3
_MOST_COLUMNS = 60


@dataclass(frozen=True)
class Bar:
    """One bar of a waterfall."""

    x: float
    width: float
    joint: float
    """Where the balance stands after it: the line to the next bar."""
    falls: bool


@dataclass(frozen=True)
class Waterfall:
    """The bars of the steps, between the bank's balance and the books'."""

    bank: Bar
    steps: tuple[Bar, ...]
    book: Bar
    broken: bool
    """Whether the axis begins elsewhere than at nought."""


@dataclass(frozen=True)
class Age:
    """The open lines of one ageing bucket."""

    label: str
    bank: int
    book: int


@dataclass(frozen=True)
class Column:
    """How the lines of one day, week or month ended, as shares of a column 100 high, from the bottom up."""

    label: str
    lines: int
    parts: tuple[tuple[str, float, float], ...]
    """State, where its part begins, how high it is."""
    closed: float


def waterfall(bridge: Bridge) -> Waterfall:
    """Return the bars from the bank's balance to the books'."""
    running = bridge.running
    low, high = min(running), max(running)
    span = high - low
    broken = span > 0 and (low > span or high < -span)  # the items would be too thin to see beside the balances
    if broken:
        start, end = (low - _ROOM * span, high) if low > 0 else (low, high + _ROOM * span)
    else:
        start, end = min(0, low), max(0, high)
    zero = start if low > 0 or not broken else end

    def x(value: float) -> float:
        return round(100 * (value - start) / (end - start), 2) if end > start else 0.0

    def bar(before: float, after: float) -> Bar:
        left, right = sorted((x(before), x(after)))
        width = max(round(right - left, 2), _THINNEST) if after != before else 0.0
        return Bar(left, width, x(after), after < before)

    base = 0 if not broken else zero
    bars = tuple(bar(before, after) for before, after in pairwise(running))
    return Waterfall(bar(base, running[0]), bars, bar(base, running[-1]), broken)


def ages(open_ages: Sequence[pd.Series]) -> list[Age]:
    """Return how many open lines of the bank's and the books' side are of which age, in days."""
    waited = [one.clip(lower=0) for one in open_ages]
    counted = []
    for first, last in zip((0, *(edge + 1 for edge in EDGES)), (*EDGES, None), strict=True):
        label = f"{first} to {last} days" if last is not None else f"over {first - 1} days"
        inside = [((one >= first) & (one <= (one if last is None else last))).sum() for one in waited]
        counted.append(Age(label, int(inside[0]), int(inside[1])))
    return counted


def columns(days: pd.Series, states: pd.Series) -> tuple[str, list[Column]]:
    """Return how lines ended over time, by day, week or month, whichever gives a picture that can be read.

    Args:
        days: the booking day of each line of both sides.
        states: its state.

    Returns:
        The word for a column's period, and the columns in the order of time; periods without a line are left out.
    """
    for word, period in (("day", "D"), ("week", "W-SUN"), ("month", "M")):
        keys = days.dt.to_period(period)
        if keys.nunique() <= _MOST_COLUMNS or word == "month":
            break
    counts = pd.crosstab(keys.array, states.array, dropna=False).reindex(columns=list(STATES), fill_value=0)
    counts = counts[counts.sum(axis=1) > 0].iloc[-_MOST_COLUMNS:]
    return word, [
        _column(str(key.start_time.date()), row)
        for key, row in zip(counts.index, counts.to_numpy().tolist(), strict=True)
    ]


def runs(ended: Iterable[tuple[str, Mapping[str, int]]]) -> list[Column]:
    """Return how the lines of each run ended, the newest that a picture can show.

    Args:
        ended: label and state to number of lines, in the order of time.
    """
    told = [(label, [counts.get(state, 0) for state in STATES]) for label, counts in ended]
    return [_column(label, counts) for label, counts in told if sum(counts)][-_MOST_COLUMNS:]


def _column(label: str, counts: Sequence[int]) -> Column:
    total = int(sum(counts))
    parts, at = [], 0.0
    for state, count in zip(STATES, counts, strict=True):
        height = 100 * count / total
        parts.append((state, round(at, 2), round(height, 2)))
        at += height
    return Column(label, total, tuple(parts), float(counts[0]) / total)
