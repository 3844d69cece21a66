"""Which columns of two tables belong together, and which of them name a record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Protocol

import numpy as np
from scipy.optimize import linear_sum_assignment

from qc_models.tables.canonical import convention_of, readings
from qc_models.tables.table import Table

_OVERLAP = 0.5
_MARGIN = 0.1
_FEWEST = 5
_UNIQUE = 0.8
_MEET = 0.3
_HALF = 0.5

Key = tuple[str, ...]


@dataclass(frozen=True)
class Link:
    """The source column that belongs to a column, and whether their names say so (else their contents do)."""

    source: int
    by_name: bool


class Keyed(Protocol):
    """Two tables side by side, as `likeness.Sides` has them."""

    @property
    def links(self) -> Mapping[int, Link]:
        """Return the columns that belong together."""
        ...

    def keys(self, columns: Sequence[int]) -> tuple[list[Key | None], list[Key | None]]:
        """Return the keys of all rows on both sides over some columns."""
        ...

    def agree(self, row: int, other: int, column: int) -> bool:
        """Say whether a row and a source row say the same in a column."""
        ...


def link_columns(table: Table, source: Table) -> dict[int, Link]:
    """Return the source column that belongs to each column, where one does: by name, then by content.

    Names are compared without case, blanks and signs; one that stands twice names nothing. Contents belong together if
    they share at least half of their distinct values, five at the least, and clearly more than with any other column.
    """
    mine, theirs = _by_name(table), _by_name(source)
    links = {column: Link(theirs[name], by_name=True) for name, column in mine.items() if name in theirs}
    taken = {link.source for link in links.values()}
    free = [column for column in range(len(table.columns)) if column not in links]
    left = [column for column in range(len(source.columns)) if column not in taken]
    links.update(dict(_by_content(table, source, free, left)))
    return dict(sorted(links.items()))


def find_key(sides: Keyed) -> tuple[int, ...]:
    """Return the column, or pair of columns, whose values are nearly unique on both sides and meet most often.

    One column is preferred to two, and what stands first to later ones unless these are clearly better: records are
    usually named at the left. Empty if nothing will do.
    """
    single = _first_of_the_best(sides, [(column,) for column in sides.links])
    if single[0] >= 1.0 - _MARGIN:
        return single[1]
    double = _first_of_the_best(sides, list(combinations(sides.links, 2)))
    return double[1] if double[0] > single[0] + _MARGIN else single[1]


def _first_of_the_best(sides: Keyed, keys: Sequence[tuple[int, ...]]) -> tuple[float, tuple[int, ...]]:
    worths = [_worth(sides, key) for key in keys]
    most = max(worths, default=0.0)
    if not most:
        return 0.0, ()
    return next((worth, key) for worth, key in zip(worths, keys, strict=True) if worth > most - _MARGIN)


def strangers(sides: Keyed, partner: Sequence[int]) -> tuple[int, ...]:
    """Return columns that were linked by content but disagree in most of the paired rows: another thing."""
    pairs = [(row, other) for row, other in enumerate(partner) if other >= 0]
    return tuple(
        column
        for column, link in sides.links.items()
        if not link.by_name and sum(sides.agree(row, other, column) for row, other in pairs) < _HALF * len(pairs)
    )


def _worth(sides: Keyed, key: Sequence[int]) -> float:
    mine, theirs = sides.keys(key)
    left, right = {one for one in mine if one}, {one for one in theirs if one}
    if not left or not right:
        return 0.0
    unique = min(len(left) / len(mine), len(right) / len(theirs))
    meet = len(left & right) / min(len(left), len(right))
    return unique * meet if unique >= _UNIQUE and meet >= _MEET else 0.0


def _by_name(table: Table) -> dict[str, int]:
    names = ["".join(character for character in name.casefold() if character.isalnum()) for name in table.columns]
    return {name: column for column, name in enumerate(names) if name and names.count(name) == 1}


def _by_content(table: Table, source: Table, free: Sequence[int], left: Sequence[int]) -> Iterator[tuple[int, Link]]:
    if not free or not left:
        return
    mine, theirs = [_content(table, column) for column in free], [_content(source, column) for column in left]
    shared = np.array([[_overlap(one, other) for other in theirs] for one in mine])
    for at, to in zip(*linear_sum_assignment(-shared), strict=True):
        rivals = np.concatenate([np.delete(shared[at], to), np.delete(shared[:, to], at)])
        if shared[at, to] >= _OVERLAP and shared[at, to] - rivals.max(initial=0.0) >= _MARGIN:
            yield free[at], Link(left[to], by_name=False)


def _content(table: Table, column: int) -> set[str]:
    values = set(table.column(column))
    convention = convention_of(values)
    return {min(str(one) for one in readings(value, convention)) for value in values} - {""}


def _overlap(one: set[str], other: set[str]) -> float:
    shared = len(one & other)
    return shared / min(len(one), len(other)) if shared >= _FEWEST else 0.0
