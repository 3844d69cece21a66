"""Rows of the ledger as tables for a terminal; every text of another system goes through `plain`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich import box
from rich.table import Table

from console.desk import plain
from console.wording import age, at
from engine.ledger.rows import ItemRow, QueueRow
from engine.ports import Finding

STATE_STYLE = {
    "passed": "green",
    "accepted": "green",
    "corrected": "cyan",
    "correcting": "cyan",
    "review": "yellow",
    "rejected": "red",
    "cancelled": "dim",
}


def table(*headings: str, title: str | None = None) -> Table:
    """Return an empty table in the house style; narrow terminals fold cells, nothing is cut off."""
    made = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold"
    )
    for heading in headings:
        right = heading in {"id", "run", "attempts", "n"}
        made.add_column(heading, justify="right" if right else "left", overflow="fold", no_wrap=right)
    return made


def items_table(items: Sequence[ItemRow], now: datetime) -> Table:
    """List items."""
    made = table("id", "run", "reference", "state", "reason", "attempts", "age")
    for row in items:
        state = plain(row.state, STATE_STYLE.get(row.state, ""))
        reason, since = plain(row.reason or ""), age(row.closed_at or row.created_at, now)
        made.add_row(str(row.id), str(row.run_id), plain(row.reference), state, reason, str(row.fence), since)
    return made


def queue_table(waiting: Sequence[QueueRow], now: datetime) -> Table:
    """List what waits for a person."""
    made = table("id", "reference", "reason", "fields", "why", "age")
    for row in waiting:
        why = row.message + (f" (accepted by {row.accepted_by}; a second person decides)" if row.accepted_by else "")
        fields = plain(", ".join(row.suspicious), "yellow")
        made.add_row(str(row.id), plain(row.reference), plain(row.reason), fields, plain(why), age(row.since, now))
    return made


def findings_table(findings: Sequence[Finding]) -> Table:
    """List reasons to doubt, by field."""
    made = table("field", "expected", "observed", "why")
    for finding in findings:
        expected, observed = plain(finding.expected or "", "green"), plain(finding.observed or "", "red")
        why = plain(f"{finding.message} [{finding.check}: {finding.code}]")
        made.add_row(plain(finding.field or "-", "bold"), expected, observed, why)
    return made


def outcome_table(items: Sequence[ItemRow]) -> Table:
    """Say what became of items."""
    made = table("id", "reference", "state", "reason", "ended")
    for row in items:
        state = plain(row.state, STATE_STYLE.get(row.state, ""))
        made.add_row(str(row.id), plain(row.reference), state, plain(row.reason or ""), at(row.closed_at))
    return made
