"""One column of a table as distinct values with counts: what depends on the value alone is computed once a value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qc_models.tables.table import Table

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MISSING = frozenset({"", "na", "n/a", "n.a.", "nan", "null", "none", "nil", "-", "--", "?", "#n/a", "nat", "missing"})
_NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,]\d+)?|[.,]\d+)(?:[eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:[, ']\d{3})+(?:\.\d+)?")
_MOSTLY = 0.5


@dataclass(frozen=True)
class Column:
    """The `distinct` values of a column, how often each stands (`counts`), and which one each row has (`codes`)."""

    name: str
    distinct: tuple[str, ...]
    counts: Ints
    codes: Ints

    @property
    def size(self) -> int:
        """Return how many rows there are."""
        return len(self.codes)

    @cached_property
    def missing(self) -> NDArray[np.bool_]:
        """Return which distinct values stand for "nothing": empty, N/A, null and the like."""
        return np.array([is_missing(value) for value in self.distinct], dtype=bool)

    @cached_property
    def numbers(self) -> Floats:
        """Return each distinct value as a number, NaN where it is none."""
        return np.array([number_of(value) for value in self.distinct], dtype=float)

    @cached_property
    def is_number(self) -> bool:
        """Say whether most cells that are not missing are numbers."""
        present = self.counts * ~self.missing
        return bool((present * np.isfinite(self.numbers)).sum() > _MOSTLY * present.sum())


def is_missing(value: str) -> bool:
    """Say whether a text stands for "nothing"."""
    return value.strip().lower() in _MISSING


def number_of(value: str) -> float:
    """Return a text as a number, NaN if it is none; one comma alone is taken for the decimal point."""
    text = value.strip()
    if _THOUSANDS.fullmatch(text):
        return float(re.sub("[, ']", "", text))
    if _NUMBER.fullmatch(text):
        return float(text.replace(",", "."))
    return float("nan")


def columns_of(table: Table) -> tuple[Column, ...]:
    """Return the columns of a table, distinct values in order of their first row."""
    return tuple(_column(name, table.column(index)) for index, name in enumerate(table.columns))


def _column(name: str, cells: list[str]) -> Column:
    codes, values = pd.factorize(np.array(cells, dtype=object))
    codes = codes.astype(np.int64)
    return Column(name, tuple(values), np.bincount(codes, minlength=len(values)).astype(np.int64), codes)
