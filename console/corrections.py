"""`field=value` as a person types it, to typed changes of a record that is right as a whole."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

from engine.contract import parse_record
from engine.errors import UserError
from engine.values import FieldSpec, Record
from engine.yaml_source import unknown

_CELL = re.compile(r"(?P<table>[^\[\]=]+)\[(?P<row>\d+)\]\.(?P<column>[^=]+)")


def parse_changes(assignments: Sequence[str], payload: Mapping[str, Any], fields: Mapping[str, FieldSpec]) -> Record:
    """Type the changes and check the record as it will be.

    Args:
        assignments: `field=value`, or `lines[2].amount=12.50` for a cell (rows counted from 1); ISO dates, decimal
            points; nothing after the `=` empties the field.
        payload: the record as stored.
        fields: the record contract.

    Raises:
        UserError: a field is not known, a value does not fit it, or the corrected record would still be wrong.
    """
    raw: dict[str, Any] = copy.deepcopy(dict(payload))
    changed = [_assign(assignment, raw, fields) for assignment in assignments]
    if not changed:
        raise UserError("nothing to correct: write field=value, e.g. total=119.00 or lines[2].amount=12.50")
    record, problems = parse_record(raw, fields)
    if problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise UserError(f"the corrected record would still be wrong:\n{lines}")
    return {name: record.get(name) for name in dict.fromkeys(changed)}


def _assign(assignment: str, raw: dict[str, Any], fields: Mapping[str, FieldSpec]) -> str:
    place, equals, value = assignment.partition("=")
    place = place.strip()
    if not equals or not place:
        raise UserError(f"{assignment!r} is no correction: write field=value")
    if cell := _CELL.fullmatch(place):
        _assign_cell(cell["table"], int(cell["row"]), cell["column"].strip(), value, raw, fields)
        return cell["table"]
    if _known(place, fields, "field").type == "table":
        raise UserError(f"{place} is a table: correct its cells, e.g. {place}[1].{_first_column(fields[place])}=…")
    raw[place] = value
    return place


def _assign_cell(
    table: str, row: int, column: str, value: str, raw: dict[str, Any], fields: Mapping[str, FieldSpec]
) -> None:
    spec = _known(table, fields, "field")
    if spec.type != "table":
        raise UserError(f"{table} is no table: write {table}=…")
    _known(column, spec.columns or {}, f"column of {table}")
    rows = raw.get(table)
    count = len(rows) if isinstance(rows, list) else 0
    if not isinstance(rows, list) or not 1 <= row <= count:
        raise UserError(f"{table} has {count} row(s), counted from 1: there is no {table}[{row}]")
    rows[row - 1] = {**rows[row - 1], column: value}


def _known(name: str, fields: Mapping[str, FieldSpec], kind: str) -> FieldSpec:
    if name not in fields:
        raise UserError(unknown(kind, name, fields))
    return fields[name]


def _first_column(spec: FieldSpec) -> str:
    return next(iter(spec.columns or {}), "column")
