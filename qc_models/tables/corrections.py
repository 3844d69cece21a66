"""One suggested correction for a cell, where evidence supports one: what the source says, or what other rows say.

Candidates are what other rows that agree with this one on a deciding column have here (soft functional dependencies),
the more frequent value a few edits away, and what the corrections that people gave come to here. Rows speak with the
weight of the detector's own trust in them, as sources do in truth discovery (Dong, Berti-Equille and Srivastava, 2009);
what witnesses of different kinds say is put together as a noisy-or. Vicinity and value models of corrections: Mahdavi
and Abedjan, Baran (PVLDB 13, 2020).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from qc_models.tables.columns import Floats, Ints
from qc_models.tables.features import Statistics
from qc_models.tables.lessons import Lessons, lessons_of
from qc_models.tables.relation_words import RelationWords
from qc_models.tables.vocabulary import Vocabulary
from qc_models.tables.words import edits, rows, short

_LEAST = 0.5
_STRONG = 0.3
_MOST_LIKELY = 0.95


@dataclass(frozen=True)
class Correction:
    """What a cell should probably say instead, how likely that is (0 to 1), and on whose word."""

    value: str
    confidence: float
    support: str


@dataclass(frozen=True)
class _Witness:
    value: str
    confidence: float
    says: str


class Corrector:
    """Suggests values for the cells of one table.

    `wrong` is P(cell is wrong), rows x columns, and decides how much each row's word counts; by (row, column), `told`
    are values that the source of a row has, `right` values that a person gave; `labelled` are the wrong columns of rows
    that a person has looked at.
    """

    def __init__(
        self,
        statistics: Statistics,
        wrong: Floats,
        *,
        told: Mapping[tuple[int, int], str] | None = None,
        right: Mapping[tuple[int, int], str] | None = None,
        labelled: Mapping[int, frozenset[int]] | None = None,
    ) -> None:
        self._statistics = statistics
        self._trust = 1.0 - wrong
        self._relations = RelationWords(statistics.columns, statistics.relations)
        self._told = told or {}
        self._right = right or {}
        self._labelled = labelled or {}
        self._lessons: dict[int, Lessons] = {}
        self._vocabularies: dict[int, Vocabulary] = {}

    def suggest(self, row: int, column: int) -> Correction | None:
        """Return the best supported other value of a cell, None where nothing supports one well enough."""
        said = self._right.get((row, column))
        if said is not None:
            return Correction(said, 1.0, "a person gave it")
        said = self._told.get((row, column))
        if said is not None:
            return Correction(said, 1.0, "the source says so") if said.strip() else None
        doubt: dict[str, float] = {}
        witnesses: dict[str, _Witness] = {}
        related = (_Witness(*one) for one in self._relations.mends(row, column, self._trust))
        for kind in (related, self._peers(row, column), self._spelling(row, column), self._taught(row, column)):
            best: dict[str, _Witness] = {}
            for one in kind:
                if one.value not in best or best[one.value].confidence < one.confidence:
                    best[one.value] = one
            for value, one in best.items():
                doubt[value] = doubt.get(value, 1.0) * (1.0 - min(one.confidence, _MOST_LIKELY))
                witnesses.setdefault(value, one)
        if not doubt:
            return None
        value = min(doubt, key=lambda value: (doubt[value], value))
        sure = 1.0 - doubt[value]
        return Correction(value, sure, witnesses[value].says) if sure >= _LEAST else None

    def _peers(self, row: int, column: int) -> Iterator[_Witness]:
        columns = self._statistics.columns
        target = columns[column]
        for dependency, _ in self._statistics.told[column]:
            if dependency.lift < _STRONG:
                continue
            source = columns[dependency.source]
            code = int(source.codes[row])
            if source.missing[code]:
                continue
            peers = self._members(dependency.source, code)
            peers = peers[(peers != row) & ~target.missing[target.codes[peers]]]
            if not len(peers):
                continue
            weight = np.bincount(target.codes[peers], weights=self._trust[peers, column])
            total = float(weight.sum())
            weight = weight[: len(target.distinct)]
            if target.codes[row] < len(weight):
                weight[target.codes[row]] = 0.0
            best = int(weight.argmax())
            if weight[best] <= 0:
                continue
            count = int((target.codes[peers] == best).sum())
            says = f"{source.name} {source.distinct[code]} goes with it in {count:,} of {len(peers):,} other rows"
            yield _Witness(
                target.distinct[best], float(weight[best] / (total + 1.0) * self._trust[row, dependency.source]), says
            )

    def _spelling(self, row: int, column: int) -> Iterator[_Witness]:
        code = int(self._statistics.columns[column].codes[row])
        if column not in self._vocabularies:
            self._vocabularies[column] = Vocabulary(self._statistics.columns[column], self._trust[:, column])
        vocabulary = self._vocabularies[column]
        value = vocabulary.value(code)
        if value is not None:
            yield _Witness(value.value, value.chance, f"{edits(value.edits)}, stands in {rows(value.rows)}")
        words = vocabulary.words(code)
        if words is not None:
            yield _Witness(words.value, words.chance, f"{edits(words.edits)}, spelt as in {rows(words.rows)}")

    def _taught(self, row: int, column: int) -> Iterator[_Witness]:
        """What other corrections of this column come to here."""
        table = self._statistics.table
        if column not in self._lessons:
            self._lessons[column] = lessons_of(self._right, self._labelled, column, table.column(column))
        found = self._lessons[column].suggest(table.rows[row][column])
        if found is not None:
            value, lesson = found
            example = lesson.example
            yield _Witness(value, lesson.confidence, f"as {short(example.before)} became {short(example.after)}")

    def _members(self, column: int, code: int) -> Ints:
        order, starts = self._grouped[column]
        return order[starts[code] : starts[code + 1]]

    @cached_property
    def _grouped(self) -> dict[int, tuple[Ints, Ints]]:
        result = {}
        for told in self._statistics.told:
            for dependency, _ in told:
                one = self._statistics.columns[dependency.source]
                order = np.argsort(one.codes, kind="stable").astype(np.int64)
                starts = np.searchsorted(one.codes[order], np.arange(len(one.distinct) + 1)).astype(np.int64)
                result[dependency.source] = order, starts
        return result
