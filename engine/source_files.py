"""Source files to raw rows, each with the line it stands in; what is ragged is kept and told about, never guessed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.yaml_source import unknown

csv.field_size_limit(1 << 20)


@dataclass(frozen=True)
class RawRow:
    """One row as it stands in its file."""

    origin: str
    cells: dict[str, Any]
    problem: str | None = None
    """Why the cells cannot be trusted; they are what could be made of the row."""


def read_csv(path: Path, *, required: Iterable[str], known: Iterable[str]) -> Iterator[RawRow]:
    """Yield the rows of a CSV file: UTF-8, commas, a header row; rows without any text are skipped.

    Raises:
        UserError: the file as a whole cannot be used; the message says where and what to do.
    """
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    header: list[str] | None = None
    line = 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise UserError(f"{path}:{line}: {error}; mend the quotes of the row that begins here") from None
        if cells is None:
            break
        if header is None and cells:
            header = _header(path, line, [cell.strip() for cell in cells], set(required), set(known))
        elif header is not None and any(cell.strip() for cell in cells):
            yield _row(f"{path.name}:{line}", header, cells)
        line = reader.line_num + 1
    if header is None:
        raise UserError(f"{path}:1: the file is empty; its first row must name the columns: {', '.join(known)}")


def _row(origin: str, header: list[str], cells: list[str]) -> RawRow:
    row: dict[str, Any] = dict(zip(header, cells, strict=False))
    if len(cells) == len(header):
        return RawRow(origin, row)
    if len(cells) > len(header):
        row["(more)"] = ",".join(cells[len(header) :])
    return RawRow(
        origin, row, f"has {len(cells)} cells where the header has {len(header)}; quote cells that hold commas"
    )


def _header(path: Path, line: int, header: list[str], required: set[str], known: set[str]) -> list[str]:
    problems = []
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        raise UserError(f"{path}:{line}: the columns must be separated by commas; save the file as CSV with commas")
    problems += [unknown("column", name, known) for name in header if name not in known]
    problems += [f'the column "{name}" stands twice' for name in dict.fromkeys(header) if header.count(name) > 1]
    problems += [f'the column "{name}" is missing' for name in sorted(required - set(header))]
    if problems:
        raise UserError(f"{path}:{line}: {'; '.join(problems)}; mend the header row, or the fields of the workflow")
    return header


def read_jsonl(path: Path) -> Iterator[RawRow]:
    """Yield the objects of a JSON Lines file; a line that is no object is a row with a problem.

    Raises:
        UserError: the file cannot be read, is not UTF-8, or holds no object at all.
    """
    count = 0
    for line, text in enumerate(_text(path).split("\n"), start=1):
        if not text.strip():
            continue
        count += 1
        origin = f"{path.name}:{line}"
        try:
            data = json.loads(text, parse_float=Decimal, parse_constant=_refuse, object_pairs_hook=_unique)
        except (ValueError, RecursionError, ArithmeticError) as error:
            yield RawRow(origin, {"(line)": text[:1000]}, f"is not a JSON object: {error}")
            continue
        if isinstance(data, Mapping):
            yield RawRow(origin, dict(data))
        else:
            yield RawRow(origin, {"(line)": text[:1000]}, "is not a JSON object like {...}")
    if not count:
        raise UserError(f"{path}:1: the file is empty; write one JSON object a line")


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}:{line}: not UTF-8 (byte 0x{raw[error.start]:02x}); save the file as UTF-8") from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        twice = next(key for key, _ in pairs if sum(key == other for other, _ in pairs) > 1)
        raise ValueError(f'the key "{twice}" stands twice')
    return data
