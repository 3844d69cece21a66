"""One vector a cell, with the same meaning for every column of every table; nothing is NaN, 0 is "nothing to say"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qc_models.tables import neighbours as near
from qc_models.tables import numbers, text
from qc_models.tables.columns import Column, Floats, columns_of
from qc_models.tables.dependencies import Dependency, Groups, discover, groups
from qc_models.tables.relations import Relations, relations_of
from qc_models.tables.table import Table
from qc_models.tables.votes import Chamber, chamber_of

Matrix = NDArray[np.float32]
_COLUMN = ("log_count", "count_share", "missing", "missing_share", "unique_share", "number_column")
_TOLD = 3
_PER_TOLD = ("lift", "size", "share", "gap", "told")
_CROSS = ("violation", "support", "tells_violation", "tells_support", "row_violation", "row_violation_most")
NAMES = (
    *_COLUMN,
    *text.NAMES,
    *numbers.NAMES,
    *near.NAMES,
    *(f"{name}_{rank}" for rank in range(1, _TOLD + 1) for name in _PER_TOLD),
    *_CROSS,
)
_STRONG = 0.3


@dataclass(frozen=True)
class Statistics:
    """All that is computed once a table; `told` holds by target column its strongest dependencies with their groups."""

    table: Table
    columns: tuple[Column, ...]
    dependencies: tuple[Dependency, ...]
    told: tuple[tuple[tuple[Dependency, Groups], ...], ...]
    near: tuple[near.Neighbours, ...]
    chamber: Chamber
    relations: Relations


def statistics_of(table: Table, seed: int = 0) -> Statistics:
    """Gather the statistics of a table."""
    columns = columns_of(table)
    dependencies = discover(columns, seed)
    told = tuple(
        tuple(
            (one, groups(columns[one.source], columns[target]))
            for one in [one for one in dependencies if one.target == target][:_TOLD]
        )
        for target in range(len(columns))
    )
    found = tuple(near.neighbours(column) for column in columns)
    chamber, relations = chamber_of(columns, dependencies), relations_of(columns, seed)
    return Statistics(table, columns, tuple(dependencies), told, found, chamber, relations)


def matrix_of(statistics: Statistics) -> Matrix:
    """Return the features of all cells: rows x columns x `NAMES`."""
    columns = statistics.columns
    result = np.zeros((len(statistics.table.rows), len(columns), len(NAMES)), dtype=np.float32)
    if not result.size:
        return result
    for index, column in enumerate(columns):
        by_value = np.column_stack(
            [
                _column(column),
                text.text_features(column),
                numbers.number_features(column),
                near.neighbour_features(column, statistics.near[index]),
            ]
        )
        wide = by_value.shape[1]
        result[:, index, :wide] = by_value[column.codes]
        told = _told(statistics.told[index], column.size)
        result[:, index, wide : wide + told.shape[1]] = told
    result[:, :, -len(_CROSS) :] = _cross(statistics)
    return np.nan_to_num(result, copy=False, posinf=1e6, neginf=-1e6)


def _column(column: Column) -> Floats:
    count = len(column.distinct)
    missing_share = float((column.counts * column.missing).sum() / column.size)
    return np.column_stack(
        [
            np.log(column.counts),
            column.counts / column.size,
            column.missing,
            np.full(count, missing_share),
            np.full(count, count / column.size),
            np.full(count, float(column.is_number)),
        ]
    )


def _told(told: Sequence[tuple[Dependency, Groups]], rows: int) -> Floats:
    result = np.zeros((rows, _TOLD * len(_PER_TOLD)))
    for rank, (dependency, group) in enumerate(told):
        speaks = group.size > 0
        start = rank * len(_PER_TOLD)
        result[:, start] = dependency.lift * speaks
        result[:, start + 1] = np.log1p(group.size)
        result[:, start + 2] = group.share
        result[:, start + 3] = group.gap
        result[:, start + 4] = violation(dependency, group)
    return result


def violation(dependency: Dependency, group: Groups) -> Floats:
    """Return by row how strongly a dependency speaks against the target value: 0 to its lift."""
    certainty = group.size / (group.size + 1.0)
    return dependency.lift * np.maximum(group.gap, 0.0) * certainty


def _cross(statistics: Statistics) -> Floats:
    """Return what the dependencies say about a cell as target and as source, and about the rest of its row."""
    rows, count = len(statistics.table.rows), len(statistics.columns)
    against, for_it = np.zeros((rows, count)), np.zeros((rows, count))
    tells, tells_for = np.zeros((rows, count)), np.zeros((rows, count))
    for target, told in enumerate(statistics.told):
        for dependency, group in told:
            if dependency.lift < _STRONG:
                continue
            said = violation(dependency, group)
            agreed = dependency.lift * np.maximum(-group.gap, 0.0)
            against[:, target] = np.maximum(against[:, target], said)
            for_it[:, target] = np.maximum(for_it[:, target], agreed)
            tells[:, dependency.source] += said
            tells_for[:, dependency.source] += agreed
    others = against.sum(axis=1, keepdims=True) - against
    most = np.zeros_like(against)
    for index in range(count):
        rest = np.delete(against, index, axis=1)
        most[:, index] = rest.max(axis=1) if rest.shape[1] else 0.0
    return np.stack([against, for_it, tells, tells_for, others, most], axis=2)
