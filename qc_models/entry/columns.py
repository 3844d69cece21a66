"""A record as cells: one column a header field, one a column of a table, whatever the workflow calls them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from engine.values import FieldSpec, Record, Scalar, clean_text

Kind = Literal["text", "number", "date"]
_KINDS: dict[str, Kind] = {"integer": "number", "decimal": "number", "money": "number", "date": "date"}
_CACHE = 200_000


@dataclass(frozen=True)
class Column:
    """One column of cells; `name` is `field`, or `field.column` inside a table."""

    name: str
    field: str
    kind: Kind
    table: str | None
    part: str
    money: bool


def columns(fields: Mapping[str, FieldSpec]) -> tuple[Column, ...]:
    """Return the columns of a contract, header first, in the order of the contract."""
    header = [_column(name, name, None, name, spec) for name, spec in fields.items() if spec.type != "table"]
    inner = [
        _column(f"{name}.{part}", name, name, part, inside)
        for name, spec in fields.items()
        for part, inside in (spec.columns or {}).items()
    ]
    return (*header, *inner)


def rows(record: Record, table: str) -> list[dict[str, Scalar]]:
    """Return the rows of a table field; none if it is empty."""
    value = record.get(table)
    return value if isinstance(value, list) else []


def values(record: Record, column: Column) -> list[Scalar]:
    """Return the cells of a column: one, or one a row."""
    if column.table is not None:
        return [row.get(column.part) for row in rows(record, column.table)]
    value = record.get(column.name)
    return [None if isinstance(value, list) else value]


def text_of(value: Scalar) -> str:
    """Return the one spelling of a value by which it is counted; empty if there is none."""
    if value is None:
        return ""
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return value.isoformat() if isinstance(value, date) else str(value)


def number_of(value: Scalar) -> float | None:
    """Return a number for statistics (never for money arithmetic); a text like `19 %` is the share 0.19."""
    if isinstance(value, (Decimal, int)) and not isinstance(value, bool):
        return float(value)
    return _share(value) if isinstance(value, str) else None


@lru_cache(maxsize=_CACHE)
def mask(text: str) -> str:
    """Return the character classes of a text: 9 digit, A capital, a small letter, 文 other letters, else the sign."""
    return "".join(_class(sign) for sign in text)


@lru_cache(maxsize=_CACHE)
def shape(text: str) -> str:
    """Return the mask with repeats folded: `RE-2026-00012` and `RE-26-9` have the same shape."""
    folded: list[str] = []
    for sign in mask(text):
        if not folded or folded[-1] != sign:
            folded.append(sign)
    return "".join(folded)


def _column(name: str, field: str, table: str | None, part: str, spec: FieldSpec) -> Column:
    return Column(name, field, _KINDS.get(spec.type, "text"), table, part, spec.type == "money")


def _class(sign: str) -> str:
    if sign.isdecimal():
        return "9"
    if sign.isalpha():
        return "A" if sign.isupper() else "a" if sign.islower() else "文"
    return sign


@lru_cache(maxsize=_CACHE)
def _clean(text: str) -> str:
    return clean_text(text)


@lru_cache(maxsize=10_000)
def _share(text: str) -> float | None:
    plain = text.strip()
    if not plain.endswith("%"):
        return None
    try:
        return float(plain[:-1].replace(",", ".")) / 100
    except ValueError:
        return None
