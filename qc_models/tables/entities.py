"""Tables in which several sources speak about the same entities: which column names which, and who copies whom.

A source speaks of an entity once, so the two columns together are nearly a key, and the entity decides other columns in
part. Copies are found as in Dong, Berti-Equille and Srivastava (2009), simplified: sources that agree nearly always are
one voice together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from qc_models.tables.columns import Column, Floats, Ints
from qc_models.tables.dependencies import Dependency

_UNIQUE = 0.95
_ENTITY_SIZE = 3
_SOURCE_SIZE = 5
_MOST_SOURCES = 2_000
_LEAST_COMMON = 5
_COPY_POWER = 8


@dataclass(frozen=True)
class Entity:
    """Column `entity` names what rows are about, column `source` who says it; `voice`: a row's weight among copies."""

    entity: int
    source: int
    voice: Floats


def find_entity(columns: Sequence[Column], dependencies: Sequence[Dependency]) -> Entity | None:
    """Return the pair of columns that fits best, None if no pair does."""
    strength: dict[int, float] = defaultdict(float)
    for one in dependencies:
        strength[one.source] += one.strength
    best, most = None, 0.0
    for entity in sorted(strength):
        if _mean_size(columns[entity]) < _ENTITY_SIZE:
            continue
        for source, column in enumerate(columns):
            if source == entity or _mean_size(column) < _SOURCE_SIZE or strength[entity] <= most:
                continue
            unique = _unique_share(columns[entity], column)
            if unique >= _UNIQUE and strength[entity] * unique > most:
                best, most = (entity, source), strength[entity] * unique
    if best is None:
        return None
    targets = [one.target for one in dependencies if one.source == best[0] and one.target != best[1]]
    return Entity(*best, _voices(columns[best[0]], columns[best[1]], [columns[target] for target in targets]))


def _mean_size(column: Column) -> float:
    return column.size / max(len(column.distinct), 1)


def _unique_share(left: Column, right: Column) -> float:
    there = ~left.missing[left.codes] & ~right.missing[right.codes]
    return len(np.unique(left.codes[there] * len(right.distinct) + right.codes[there])) / max(left.size, 1)


def _voices(entity: Column, source: Column, targets: Sequence[Column]) -> Floats:
    """Return by row 1 / (number of sources that say the same, itself included), copies counted by likeness."""
    count = len(source.distinct)
    if count > _MOST_SOURCES or not targets:
        return np.ones(entity.size)
    same, common = np.zeros((count, count)), np.zeros((count, count))
    for target in targets:
        there = ~target.missing[target.codes]
        said = entity.codes[there] * len(target.distinct) + target.codes[there]
        same += _together(source.codes[there], said, count)
        common += _together(source.codes[there], entity.codes[there], count)
    likeness = np.where(common >= _LEAST_COMMON, same / np.maximum(common, 1), 0.0) ** _COPY_POWER
    np.fill_diagonal(likeness, 1.0)
    return np.asarray(1.0 / likeness.sum(axis=1))[source.codes]


def _together(source: Ints, said: Ints, count: int) -> Floats:
    _, said = np.unique(said, return_inverse=True)
    matrix = sparse.csr_matrix((np.ones(len(said)), (source, said)), shape=(count, int(said.max(initial=0)) + 1))
    matrix.data[:] = 1.0
    return np.asarray((matrix @ matrix.T).todense())
