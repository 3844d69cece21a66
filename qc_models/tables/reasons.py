"""Why a cell is suspicious, in plain words with the figures that a person can check, most telling first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from qc_models.tables.evidence import Evidence, Usual
from qc_models.tables.features import Statistics
from qc_models.tables.numbers import weighted_quantile
from qc_models.tables.relation_words import RelationWords
from qc_models.tables.words import edits, rows, short

_STRONG = 0.3
_MOST = 3
_RARE_PATTERN = 0.02
_COMMON_PATTERN = 0.8
_FEW_MISSING = 0.2
_FAR = 5.0
_TIMES = 3.0
_NUMBERS = 0.9


@dataclass(frozen=True)
class Reason:
    """One thing that speaks against a cell: its kind, a sentence, and how much it says (0 to 1)."""

    kind: str
    text: str
    weight: float


class Reasons:
    """Reasons for the cells of one table.

    `told` are values that the source of a row has where it says something else, `agreed` says of a cell whether it says
    the same; `labelled` are the wrong columns of rows that a person has looked at.
    """

    def __init__(
        self,
        statistics: Statistics,
        *,
        told: Mapping[tuple[int, int], str] | None = None,
        agreed: Callable[[int, int], bool] = lambda _row, _column: False,
        labelled: Mapping[int, frozenset[int]] | None = None,
    ) -> None:
        self._statistics = statistics
        self._evidence = Evidence(statistics)
        self._relations = RelationWords(statistics.columns, statistics.relations)
        self._told = told or {}
        self._agreed = agreed
        self._labelled = labelled or {}

    def of(self, row: int, column: int, most: int = _MOST) -> list[Reason]:
        """Return what speaks against a cell, at most so many reasons (one more if the source agrees); there is one."""
        found = [
            *self._source(row, column),
            *self._label(row, column),
            *self._missing(row, column),
            *self._dependency(row, column),
            *self._neighbour(row, column),
            *self._number(row, column),
            *self._pattern(row, column),
            *self._alike(row, column),
            *(Reason(*one) for one in self._relations.against(row, column)),
        ]
        found.sort(key=lambda one: -one.weight)
        found = found[:most] or [Reason("model", "its features together; no single one is telling", 0.0)]
        return [*found, Reason("agrees", "the source says the same", 0.0)] if self._agreed(row, column) else found

    def _source(self, row: int, column: int) -> Iterator[Reason]:
        said = self._told.get((row, column))
        if said is not None:
            yield Reason("source", f"source says {short(said)}" if said.strip() else "source has nothing here", 1.0)

    def _label(self, row: int, column: int) -> Iterator[Reason]:
        if column in self._labelled.get(row, ()):
            yield Reason("label", "a person said that it is wrong", 0.99)

    def _missing(self, row: int, column: int) -> Iterator[Reason]:
        one = self._statistics.columns[column]
        code = int(one.codes[row])
        if not one.missing[code]:
            return
        value = one.distinct[code].strip()
        share = float((one.counts * one.missing).sum() / one.size)
        have = int((one.counts * ~one.missing).sum())
        said = f"“{short(value)}” stands for nothing" if value else "empty"
        if share < _FEW_MISSING:
            yield Reason("missing", f"{said}; {have:,} of {rows(one.size)} have one", 0.9 * (1.0 - share))

    def _dependency(self, row: int, column: int) -> Iterator[Reason]:
        for usual in self._evidence.usual(row, column):
            if usual.lift < _STRONG:
                continue
            weight = usual.lift * (usual.support - usual.own) / (usual.of + 1)
            yield Reason("dependency", self._goes_with(usual), 0.98 * weight)
            return

    def _goes_with(self, usual: Usual) -> str:
        via = self._statistics.columns[usual.via].name
        return (
            f"{via} {short(usual.via_value)} goes with {short(usual.value)} "
            f"in {usual.support:,} of {usual.of:,} other rows"
        )

    def _neighbour(self, row: int, column: int) -> Iterator[Reason]:
        found = self._evidence.neighbour(row, column)
        if found is None or self._statistics.columns[column].is_number:
            return
        weight = (1.0 - found.own_count / found.count) * 0.9**found.edits
        own = short(self._value(row, column))
        text = f"written {own}; {short(found.value)}, {edits(found.edits)}, stands in {rows(found.count)}"
        yield Reason("spelling", text, 0.95 * weight)

    def _number(self, row: int, column: int) -> Iterator[Reason]:
        one = self._statistics.columns[column]
        code = int(one.codes[row])
        numeric = float((one.counts * np.isfinite(one.numbers)).sum() / max((one.counts * ~one.missing).sum(), 1))
        if not np.isfinite(one.numbers[code]):
            if numeric >= _NUMBERS and not one.missing[code]:
                yield Reason("type", f"not a number; {numeric:.1%} of this column are", 0.8 * numeric)
            return
        score = self._evidence.number(row, column)
        if score is None or abs(score) < _FAR:
            return
        weight = 0.8 * (1.0 - _FAR / (2.0 * abs(score)))
        yield Reason("number", self._how_far(one.numbers[code], column, above=score > 0), weight)

    def _how_far(self, number: float, column: int, *, above: bool) -> str:
        middle, low, high = self._quantiles[column]
        shown = f"{number:,.10g}"
        if middle > 0 and number > 0 and max(number / middle, middle / number) >= _TIMES:
            times = f"{number / middle:,.3g} times" if above else f"1/{middle / number:,.3g} of"
            return f"{shown} is {times} what is usual ({middle:,.6g})"
        return f"{shown} is far {'above' if above else 'below'} the usual {low:,.6g} to {high:,.6g}"

    @cached_property
    def _quantiles(self) -> dict[int, tuple[float, float, float]]:
        result = {}
        for index, one in enumerate(self._statistics.columns):
            known = np.isfinite(one.numbers)
            if known.any():
                numbers, weights = one.numbers[known], one.counts[known].astype(float)
                middle, low, high = (weighted_quantile(numbers, weights, share) for share in (0.5, 0.05, 0.95))
                result[index] = middle, low, high
        return result

    def _pattern(self, row: int, column: int) -> Iterator[Reason]:
        one = self._statistics.columns[column]
        if one.missing[one.codes[row]]:
            return
        found = self._evidence.pattern(row, column)
        count = round(found.share * one.size)
        if found.share > _RARE_PATTERN or count >= one.size:
            return
        if count == 1:
            text = f"the only value of this column with the pattern {short(found.pattern)}"
        else:
            text = f"the pattern {short(found.pattern)} stands in {count:,} of {rows(one.size)} only"
        yield Reason("pattern", text, 0.5 * (1.0 - found.share) * self._regularity(column))

    def _regularity(self, column: int) -> float:
        """Return the chance that two rows have the same pattern: rare patterns say little where all are rare."""
        if column not in self._regular:
            one = self._statistics.columns[column]
            first = [int(row) for row in np.unique(one.codes, return_index=True)[1]]
            shares = np.array([self._evidence.pattern(row, column).share for row in first])
            self._regular[column] = float((shares * one.counts).sum() / one.size)
        return self._regular[column]

    @cached_property
    def _regular(self) -> dict[int, float]:
        return {}

    def _alike(self, row: int, column: int) -> Iterator[Reason]:
        """A cell that looks like one that a person called wrong."""
        found = self._evidence.pattern(row, column)
        if found.share > _COMMON_PATTERN:
            return
        for other, wrong in self._labelled.items():
            if other != row and column in wrong and self._evidence.pattern(other, column).pattern == found.pattern:
                value = short(self._value(other, column))
                text = f"looks like {value}, which a person called wrong"
                yield Reason("alike", text, 0.45)
                return

    def _value(self, row: int, column: int) -> str:
        one = self._statistics.columns[column]
        return one.distinct[int(one.codes[row])]
