"""What people ask of the ledger: lists with a limit, one item or run in full, and the queue of reviews.

Every function is one reading transaction: what it returns is the ledger as of one instant.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.errors import UserError
from engine.ledger import tables as t
from engine.ledger.database import Database
from engine.ledger.queue import Intent
from engine.ledger.rows import (
    AttemptRow,
    EventRow,
    EvidenceRow,
    ItemDetail,
    ItemRow,
    QueueRow,
    ReviewRow,
    RunRow,
    VerdictRow,
)
from engine.ports import Finding

LIMIT = 100
AUDIT_SAMPLE = "audit_sample"
"""The reason shown for a passed item that was drawn at random for review."""
_AUDIT_SENTENCE = "compare every field with its evidence"

Row = TypeVar("Row")


def items(
    database: Database,
    *,
    states: Sequence[str] = (),
    run_id: int | None = None,
    workflow: str | None = None,
    reference: str | None = None,
    reason: str | None = None,
    limit: int = LIMIT,
) -> list[ItemRow]:
    """List items, newest first.

    Args:
        database: the ledger.
        states: only items in one of these states.
        run_id: only items of this run.
        workflow: only items of this workflow.
        reference: only items whose reference contains this text, whatever its case.
        reason: only items with this reason code.
        limit: how many at most.
    """
    query = sa.select(*_columns(t.items, ItemRow)).order_by(t.items.c.id.desc()).limit(limit)
    if states:
        query = query.where(t.items.c.state.in_(states))
    for column, wanted in ((t.items.c.run_id, run_id), (t.items.c.workflow, workflow), (t.items.c.reason, reason)):
        if wanted is not None:
            query = query.where(column == wanted)
    if reference:
        query = query.where(t.items.c.reference.icontains(reference, autoescape=True))
    with database.read() as connection:
        return typed(connection, query, ItemRow)


def item(database: Database, item_id: int) -> ItemDetail:
    """Return everything about one item.

    Raises:
        UserError: there is no such item.
    """
    with database.read() as connection:
        extra = (t.items.c.payload, t.items.c.origin, t.runs.c.definition_hash, t.runs.c.kind)
        query = sa.select(*_columns(t.items, ItemRow), *extra).join(t.runs, t.runs.c.id == t.items.c.run_id)
        row = connection.execute(query.where(t.items.c.id == item_id)).mappings().first()
        if row is None:
            raise UserError(f"there is no item {item_id}; `runner.py items list` shows what there is")
        ids = [item_id]
        return ItemDetail(
            item=ItemRow(**{name: row[name] for name in ItemRow.__dataclass_fields__}),
            definition_hash=row["definition_hash"],
            kind=row["kind"],
            payload=row["payload"],
            origin=row["origin"],
            attempts=tuple(of_items(connection, t.attempts, AttemptRow, ids)),
            read_backs=_read_backs(connection, item_id),
            intents=tuple(intent for _, intent in intents_of(connection, ids)),
            verdicts=tuple(verdicts_of(connection, ids)),
            evidence=tuple(of_items(connection, t.evidence, EvidenceRow, ids)),
            reviews=tuple(of_items(connection, t.reviews, ReviewRow, ids)),
            events=tuple(of_items(connection, t.events, EventRow, ids)),
        )


def review_queue(
    database: Database, *, run_id: int | None = None, workflow: str | None = None, limit: int = LIMIT
) -> list[QueueRow]:
    """List what waits for a person, longest wait first: items in review, and the audit sample among them."""
    sampled = sa.and_(t.items.c.state == "passed", t.items.c.audited)
    query = (
        sa.select(t.items, t.runs.c.definition_hash)
        .join(t.runs, t.runs.c.id == t.items.c.run_id)
        .where(sa.or_(t.items.c.state == "review", sampled))
        .order_by(t.items.c.closed_at, t.items.c.id)
        .limit(limit)
    )
    if run_id is not None:
        query = query.where(t.items.c.run_id == run_id)
    if workflow is not None:
        query = query.where(t.items.c.workflow == workflow)
    with database.read() as connection:
        rows = connection.execute(query).all()
        ids = [row.id for row in rows]
        verdicts = {verdict.item_id: verdict for verdict in verdicts_of(connection, ids, newest_only=True)}
        attempts = {a.item_id: a for a in _newest(connection, t.attempts, AttemptRow, ids)}
        accepts = {r.item_id: r for r in _newest(connection, t.reviews, ReviewRow, ids) if r.decision == "accept"}
    return [_queue_row(row, verdicts.get(row.id), attempts.get(row.id), accepts.get(row.id)) for row in rows]


def runs(database: Database, *, workflow: str | None = None, limit: int = LIMIT) -> list[RunRow]:
    """List runs, newest first."""
    query = _runs().order_by(t.runs.c.id.desc()).limit(limit)
    if workflow is not None:
        query = query.where(t.runs.c.workflow == workflow)
    with database.read() as connection:
        return runs_with_states(connection, query)


def run(database: Database, run_id: int) -> RunRow:
    """Return one run.

    Raises:
        UserError: there is no such run.
    """
    with database.read() as connection:
        found = runs_with_states(connection, _runs().where(t.runs.c.id == run_id))
    if not found:
        raise UserError(f"there is no run {run_id}; `runner.py report` shows the runs there are")
    return found[0]


def events(
    database: Database, kinds: Iterable[str], *, run_id: int | None = None, limit: int = LIMIT
) -> list[EventRow]:
    """List the newest events of these kinds, newest first."""
    query = sa.select(*_columns(t.events, EventRow)).where(t.events.c.kind.in_(list(kinds)))
    if run_id is not None:
        query = query.where(t.events.c.run_id == run_id)
    with database.read() as connection:
        return typed(connection, query.order_by(t.events.c.id.desc()).limit(limit), EventRow)


def evidence(
    database: Database, item_ids: Sequence[int], *, kind: str = "screenshot", limit: int = LIMIT
) -> list[EvidenceRow]:
    """List the kept files of one kind about these items, newest first; pruned ones are left out."""
    query = sa.select(*_columns(t.evidence, EvidenceRow)).where(
        t.evidence.c.item_id.in_(item_ids), t.evidence.c.kind == kind, t.evidence.c.pruned_at.is_(None)
    )
    with database.read() as connection:
        return typed(connection, query.order_by(t.evidence.c.id.desc()).limit(limit), EvidenceRow)


def typed(connection: Connection, query: sa.Select[Any], row: type[Row]) -> list[Row]:
    """Run a query whose columns are the fields of a row type."""
    return [row(**found) for found in connection.execute(query).mappings()]


def of_items(connection: Connection, table: sa.Table, row: type[Row], ids: Any) -> list[Row]:
    """Return a table's rows about these items (ids or a subquery of them), oldest first."""
    query = sa.select(*_columns(table, row)).where(table.c.item_id.in_(ids)).order_by(table.c.id)
    return typed(connection, query, row)


def verdicts_of(connection: Connection, ids: Any, *, newest_only: bool = False) -> list[VerdictRow]:
    """Return the verdicts on these items (ids or a subquery of them), oldest first, with typed findings."""
    kept = _newest if newest_only else of_items
    return [
        VerdictRow(**{**vars(row), "findings": tuple(Finding(**finding) for finding in row.findings)})  # type: ignore[arg-type]
        for row in kept(connection, t.verdicts, VerdictRow, ids)
    ]


def intents_of(connection: Connection, ids: Any) -> list[tuple[int, Intent]]:
    """Return the intents of these items (ids or a subquery of them) with the item's id, oldest first."""
    columns = _columns(t.intents, Intent)
    query = sa.select(t.intents.c.item_id, *columns).where(t.intents.c.item_id.in_(ids)).order_by(t.intents.c.id)
    return [(row[0], Intent(*row[1:])) for row in connection.execute(query)]


def runs_with_states(connection: Connection, query: sa.Select[Any]) -> list[RunRow]:
    """Run a query over runs and count each one's items by state."""
    found = connection.execute(query).mappings().all()
    ids = [row["id"] for row in found]
    counted = (
        sa.select(t.items.c.run_id, t.items.c.state, sa.func.count())
        .where(t.items.c.run_id.in_(ids))
        .group_by(t.items.c.run_id, t.items.c.state)
    )
    states: dict[int, dict[str, int]] = {}
    for run_id, state, count in connection.execute(counted):
        states.setdefault(run_id, {})[state] = count
    return [RunRow(**row, items=states.get(row["id"], {})) for row in found]


def _columns(table: sa.Table, row: type[Any]) -> list[sa.Column[Any]]:
    return [table.c[name] for name in row.__dataclass_fields__ if name in table.c]


def _runs() -> sa.Select[Any]:
    return sa.select(*_columns(t.runs, RunRow))


def _newest(connection: Connection, table: sa.Table, row: type[Row], ids: Sequence[int]) -> list[Row]:
    newest = sa.select(sa.func.max(table.c.id)).where(table.c.item_id.in_(ids)).group_by(table.c.item_id)
    return typed(connection, sa.select(*_columns(table, row)).where(table.c.id.in_(newest)), row)


def _read_backs(connection: Connection, item_id: int) -> dict[int, dict[str, Any]]:
    query = sa.select(t.attempts.c.id, t.attempts.c.read_back).where(t.attempts.c.item_id == item_id)
    return {row.id: row.read_back for row in connection.execute(query) if row.read_back}


def _queue_row(row: Any, verdict: VerdictRow | None, attempt: AttemptRow | None, accept: ReviewRow | None) -> QueueRow:
    sampled = row.state == "passed"
    findings = verdict.findings if verdict and not sampled else ()
    message = _AUDIT_SENTENCE if sampled else "; ".join(finding.message for finding in findings)
    return QueueRow(
        id=row.id,
        run_id=row.run_id,
        workflow=row.workflow,
        definition_hash=row.definition_hash,
        reference=row.reference,
        reason=AUDIT_SAMPLE if sampled else row.reason or "review",
        findings=findings,
        message=message or (attempt.message if attempt and attempt.message else "no reason was recorded"),
        since=row.closed_at or row.created_at,
        attempt_id=attempt.id if attempt else None,
        accepted_by=accept.reviewer if accept else None,
    )
