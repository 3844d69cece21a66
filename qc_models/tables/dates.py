"""Cells against the order of the dates in their row, and against the few gaps that usually lie between two of them.

Which gap is usual may depend on another column (a customer's terms of payment): the gap is treated as a column of its
own that other columns tell, by the soft dependencies of `dependencies`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qc_models.tables.columns import Column, Floats, Ints
from qc_models.tables.dependencies import Dependency, discover_for, groups
from qc_models.tables.quantities import date_form, days_of
from qc_models.tables.timeline import around, lonely, out_of_line

NAMES = (
    "dates_disordered",
    "dates_in_order",
    "gap_odd",
    "gap_told",
    "gap_mended_near",
    "day_lonely",
    "day_out_of_line",
)
_ROWS = 4_000
_LEAST = 20
_ORDERED = 0.95
_FEW_GAPS = 10
_COVERED = 0.6
_TELLING = 0.3
_STRONG = 0.3
_MOST_COLUMNS = 12
_ODD = 0.02


@dataclass(frozen=True)
class Pair:
    """Two date columns, the earlier first; `ordered`: share of rows in order; by row `gap` (days, NaN: unknown).

    `usual` are the few gaps that most rows have, the most frequent first, empty if there are no such; `share` is the
    share of the other rows with a row's gap. `told` is 0 to 1: how much a row's value in column `via` (-1: none) speaks
    for another gap, which is `due` (NaN: none).
    """

    earlier: int
    later: int
    ordered: float
    gap: Floats
    usual: tuple[float, ...]
    share: Floats
    told: Floats
    due: Floats
    via: int
    support: Ints
    of: Ints

    @property
    def disordered(self) -> NDArray[np.bool_]:
        """Return the rows whose dates are in the wrong order, where an order is kept by nearly all rows."""
        return np.asarray((self.gap < 0) & (self.ordered >= _ORDERED))

    @property
    def odd(self) -> Floats:
        """Return by row how rare its gap is, where gaps are few: 0 (not rare) to 1 (no other row has it)."""
        if not self.usual:
            return np.zeros(len(self.gap))
        rare = np.clip(np.log(_ODD / np.maximum(self.share, 1e-4)) / np.log(_ODD / 1e-4), 0.0, 1.0)
        return np.asarray(np.where(np.isfinite(self.gap), rare, 0.0))


class Dates:
    """The pairs of dates of a table that say something; `features` are rows x columns x `NAMES`."""

    def __init__(self, columns: Sequence[Column], seed: int = 0) -> None:
        self._columns = columns
        found = [(at, days) for at, one in enumerate(columns) if (days := days_of(one)) is not None][:_MOST_COLUMNS]
        self._days = {at: days[columns[at].codes] for at, days in found}
        self._forms: dict[int, str] = {}
        made = (self._pair(one, two, seed) for one, two in combinations(self._days, 2))
        self.pairs = tuple(pair for pair in made if pair is not None)

    @property
    def columns(self) -> tuple[int, ...]:
        """Return the columns that hold dates."""
        return tuple(self._days)

    def features(self) -> NDArray[np.float32]:
        """Return `NAMES` for every cell."""
        size = self._columns[0].size if self._columns else 0
        result = np.zeros((size, len(self._columns), len(NAMES)), dtype=np.float32)
        for column, days in self._days.items():
            result[:, column, 5], result[:, column, 6] = lonely(days), out_of_line(days)
        for pair in self.pairs:
            orderly = (pair.gap >= 0) & (pair.ordered >= _ORDERED)
            suspect = np.flatnonzero(pair.disordered | (pair.odd > 0) | (pair.told > 0))
            for column in (pair.earlier, pair.later):
                result[:, column, 0] += pair.disordered
                result[:, column, 1] += orderly
                for at, value in ((2, pair.odd), (3, pair.told)):
                    result[:, column, at] = np.maximum(result[:, column, at], value)
                near = [self._nearest(pair, int(row), column)[1] for row in suspect]
                result[suspect, column, 4] = np.maximum(result[suspect, column, 4], near)
        return result

    def suspicion(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return how much dates speak against each cell, 0 to 1: most against the one that a small change mends."""
        speaks = np.max([features[:, :, 0] > 0, features[:, :, 2], features[:, :, 3]], axis=0)
        weight = speaks * (0.1 + features[:, :, 4]) ** 2 * (0.2 + features[:, :, 5:7].max(axis=2))
        total = np.maximum(weight.sum(axis=1, keepdims=True), 1e-9)
        between = 0.9 * speaks * weight / total
        return np.asarray(np.maximum(between, 0.9 * features[:, :, 6]), dtype=np.float32)

    def against(self, row: int, column: int) -> list[Pair]:
        """Return the pairs of a cell that speak against it, the strongest first."""
        found = [pair for pair in self.pairs if column in {pair.earlier, pair.later}]
        strength = [max(float(pair.disordered[row]), pair.odd[row], pair.told[row]) for pair in found]
        order = sorted(range(len(found)), key=lambda at: -strength[at])
        return [found[at] for at in order if strength[at] > _STRONG]

    def mend(self, row: int, column: int) -> tuple[str, float, Pair] | None:
        """Return the date that restores a usual gap by the smallest change, how alike it is, and the pair."""
        for pair in self.against(row, column):
            text, alike = self._nearest(pair, row, column)
            if text:
                return self.write(column, date.fromisoformat(text).toordinal()), alike, pair
        return None

    def write(self, column: int, day: float) -> str:
        """Return a day as a column writes it."""
        one = self._columns[column]
        if column not in self._forms:
            first = np.unique(one.codes, return_index=True)[1]
            self._forms[column] = date_form(one, self._days[column][first])
        return date.fromordinal(int(day)).strftime(self._forms[column])

    def line(self, row: int, column: int) -> str | None:
        """Return the day that the rows around a row have, if the table is in order of time and the row is far off."""
        days = self._days.get(column)
        if days is None or not np.isfinite(days[row]) or out_of_line(days)[row] < _STRONG:
            return None
        known = np.flatnonzero(np.isfinite(days))
        return self.write(column, around(days[known])[np.searchsorted(known, row)])

    def _nearest(self, pair: Pair, row: int, column: int) -> tuple[str, float]:
        """Return the date with a usual gap that is written most alike to a cell's, and how alike: 0 to 1."""
        other = pair.earlier if column == pair.later else pair.later
        anchor, own = self._days[other][row], self._days[column][row]
        if not np.isfinite(anchor) or not np.isfinite(own):
            return "", 0.0
        gaps = (pair.due[row],) if np.isfinite(pair.due[row]) else pair.usual
        mine, best = _iso(own), ("", 0.0)
        for gap in gaps:
            day = anchor + gap if column == pair.later else anchor - gap
            text = _iso(day)
            same = sum(a == b for a, b in zip(mine, text, strict=True)) / len(mine) if text else 0.0
            if text != mine and same > best[1]:
                best = text, same
        return best

    def _pair(self, one: int, two: int, seed: int) -> Pair | None:
        left, right = self._days[one], self._days[two]
        known = np.isfinite(left) & np.isfinite(right)
        if known.sum() < _LEAST:
            return None
        if (right < left)[known].mean() > (left < right)[known].mean():
            one, two, left, right = two, one, right, left
        gap = right - left
        ordered = float((gap[known] >= 0).mean()) if (gap[known] != 0).any() else 0.0
        rng = np.random.default_rng(seed)
        usual, share = self._usual(left, right, gap, known, rng)
        if ordered < _ORDERED and not usual:
            return None
        nothing = np.zeros(len(gap))
        pair = Pair(
            one, two, ordered, gap, usual, share, nothing, nothing + np.nan, -1, *(nothing.astype(np.int64),) * 2
        )
        return self._with_terms(pair, seed) if usual else pair

    def _usual(
        self, left: Floats, right: Floats, gap: Floats, known: NDArray[np.bool_], rng: np.random.Generator
    ) -> tuple[tuple[float, ...], Floats]:
        """Return the few gaps that most rows have, unless dates exchanged between rows have them nearly as often."""
        values, position, counts = np.unique(gap[known], return_inverse=True, return_counts=True)
        share = np.zeros(len(gap))
        share[known] = (counts[position] - 1) / max(known.sum() - 1, 1)
        top = values[np.argsort(-counts, kind="stable")[:_FEW_GAPS]]
        top = top[np.isin(top, values[counts >= _ODD * counts.sum()])]
        covered = float(np.isin(gap[known], top).mean())
        chance = float(np.isin(right[known] - rng.permutation(left[known]), top).mean())
        few = covered >= _COVERED and covered - chance >= _TELLING
        return (tuple(map(float, top)) if few else ()), share

    def _with_terms(self, pair: Pair, seed: int) -> Pair:
        """Return the pair with what the column that best tells its gap says of each row."""
        texts = np.array([f"{gap:g}" if np.isfinite(gap) else "" for gap in pair.gap], dtype=object)
        codes, values = pd.factorize(texts)
        codes = codes.astype(np.int64)
        own = Column("gap", tuple(values), np.bincount(codes, minlength=len(values)).astype(np.int64), codes)
        others = [at for at in range(len(self._columns)) if at not in self._days]
        found = discover_for(own, [(at, self._columns[at]) for at in others], seed)
        if not found or found[0].lift < _STRONG:
            return pair
        return self._told(pair, own, found[0])

    def _told(self, pair: Pair, own: Column, told: Dependency) -> Pair:
        group = groups(self._columns[told.source], own)
        certainty = told.lift * group.size / (group.size + 1.0)
        due = np.array([float(value or "nan") for value in own.distinct] + [np.nan])[group.usual]
        against = np.where(np.isfinite(pair.gap), np.maximum(group.gap, 0.0) * certainty, 0.0)
        due = np.where(against > 0, due, np.nan)
        parts = pair.earlier, pair.later, pair.ordered, pair.gap, pair.usual, pair.share
        return Pair(*parts, against, due, told.source, group.top, group.size)


def _iso(day: float) -> str:
    return date.fromordinal(int(day)).isoformat() if 1 <= day <= date.max.toordinal() else ""
