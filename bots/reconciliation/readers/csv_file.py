"""CSV files of bookings: any usual delimiter, quotes, line ends; what a stray quote swallows is found."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import islice

from bots.reconciliation.lines import Found
from bots.reconciliation.readers.columns import is_heading
from bots.reconciliation.readers.heads import HEAD, Row
from bots.reconciliation.readers.tables import TableSpec, read_table
from bots.reconciliation.readers.text import Unreadable, decoded

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


def read_csv(data: bytes, found: Found, spec: TableSpec) -> None:
    """Read a CSV file; its rows are parsed anew at each look, so that they are never all in memory.

    Raises:
        Unreadable: it is no text, or has no headings that tell of dates and amounts.
    """
    text = decoded(data, spec.encoding, found.said)
    try:
        delimiter = spec.delimiter or _delimiter(text)
    except csv.Error as error:
        raise Unreadable(f"it is no CSV: {error}") from error
    read_table(_CsvRows(text, delimiter), found, spec)


class _CsvRows:
    """The rows of a CSV file with the line on which each begins."""

    def __init__(self, text: str, delimiter: str) -> None:
        self.text, self.delimiter = text, delimiter

    def __iter__(self) -> Iterator[Row]:
        lines = (match[0] for match in _LINE.finditer(self.text))
        reader = csv.reader(lines, delimiter=self.delimiter, strict=True)
        number = 1
        try:
            for cells in reader:
                yield Row(number, tuple(cells), self._swallowed(cells) if reader.line_num > number else 0)
                number = reader.line_num + 1
        except csv.Error as error:
            raise Unreadable(f"line {reader.line_num} is no CSV: {error}") from error

    def _swallowed(self, cells: Sequence[str]) -> int:
        """Return how many rows stand within quotes: as many delimiters as rows of this width would have."""
        breaks = sum(len(cell.splitlines()) - 1 for cell in cells if cell)
        delimiters = sum(cell.count(self.delimiter) for cell in cells)
        return breaks if breaks and delimiters >= breaks * max(1, len(cells) - 1) else 0


def _delimiter(text: str) -> str:
    """Return the delimiter under which a line is headings, or the one that cuts most lines into as many cells."""
    lines = [match[0] for match in islice(_LINE.finditer(text), 200) if match[0].strip()]
    best = max(";\t|,", key=lambda sign: (_headed(lines, sign), _regular(lines, sign), -";\t|,".index(sign)))
    return best if _headed(lines, best) or _regular(lines, best) else ","


def _headed(lines: Sequence[str], sign: str) -> bool:
    return any(is_heading(next(csv.reader([line], delimiter=sign), [])) for line in lines[:HEAD])


def _regular(lines: Sequence[str], sign: str) -> int:
    counts = [len(next(csv.reader([line], delimiter=sign), [])) for line in lines]
    usual = max((count for count in counts if count > 1), key=counts.count, default=0)
    return counts.count(usual) * (usual > 1) * 100 + usual
