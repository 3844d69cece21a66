"""Arithmetic that a history obeys: a + b = c, a x b = c, the sum of a table's column, the product within its rows.

Nothing is declared: every combination of number columns is tried, and kept if nearly all past records obey it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.values import Record
from qc_models.entry.columns import Column, number_of, rows

Floats = NDArray[np.float64]
_KEPT = 0.9
_MEANT = 0.3
_MOST = 12
_CENTS = 0.05
_MOST_ROWS = 4000
_FLOAT = 1e-13
"""What floating point may lose of a number: a cent still counts in ten thousand millions."""


@dataclass(frozen=True)
class Relation:
    """One law: `kind` over `parts` gives `target`; names are columns."""

    kind: Literal["sum", "product", "table_sum", "row_product"]
    parts: tuple[str, ...]
    target: str

    @property
    def names(self) -> tuple[str, ...]:
        """Return every column that takes part."""
        return (*self.parts, self.target)

    def describe(self) -> str:
        """Write the left side for people."""
        if self.kind == "table_sum":
            return f"the sum of {self.parts[0]}"
        return (" + " if self.kind == "sum" else " x ").join(self.parts)


@dataclass(frozen=True)
class Broken:
    """A law that a record does not obey; `row` counts from 1 within a table."""

    relation: Relation
    expected: float
    observed: float
    row: int | None = None

    @property
    def size(self) -> float:
        """Return how far off it is, relative to the result."""
        return abs(self.expected - self.observed) / (abs(self.expected) + 1.0)


def discover(columns: Sequence[Column], records: Sequence[Record]) -> tuple[Relation, ...]:
    """Return the laws that at least nine in ten past records obey and that say something."""
    recent = records[-_MOST_ROWS:]
    if not recent:
        return ()
    header = [column for column in columns if column.table is None]
    table = {column.name: _header(column, recent) for column in header}
    known = {name: cells for name, cells in table.items() if np.isfinite(cells).mean() > _MEANT}
    names = list(known)[:_MOST]
    found = list(_sums(names, known)) + list(_products(names, known))
    for field in dict.fromkeys(column.table for column in columns if column.table is not None):
        inner = [column for column in columns if column.table == field and column.kind == "number"]
        found.extend(_table_sums(field, inner, recent, known))
        found.extend(_row_products(field, inner, recent))
    return tuple(found)


def check(relation: Relation, record: Record) -> Broken | bool | None:
    """Return True if a record obeys a law, what is broken if not, None if a number is missing."""
    if relation.kind == "row_product":
        return _check_rows(relation, record)
    target = _value(record, relation.target)
    if relation.kind == "table_sum":
        field, _, part = relation.parts[0].partition(".")
        parts = [number_of(row.get(part)) for row in rows(record, field)]
    else:
        parts = [_value(record, name) for name in relation.parts]
    if target is None or not parts:
        return None
    numbers = [part for part in parts if part is not None]
    if len(numbers) < len(parts):
        return None
    expected = float(np.prod(numbers)) if relation.kind == "product" else sum(numbers)
    return True if _close(expected, target, relation.kind) else Broken(relation, expected, target)


def _check_rows(relation: Relation, record: Record) -> Broken | bool | None:
    field = relation.target.partition(".")[0]
    left, right, result = (name.partition(".")[2] for name in relation.names)
    seen: bool | None = None
    for position, row in enumerate(rows(record, field), start=1):
        one, two, three = (number_of(row.get(part)) for part in (left, right, result))
        if one is None or two is None or three is None:
            continue
        if not _close(one * two, three, "product"):
            return Broken(relation, one * two, three, position)
        seen = True
    return seen


def _close(expected: float, observed: float, kind: str) -> bool:
    slack = 0.0101 if kind == "product" else 0.0051
    return abs(expected - observed) <= slack + _FLOAT * abs(observed)


def _value(record: Record, name: str) -> float | None:
    value = record.get(name)
    return None if isinstance(value, list) else number_of(value)


def _header(column: Column, records: Sequence[Record]) -> Floats:
    found = [_value(record, column.name) for record in records]
    return np.array([np.nan if value is None else value for value in found], dtype=np.float64)


def _sums(names: list[str], known: dict[str, Floats]) -> Iterable[Relation]:
    for left, right in combinations(names, 2):
        both = known[left] + known[right]
        for target in names:
            if target not in {left, right} and _holds(both, known[target], 0.0051, known[left], known[right]):
                yield Relation("sum", (left, right), target)


def _products(names: list[str], known: dict[str, Floats]) -> Iterable[Relation]:
    for left, right in combinations(names, 2):
        both = known[left] * known[right]
        for target in names:
            telling = np.where(np.abs(both) > _CENTS, known[left], 0.0)
            if target not in {left, right} and _holds(both, known[target], 0.0101, telling, known[right]):
                yield Relation("product", (left, right), target)


def _table_sums(
    field: str, inner: list[Column], records: Sequence[Record], known: dict[str, Floats]
) -> Iterable[Relation]:
    for column in inner:
        sums = np.array([_row_sum(record, field, column.part) for record in records])
        for target, cells in known.items():
            if _holds(sums, cells, 0.0051, sums, cells):
                yield Relation("table_sum", (column.name,), target)


def _row_sum(record: Record, field: str, part: str) -> float:
    found = [number_of(row.get(part)) for row in rows(record, field)]
    numbers = [value for value in found if value is not None]
    return sum(numbers) if numbers and len(numbers) == len(found) else float("nan")


def _row_products(field: str, inner: list[Column], records: Sequence[Record]) -> Iterable[Relation]:
    flat = [row for record in records for row in rows(record, field)][:_MOST_ROWS]
    cells = {
        column.name: np.array([np.nan if (v := number_of(row.get(column.part))) is None else v for row in flat])
        for column in inner
    }
    for left, right, target in permutations(cells, 3):
        if left < right and len(flat) > 0:
            one, two = cells[left], cells[right]
            if _holds(one * two, cells[target], 0.0101, one - 1, two - 1):
                yield Relation("row_product", (left, right), target)


def _holds(left: Floats, right: Floats, slack: float, *telling: Floats) -> bool:
    known = np.isfinite(left) & np.isfinite(right)
    if known.sum() < 20:  # noqa: PLR2004 - fewer records prove nothing
        return False
    kept = np.abs(left - right)[known] <= slack + _FLOAT * np.abs(right[known])
    says = [np.mean(np.abs(part[known]) > 1e-9) >= _MEANT for part in telling]  # noqa: PLR2004
    return bool(kept.mean() >= _KEPT and all(says))
