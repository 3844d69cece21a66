"""Where the headings of a table stand: in one row, or in two where cells were merged; and the rows below them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from bots.reconciliation.readers.cells import Cell
from bots.reconciliation.readers.columns import is_heading, plain

HEAD = 40
"""Rows within which the headings are looked for."""


@dataclass(frozen=True)
class Row:
    """One row of a table."""

    number: int
    """Line of the file on which it begins, from 1; for a sheet its row."""
    cells: tuple[Cell, ...]
    swallowed: int = 0
    """Rows that seem to stand within its quotes."""


def head_of(top: Sequence[Row], declared: Mapping[str, str]) -> tuple[int, list[str], int] | None:
    """Return the row of the headings, the headings, and how many rows they take; None where no row is one."""
    for at, (row, below) in enumerate(zip(top, [*top[1:], None], strict=True)):
        own = _texts(row)
        both = _joined(own, _texts(below)) if below else own
        for names, height in ((both, 2), (own, 1)) if both != own else ((own, 1),):
            if all(heading in names for heading in declared.values()) if declared else is_heading(names):
                return at, names, height
    return None


def _texts(row: Row) -> list[str]:
    return [str(cell).strip() for cell in row.cells]


def _joined(own: list[str], parts: list[str]) -> list[str]:
    """Return a row's cells with those of the row below, where both together are headings and it alone says less.

    Amount, with Debit and Credit below it, is how spreadsheets merge headings.
    """
    if not any(parts) or any(sign.isdigit() for part in parts for sign in part) or is_heading(parts):
        return own
    width = max(len(own), len(parts))
    both = [part or name for name, part in zip(_wide(own, width), _wide(parts, width), strict=True)]
    sided = {"debit", "credit"} <= {plain(name).split(" ")[0] for name in parts if plain(name)}
    return both if is_heading(both) and (sided or not is_heading(own)) else own


def _wide(cells: Sequence[str], width: int) -> list[str]:
    return [*cells, *[""] * (width - len(cells))]


class Body:
    """The rows below the headings that hold anything."""

    def __init__(self, rows: Iterable[Row], above: int) -> None:
        self.rows, self.above = rows, above

    def __iter__(self) -> Iterator[Row]:
        return (row for row in islice(self.rows, self.above, None) if any(str(cell).strip() for cell in row.cells))


def shown(row: Row) -> str:
    """Return a row as people recognise it."""
    return " | ".join(str(cell) for cell in row.cells if str(cell).strip())
