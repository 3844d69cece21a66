"""Takes what a person could be known by out of the ledger's rows; hashes, codes, states, times and figures stay."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.ledger import tables as t

ERASED = "(erased)"
_SHORT = 4
"""Characters under which a reference is replaced only where it stands alone: inside other text it may be chance."""
_MENTIONS: tuple[tuple[sa.Table, tuple[str, ...]], ...] = (
    (t.attempts, ("message",)),
    (t.verdicts, ("findings",)),
    (t.reviews, ("reason",)),
    (t.second_reviews, ("reason",)),
    (t.events, ("data",)),
    (t.runs, ("audit",)),
    (t.incidents, ("subject", "key", "message", "data")),
)
"""Where text of other rows may name a reference: run audits, conflicts, twins."""


def redact_contents(connection: Connection, ids: Sequence[int]) -> None:
    """Take payloads, read-backs, messages, and what people and events say out of these items and all their rows."""
    connection.execute(sa.update(t.items).where(t.items.c.id.in_(ids)).values(payload={}, origin=None))
    connection.execute(
        sa.update(t.attempts).where(t.attempts.c.item_id.in_(ids)).values(message=None, read_back=sa.null())
    )
    _rewrite(connection, t.verdicts, "findings", ids, _bare_findings)
    for table in (t.reviews, t.second_reviews):
        _rewrite(connection, table, "changes", ids, lambda changes: dict.fromkeys(changes) if changes else sa.null())
        connection.execute(sa.update(table).where(table.c.item_id.in_(ids)).values(reason=None))
    _rewrite(connection, t.events, "data", ids, bare_data)


def redact_traces(connection: Connection, ids: Sequence[int]) -> None:
    """Take out where the application keeps the records of these items."""
    connection.execute(sa.update(t.items).where(t.items.c.id.in_(ids)).values(record_url=None, app_id=None))
    connection.execute(sa.update(t.intents).where(t.intents.c.item_id.in_(ids)).values(url=None, app_id=None))


def bare_data(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an event's data say in numbers."""
    return {key: value for key, value in data.items() if isinstance(value, (bool, int, float))}


def replace_mentions(connection: Connection, names: Mapping[str, str]) -> set[int]:
    """Replace references by what stands for them wherever other rows name them; return the runs that did.

    Args:
        connection: a writing transaction.
        names: reference to what stands for it.
    """
    runs: set[int] = set()
    ordered = sorted(names, key=len, reverse=True)  # `X#correction-1` before `X`
    for table, columns in _MENTIONS:
        for name in columns:
            column = table.c[name]
            for reference in ordered:
                found = connection.execute(sa.select(table).where(_names(column, reference))).mappings()
                for row in found.all():
                    changed = (
                        _event(dict(row), names)
                        if table is t.events
                        else replaced(row[name], reference, names[reference])
                    )
                    if changed != row[name]:
                        connection.execute(sa.update(table).where(table.c.id == row["id"]).values({name: changed}))
                        runs |= {row["id"]} if table is t.runs else {row["run_id"]} if row.get("run_id") else set()
    return runs


def _event(row: Mapping[str, Any], names: Mapping[str, str]) -> Any:
    """Return an event's data without the references; a row of the source that carries one loses its contents too."""
    data = row["data"]
    if row["kind"].startswith("source.") and data.get("reference") in names:
        return {**bare_data(data), "reference": names[data["reference"]]}
    for reference, name in names.items():
        data = replaced(data, reference, name)
    return data


def _names(column: sa.Column[Any], reference: str) -> sa.ColumnElement[bool]:
    """Return whether a column may name a reference; `replaced` decides."""
    alone = len(reference) < _SHORT
    if not isinstance(column.type, sa.JSON):
        return column == reference if alone else column.contains(reference, autoescape=True)
    written = json.dumps(reference, ensure_ascii=False)
    return sa.cast(column, sa.Text).contains(written if alone else written[1:-1], autoescape=True)


def replaced(value: Any, reference: str, name: str) -> Any:
    """Return text, or data, with what stands for a reference in its place; a short one only where it stands alone."""
    if isinstance(value, str):
        if value == reference or len(reference) < _SHORT:
            return name if value == reference else value
        return re.sub(rf"(?<![A-Za-z0-9]){re.escape(reference)}(?![A-Za-z0-9])", name, value)
    if isinstance(value, dict):
        return {key: replaced(part, reference, name) for key, part in value.items()}
    if isinstance(value, list):
        return [replaced(part, reference, name) for part in value]
    return value


def _bare_findings(findings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {key: finding[key] for key in ("check", "code", "field") if finding.get(key)} | {"message": ERASED}
        for finding in findings
    ]


def _rewrite(
    connection: Connection, table: sa.Table, name: str, ids: Sequence[int], change: Callable[[Any], Any]
) -> None:
    query = sa.select(table.c.id, table.c[name]).where(table.c.item_id.in_(ids))
    for row in connection.execute(query).all():
        connection.execute(sa.update(table).where(table.c.id == row[0]).values({name: change(row[1])}))
