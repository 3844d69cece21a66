"""What the relations between a row's cells say of one of them, in words and as the value that it should have."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from qc_models.tables.columns import Column, Floats
from qc_models.tables.dates import Pair
from qc_models.tables.relations import Relations
from qc_models.tables.words import counted, short


class RelationWords:
    """Sentences and corrections for the cells of a table that its columns' relations speak against."""

    def __init__(self, columns: tuple[Column, ...], relations: Relations) -> None:
        self._columns, self._relations = columns, relations
        self._names = [column.name for column in columns]

    def against(self, row: int, column: int) -> Iterator[tuple[str, str, float]]:
        """Return what speaks against a cell: kind, sentence, and how much it says (0 to 1), strongest kind first."""
        arithmetic = self._relations.arithmetic
        mend = arithmetic.mend(row, column)
        for one in sorted(arithmetic.broken(row, column), key=lambda one: mend is None or one.law != mend.law)[:1]:
            left, right = one.law.say(self._names)
            told = arithmetic.write(one.law.columns[-1], one.expected)
            said = self._value(row, one.law.columns[-1])
            yield "arithmetic", f"{left} is {told}, {right} says {short(said)}", 0.97 if mend else 0.6
        yield from self._dates(row, column)

    def mends(self, row: int, column: int, trust: Floats) -> Iterator[tuple[str, float, str]]:
        """Return values that a cell should have: text, confidence, on whose word; `trust` is P(right), rows x columns.

        A law's word counts as much as its other cells are trusted, a usual gap's as much as other rows have it.
        """
        mend = self._relations.arithmetic.mend(row, column)
        if mend is not None:
            others = [other for other in mend.law.columns if other != column]
            left, right = mend.law.say(self._names)
            agree = f"{left} is then {right}" if mend.laws == 1 else f"{counted(mend.laws, 'law')} of the row then hold"
            yield mend.text, float(mend.law.kept * np.prod(trust[row, others])), agree
        found = self._relations.dates.mend(row, column)
        if found is not None:
            text, alike, pair = found
            other = pair.earlier if column == pair.later else pair.later
            yield text, float(alike * trust[row, other]), f"so many days from {self._names[other]} are usual"

    def _dates(self, row: int, column: int) -> Iterator[tuple[str, str, float]]:
        dates = self._relations.dates
        for pair in dates.against(row, column)[:1]:
            yield "dates", self._gap(pair, row), 0.9 * max(float(pair.disordered[row]), pair.odd[row], pair.told[row])
        near = dates.line(row, column)
        if near is not None:
            yield "dates", f"the rows around it are of {near} or so", 0.85

    def _gap(self, pair: Pair, row: int) -> str:
        earlier, later = self._names[pair.earlier], self._names[pair.later]
        if pair.disordered[row]:
            days = counted(-int(pair.gap[row]), "day")
            return f"{later} is {days} before {earlier}; in {pair.ordered:.1%} of rows it is not"
        days = f"{later} is {counted(int(pair.gap[row]), 'day')} after {earlier}"
        if np.isfinite(pair.due[row]):
            return (
                f"{days}; {self._whose(pair, row)} has {pair.due[row]:g} in {pair.support[row]:,} of {pair.of[row]:,}"
            )
        usual = ", ".join(f"{gap:g}" for gap in pair.usual[:3])
        return f"{days}, as in {pair.share[row]:.1%} of rows; usual are {usual}"

    def _whose(self, pair: Pair, row: int) -> str:
        return f"{self._names[pair.via]} {short(self._value(row, pair.via))}"

    def _value(self, row: int, column: int) -> str:
        one = self._columns[column]
        return one.distinct[int(one.codes[row])]
