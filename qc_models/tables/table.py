"""A table as it stands in its file: every value a text, nothing parsed, nothing guessed."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol

from engine.errors import UserError

_DELIMITERS = ",;\t|"
_SNIFFED_ROWS = 50
_MOST_CELLS = 20_000_000
_MOST_BYTES = 2_000_000_000


@dataclass(frozen=True)
class Table:
    """Columns and rows; every value is a string, "" is an empty cell; all rows are as long as `columns`.

    `lines` says in which line of its file each row begins, for a table that was read from one.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...] = field(default=(), repr=False, compare=False)

    def __post_init__(self) -> None:
        for position, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise ValueError(f"row {position} has {len(row)} values where there are {len(self.columns)} columns")

    def line(self, row: int) -> int:
        """Return the line of the file in which a row begins, as if the header stood in line 1 if there is no file."""
        return self.lines[row] if self.lines else row + 2

    def column(self, index: int) -> list[str]:
        """Return the values of one column, from the first row to the last."""
        return [row[index] for row in self.rows]


class Paired(Protocol):
    """Source records row by row; a Table is one, and a None cell says that there is no partner."""

    @property
    def rows(self) -> Sequence[Sequence[str | None]]:
        """Return the records, in the order of the table they belong to."""
        ...


def read_table(path: Path) -> Table:
    """Read a CSV file: UTF-8 (with or without BOM), a header row; the delimiter is one of , ; tab | as the file shows.

    Rows without any text between delimiters are kept, lines with nothing at all are skipped. Column names that stand
    twice are numbered, nameless columns are named by their position.

    Raises:
        UserError: the file cannot be read, is not UTF-8, is too big, has no header, or a row is longer or shorter
            than the header; the message says the line and what to do.
    """
    text = _text(path)
    delimiter = _delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    rows: list[tuple[str, ...]] = []
    lines: list[int] = []
    line = 1
    try:
        for cells in reader:
            if cells and not header:
                header = cells
            elif cells:
                _check_row(path, line, cells, header)
                rows.append(tuple(cells))
                lines.append(line)
                _check_size(path, len(rows) * len(header))
            line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path}:{line}: {error}; mend the quotes of the row that begins here") from None
    if not any(cell.strip() for cell in header):
        raise UserError(f"{path}:1: there is no header; the first row must name the columns")
    return Table(_unique(header), tuple(rows), tuple(lines))


def _check_row(path: Path, line: int, cells: list[str], header: list[str]) -> None:
    if len(cells) != len(header):
        raise UserError(
            f"{path}:{line}: has {len(cells)} cells where the header has {len(header)}; "
            "quote cells that hold the delimiter, or complete the row"
        )


def _check_size(path: Path, cells: int) -> None:
    if cells > _MOST_CELLS:
        raise UserError(f"{path}: more than {_MOST_CELLS:,} cells; split the file and inspect its parts")


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UserError(f"{path}: bigger than {_MOST_BYTES:,} bytes; split the file and inspect its parts")
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}:{line}: not UTF-8 (byte 0x{raw[error.start]:02x}); save the file as UTF-8") from None


def _delimiter(text: str) -> str:
    """Return the delimiter by which most of the first rows are as long as the header; the longest header wins."""
    best, most = ",", (0.0, 0)
    for delimiter in _DELIMITERS:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        try:
            rows = [row for row in islice(reader, _SNIFFED_ROWS) if row]
        except csv.Error:
            continue
        if rows and len(rows[0]) > 1:
            alike = sum(len(row) == len(rows[0]) for row in rows) / len(rows)
            if (alike, len(rows[0])) > most:
                best, most = delimiter, (alike, len(rows[0]))
    return best


def _unique(header: list[str]) -> tuple[str, ...]:
    names: list[str] = []
    for position, cell in enumerate(header, start=1):
        base = cell.strip() or f"column {position}"
        name, count = base, 1
        while name in names:
            count += 1
            name = f"{base} ({count})"
        names.append(name)
    return tuple(names)
