"""Rows that a bot read from the tables of pages: a JSON list with one object a row, as the ledger keeps them.

The name of a cell is a heading, or the role itself (`booked`, `amount`, `reference`, …). A line's number is its row's.
"""

from __future__ import annotations

import json

from bots.reconciliation.lines import Found
from bots.reconciliation.readers.heads import Row
from bots.reconciliation.readers.tables import TableSpec, read_table
from bots.reconciliation.readers.text import Unreadable, decoded


def read_rows(data: bytes, found: Found, spec: TableSpec) -> None:
    """Read a list of rows.

    Raises:
        Unreadable: it is no JSON list of objects, or its names do not tell of dates and amounts.
    """
    try:
        rows = json.loads(decoded(data, spec.encoding))
    except (json.JSONDecodeError, RecursionError) as error:
        raise Unreadable(f"it is no JSON: {error}") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Unreadable("it is no list of rows: a row is an object, name to cell")
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = [Row(0, tuple(names))]
    for number, row in enumerate(rows, start=1):
        cells = tuple(_cell(row.get(name)) for name in names)
        table.append(Row(number, cells))
    read_table(table, found, spec)


def _cell(value: object) -> object:
    if isinstance(value, dict | list):
        raise Unreadable("a cell of a row is a table itself")
    return "" if value is None else value
