"""The record contract: raw data to typed records, and everything that is wrong with one, by field."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from engine.values import FieldSpec, Record, Value, parse

_NUMBERS = frozenset({"integer", "decimal", "money"})
_PLAIN_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,20})?")
_THOUSANDTHS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
_TYPES: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "choice": (str,),
    "integer": (int,),
    "decimal": (Decimal, int),
    "money": (Decimal, int),
    "date": (date,),
    "boolean": (bool,),
    "table": (list,),
}


@dataclass(frozen=True)
class FieldProblem:
    """What is wrong with one field, or with one cell of a table (`lines[2].amount`, rows counted from 1)."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def parse_record(raw: Mapping[str, Any], fields: Mapping[str, FieldSpec]) -> tuple[Record, list[FieldProblem]]:
    """Type a raw record (texts, or JSON values; ISO dates, decimal points) and check it; nothing raises.

    Fields that are no value of their type are left out of the record and named among the problems.
    """
    record: Record = {}
    problems: list[FieldProblem] = []
    for name, spec in fields.items():
        if spec.type == "table":
            record[name] = _parse_rows(name, raw.get(name), spec, problems)
        else:
            _parse_cell(name, name, raw.get(name), spec, record, problems)
    broken = {problem.field for problem in problems}
    problems += [p for p in validate_record(record, fields) if p.field not in broken]
    order = {name: place for place, name in enumerate(fields)}
    return record, sorted(problems, key=lambda problem: _place(problem.field, order))


def _place(label: str, order: Mapping[str, int]) -> tuple[int, int]:
    """Return where a field stands in the contract, and the row of `lines[2].amount`."""
    name, _, rest = label.partition("[")
    row = rest.partition("]")[0]
    return order.get(name, len(order)), int(row) if row.isdecimal() else 0


def validate_record(record: Mapping[str, Value], fields: Mapping[str, FieldSpec]) -> list[FieldProblem]:
    """Return everything that is wrong with a typed record; empty means that a browser may open."""
    problems = [FieldProblem(name, "is not a field of the contract") for name in record if name not in fields]
    for name, spec in fields.items():
        value = record.get(name)
        problems += [FieldProblem(name, message) for message in _wrong(value, spec)]
        if spec.type == "table" and isinstance(value, list):
            problems += _wrong_rows(name, value, spec)
    return problems


def _parse_rows(name: str, raw: object, spec: FieldSpec, problems: list[FieldProblem]) -> list[dict[str, Any]]:
    if raw is None or raw == "":
        return []
    if not isinstance(raw, list) or not all(isinstance(row, Mapping) for row in raw):
        problems.append(FieldProblem(name, "expected rows, each with a value for every column"))
        return []
    columns = spec.columns or {}
    rows: list[dict[str, Any]] = []
    for number, row in enumerate(raw, start=1):
        typed: Record = {}
        strange = sorted(map(str, row.keys() - columns.keys()))
        problems += [FieldProblem(f"{name}[{number}].{key}", "is not a column of the contract") for key in strange]
        for column, cell in columns.items():
            _parse_cell(f"{name}[{number}].{column}", column, row.get(column), cell, typed, problems)
        rows.append(typed)
    return rows


def _parse_cell(
    label: str, name: str, raw: object, spec: FieldSpec, record: Record, problems: list[FieldProblem]
) -> None:
    try:
        record[name] = _parsed(raw, spec)
    except ValueError as error:
        problems.append(FieldProblem(label, str(error)))


def _parsed(raw: object, spec: FieldSpec) -> Value:
    if isinstance(raw, (list, Mapping)):
        raise ValueError("expected one value, got several")
    if isinstance(raw, bool) and spec.type != "boolean":
        raise ValueError(f"expected a {spec.type}, got {str(raw).lower()}")
    if spec.type in _NUMBERS and raw is not None:
        text = (f"{raw:f}" if isinstance(raw, Decimal) and abs(raw.adjusted()) <= 40 else str(raw)).strip()  # noqa: PLR2004
        if text and not _PLAIN_NUMBER.fullmatch(text):
            raise ValueError(f"{text[:40]!r} is not a number like 1234.50, with a decimal point and nothing else")
        return parse(text, spec)
    return parse(raw, spec)


def _wrong(value: Value, spec: FieldSpec) -> Iterator[str]:
    if value is None or value in ("", []):
        if spec.required:
            yield "is required"
        elif spec.min_rows:
            yield f"needs at least {spec.min_rows} row(s)"
        return
    if not _is_of_type(value, spec):
        yield f"is not a value of type {spec.type}"
        return
    if isinstance(value, str):
        yield from _wrong_text(value, spec)
    elif isinstance(value, list):
        if len(value) < spec.min_rows:
            yield f"needs at least {spec.min_rows} row(s), has {len(value)}"
    else:
        yield from _out_of_bounds(value, spec)


def _is_of_type(value: Value, spec: FieldSpec) -> bool:
    if isinstance(value, (bool, datetime)):
        return isinstance(value, bool) and spec.type == "boolean"
    return isinstance(value, _TYPES[spec.type])


def _wrong_text(value: str, spec: FieldSpec) -> Iterator[str]:
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in value):
        yield "holds a control character or half of a character"
    if spec.max_length is not None and len(value) > spec.max_length:
        yield f"is {len(value)} characters long, at most {spec.max_length} are allowed"
    if spec.pattern is not None and re.fullmatch(spec.pattern, value) is None:
        yield f"{value[:60]!r} does not match {spec.pattern}"
    if spec.options is not None and value not in spec.options:
        yield f"{value[:60]!r} is not one of {', '.join(spec.options)}"


def _out_of_bounds(value: Any, spec: FieldSpec) -> Iterator[str]:
    low: Any = spec.min
    high: Any = spec.max
    if low is not None and value < low:
        yield f"{value} is less than {low}"
    if high is not None and value > high:
        yield f"{value} is more than {high}"
    places = 3 if spec.currency in _THOUSANDTHS else 2
    if spec.type == "money" and isinstance(value, Decimal) and value != round(value, places):
        yield f"{value} has more than {places} decimals"


def _wrong_rows(name: str, rows: list[Any], spec: FieldSpec) -> Iterator[FieldProblem]:
    for number, row in enumerate(rows, start=1):
        for problem in validate_record(row, spec.columns or {}):
            yield FieldProblem(f"{name}[{number}].{problem.field}", problem.message)
