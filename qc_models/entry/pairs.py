"""The record against its read-back: what the application shows of what was meant, cell by cell."""

from __future__ import annotations

from collections.abc import Iterable
from math import log10

from rapidfuzz.distance import Levenshtein

from engine.values import Record, Scalar, equal
from qc_models.entry.columns import Column, number_of, rows, text_of
from qc_models.entry.schema import AT

_LEAST = 0.01
"""Added to both sides of a ratio, so that nothing and next to nothing compare."""


def compare(cell: list[float], column: Column, payload: Record, read_back: Record) -> None:
    """Fill in how a column of the payload compares with what was read; a field that was not read stays unknown.

    Of a table the row that differs most counts; a row too many or too few is missing on the other side.
    """
    if column.field not in read_back:
        return
    worst = (0, 0.0, 0.0)
    for meant, shown in _cells(column, payload, read_back):
        if meant == shown or equal(meant, shown):
            continue
        one, other = text_of(meant), text_of(shown)
        distance = Levenshtein.normalized_distance(one, other)
        worst = max(worst, (int(not one or not other), distance, _ratio(meant, shown)))
    missing, distance, ratio = worst
    cell[AT["read_equal"]] = float(distance == 0)
    cell[AT["read_missing"]] = missing
    cell[AT["read_distance"]] = distance
    if column.kind == "number":
        cell[AT["read_ratio"]] = ratio


def _cells(column: Column, payload: Record, read_back: Record) -> Iterable[tuple[Scalar, Scalar]]:
    if column.table is None:
        meant, shown = payload.get(column.name), read_back.get(column.name)
        return [(None if isinstance(meant, list) else meant, None if isinstance(shown, list) else shown)]
    left, right = rows(payload, column.table), rows(read_back, column.table)
    longer = max(len(left), len(right))
    pad: list[dict[str, Scalar]] = [{}]
    both = zip(left + pad * (longer - len(left)), right + pad * (longer - len(right)), strict=True)
    return [(one.get(column.part), other.get(column.part)) for one, other in both]


def _ratio(meant: Scalar, shown: Scalar) -> float:
    """Return the decimal logarithm of shown / meant; 0 if one of them is no number."""
    one, other = number_of(meant), number_of(shown)
    return 0.0 if one is None or other is None else log10((abs(other) + _LEAST) / (abs(one) + _LEAST))
