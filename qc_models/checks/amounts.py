"""Reading numbers out of typed records, exactly: what the rules calculate with."""

from __future__ import annotations

import re
from decimal import Decimal

from engine.ports import Case
from engine.values import Record, Scalar, Value


class Absent(Exception):
    """A field that a rule needs holds no number."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


def number(value: Value, field: str) -> Decimal:
    """Return a number exactly; a text like `19 %` is the share 0.19.

    Raises:
        Absent: there is no number in it.
    """
    if isinstance(value, Decimal):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    match = re.fullmatch(r"\s*(-?\d+(?:[.,]\d+)?)\s*(%?)\s*", value) if isinstance(value, str) else None
    if match is None:
        raise Absent(field)
    exact = Decimal(match[1].replace(",", "."))
    return exact / 100 if match[2] else exact


def of(record: Record | dict[str, Scalar], field: str) -> Decimal:
    """Return the number in a field of a record. Raises Absent."""
    return number(record.get(field), field)


def rows(case: Case, table: str) -> list[dict[str, Scalar]]:
    """Return the rows of a table field; none if it is empty."""
    value = case.payload.get(table)
    return value if isinstance(value, list) else []


def column(case: Case, path: str) -> list[Decimal]:
    """Return the numbers of `table.column`. Raises Absent naming the table."""
    table, _, name = path.partition(".")
    return [number(row.get(name), table) for row in rows(case, table)]
