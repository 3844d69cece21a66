"""Which source record each row of a table was entered from, and where the two disagree.

Columns are paired by name, then by content; the key is the column or the pair of columns that names rows most uniquely
on both sides. Rows with equal keys are paired first; among the rest the best partner over all columns counts, each
column with the weight of its information (the idea of Fellegi and Sunter, A Theory for Record Linkage, JASA 64, 1969),
and only with a margin to the second best: a row that two partners fit stays alone and is reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from engine.errors import UserError
from qc_models.tables import alignment
from qc_models.tables.alignment import Link
from qc_models.tables.canonical import tidy
from qc_models.tables.likeness import Sides
from qc_models.tables.table import Table


@dataclass(frozen=True)
class PairedRows:
    """Source records in the order of the table's rows, with its columns; None where there is no partner or column."""

    rows: Sequence[Sequence[str | None]]


@dataclass(frozen=True)
class Pairing:
    """How the rows of a table and its source belong together.

    `links`: source column by table column; `key`: names of the table's key columns; `partner`: the source row of each
    row, -1 without one; `near`: rows paired without an equal key; `ambiguous`: rows that more than one record fits;
    `only_source`: source rows that no row was entered from; `told`: what the source says, by (row, column), where it
    says something else; `left_out`: columns whose content looked alike and disagreed in most rows.
    """

    table: Table
    source: Table
    links: Mapping[int, Link]
    key: tuple[str, ...]
    partner: tuple[int, ...]
    near: tuple[int, ...]
    ambiguous: tuple[int, ...]
    only_source: tuple[int, ...]
    told: Mapping[tuple[int, int], str]
    rows: PairedRows
    left_out: tuple[str, ...] = ()

    @cached_property
    def only_table(self) -> tuple[int, ...]:
        """Return the rows without a partner that are not ambiguous."""
        doubtful = set(self.ambiguous)
        return tuple(row for row, other in enumerate(self.partner) if other < 0 and row not in doubtful)

    @property
    def paired(self) -> int:
        """Return how many rows have a partner."""
        return sum(other >= 0 for other in self.partner)

    @property
    def complete(self) -> bool:
        """Say whether every row has its source record and every source record its row."""
        return self.paired == len(self.partner) and not self.only_source

    def table_lines(self, rows: Sequence[int]) -> list[int]:
        """Return the lines of the table's file where rows begin."""
        return [self.table.line(row) for row in rows]

    def source_lines(self, rows: Sequence[int]) -> list[int]:
        """Return the lines of the source's file where rows begin."""
        return [self.source.line(row) for row in rows]


@dataclass
class _Found:
    partner: list[int]
    near: list[int] = field(default_factory=list)
    ambiguous: list[int] = field(default_factory=list)


def pair(table: Table, source: Table) -> Pairing:
    """Align a table with the source it was entered from.

    Raises:
        UserError: no two columns belong together, or no column or pair of columns tells rows apart on both sides.
    """
    links = alignment.link_columns(table, source)
    if not links:
        raise UserError(
            f"no column of the source belongs to one of the table ({', '.join(table.columns[:8])} against "
            f"{', '.join(source.columns[:8])}); give both the same names"
        )
    sides = Sides(table, source, links)
    key = alignment.find_key(sides)
    if not key:
        raise UserError(
            "no column and no pair of columns tells the rows apart on both sides and overlaps; add a common "
            "column that numbers the records to both files"
        )
    found = _Found([-1] * len(table.rows))
    _equal_keys(sides, key, found)
    _near_keys(sides, found)
    left_out = alignment.strangers(sides, found.partner)
    kept = {column: link for column, link in links.items() if column not in left_out}
    return _result(table, source, sides, key, found, kept, tuple(table.columns[column] for column in left_out))


def _equal_keys(sides: Sides, key: Sequence[int], found: _Found) -> None:
    """Pair rows whose keys are equal; where a key stands more than once, those that agree most."""
    mine, theirs = sides.groups(key)
    for name, rows in mine.items():
        others = theirs.get(name, [])
        if len(rows) == 1 and len(others) == 1:
            found.partner[rows[0]] = others[0]
        elif others:
            pairs, doubtful = sides.assign(rows, others, least=0.0)
            _note(found, pairs, doubtful, near=False)


def _near_keys(sides: Sides, found: _Found) -> None:
    """Pair what is left by all columns together."""
    taken = {other for other in found.partner if other >= 0}
    doubtful = set(found.ambiguous)
    rows = [row for row, other in enumerate(found.partner) if other < 0 and row not in doubtful]
    others = [other for other in range(sides.source_rows) if other not in taken]
    pairs, unsure = sides.assign(rows, others, least=sides.near_enough)
    _note(found, pairs, unsure, near=True)


def _note(found: _Found, pairs: Mapping[int, int], doubtful: Sequence[int], *, near: bool) -> None:
    for row, other in pairs.items():
        found.partner[row] = other
    if near:
        found.near.extend(pairs)
    found.ambiguous.extend(doubtful)


def _result(
    table: Table,
    source: Table,
    sides: Sides,
    key: Sequence[int],
    found: _Found,
    links: Mapping[int, Link],
    left_out: tuple[str, ...],
) -> Pairing:
    told: dict[tuple[int, int], str] = {}
    paired: list[list[str | None]] = []
    for row, other in enumerate(found.partner):
        cells: list[str | None] = [None] * len(table.columns)
        if other >= 0:
            for column, link in links.items():
                agree = sides.agree(row, other, column)
                cells[column] = table.rows[row][column] if agree else source.rows[other][link.source]
                if not agree:
                    told[row, column] = tidy(source.rows[other][link.source])
        paired.append(cells)
    taken = set(found.partner)
    return Pairing(
        table=table,
        source=source,
        links=links,
        key=tuple(table.columns[column] for column in key),
        partner=tuple(found.partner),
        near=tuple(sorted(found.near)),
        ambiguous=tuple(sorted(found.ambiguous)),
        only_source=tuple(other for other in range(len(source.rows)) if other not in taken),
        told=told,
        rows=PairedRows(paired),
        left_out=left_out,
    )
