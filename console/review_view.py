"""One item that waits for a person: what was meant beside what the application shows, field by field."""

from __future__ import annotations

from collections.abc import Mapping
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
    compared = table("field", "meant", "the application shows")
    names = [name for name in fields if name in found.payload or name in found.read_back]
    for name in dict.fromkeys([*names, *found.payload, *found.read_back]):
        _compare(compared, name, found.payload.get(name), found.read_back.get(name), name in row.suspicious)
    parts += ["", compared]
    if row.findings:
        parts.append(findings_table(row.findings))
    return Group(*parts)


def _compare(compared: Any, name: str, meant: Any, shown: Any, suspicious: bool) -> None:
    """Add a field; a table field by its cells, rows counted from 1 as `review correct` takes them."""
    tables = [value for value in (meant, shown) if isinstance(value, list)]
    if not tables:
        left, right = ("" if value is None else str(value) for value in (meant, shown))
        style = "yellow" if suspicious else ""
        compared.add_row(plain(name, style), plain(left), plain(right, "" if left == right else "red"))
        return
    for number in range(max(map(len, tables))):
        ours, theirs = (
            value[number] if isinstance(value, list) and number < len(value) else {} for value in (meant, shown)
        )
        for column in dict.fromkeys([*ours, *theirs]):
            _compare(compared, f"{name}[{number + 1}].{column}", ours.get(column), theirs.get(column), suspicious)
