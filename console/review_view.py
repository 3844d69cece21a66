"""One item that waits for a person: what was meant beside what the application shows, field by field."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from console.desk import plain
from console.tables import findings_table, table
from console.wording import at
from engine.ledger.rows import Waiting
from engine.values import FieldSpec


def waiting_view(found: Waiting, fields: Mapping[str, FieldSpec]) -> RenderableType:
    """Lay out what a reviewer decides by; nothing on it tells why this item was chosen to be reviewed.

    Args:
        found: the item.
        fields: the record contract, for the order of the fields.
    """
    row = found.row
    head = Text.assemble((f"item {row.id}  ", "bold"), plain(row.reference, "bold"), "  ", plain(row.reason, "yellow"))
    facts = [f"run {row.run_id} of {row.workflow}", f"waits since {at(row.since)}"]
    facts += [f"from {found.origin}"] if found.origin else []
    facts += [f"record {found.record_url}"] if found.record_url else []
    parts: list[RenderableType] = [head, plain(", ".join(facts), "dim"), plain(row.message)]
    if row.accepted_by:
        parts.append(plain(f"accepted by {row.accepted_by}; a second person decides"))
    if found.probability is not None:
        parts.append(plain(f"P(wrong) {found.probability:.3f}, review from {found.threshold or 0:.3f}", "dim"))
    listed = table("field", "meant", "the application shows")
    for line in compared(found, fields):
        style = "yellow" if line.marked else ""
        listed.add_row(plain(line.place, style), plain(line.meant), plain(line.shown, "red" if line.differs else ""))
    parts += ["", listed]
    if row.findings:
        parts.append(findings_table(row.findings))
    return Group(*parts)


@dataclass(frozen=True)
class Compared:
    """One field, or one cell of a table (`lines[2].amount`, rows counted from 1, as corrections name it)."""

    place: str
    meant: str
    shown: str
    marked: bool
    """Whether a finding names it."""
    read: bool
    """Whether the application showed it at all."""
    spec: FieldSpec | None

    @property
    def differs(self) -> bool:
        """Say whether the application shows something else."""
        return self.meant != self.shown


def compared(found: Waiting, fields: Mapping[str, FieldSpec]) -> list[Compared]:
    """Lay what was meant beside what the application shows, in the order of the record contract."""
    names = [name for name in fields if name in found.payload or name in found.read_back]
    lines: list[Compared] = []
    for name in dict.fromkeys([*names, *found.payload, *found.read_back]):
        sides = found.payload.get(name), found.read_back.get(name)
        lines += _lines(name, *sides, found.row.suspicious, name in found.read_back, fields.get(name))
    return lines


def _lines(
    place: str, meant: Any, shown: Any, marked: Collection[str], read: bool, spec: FieldSpec | None
) -> Iterator[Compared]:
    tables = [value for value in (meant, shown) if isinstance(value, list)]
    if not tables:
        left, right = ("" if value is None else str(value) for value in (meant, shown))
        yield Compared(place, left, right, place in marked or place.partition("[")[0] in marked, read, spec)
        return
    columns = (spec.columns if spec else None) or {}
    for number in range(max(map(len, tables))):
        ours, theirs = (
            value[number] if isinstance(value, list) and number < len(value) else {} for value in (meant, shown)
        )
        for column in dict.fromkeys([*ours, *theirs]):
            cell = f"{place}[{number + 1}].{column}"
            yield from _lines(cell, ours.get(column), theirs.get(column), marked, column in theirs, columns.get(column))
