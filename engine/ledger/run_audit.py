"""The run audit: when a run's last item ended, every key is read back once more from the application's list.

It is the only thing that sees a commit that landed after its item was verified (DESIGN section 5, step 10).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.errors import Stale
from engine.ledger import tables as t
from engine.ledger.apps import may_start
from engine.ledger.database import Database, record_event
from engine.ledger.incidents import close_incidents, open_incident

_FAILED = "audit.failed"
_CLOSED_WELL = frozenset({"passed", "accepted"})


@dataclass(frozen=True)
class AuditedItem:
    """An item that was once about to be committed, and how many records it should have."""

    item_id: int
    reference: str
    state: str
    payload: dict[str, Any]
    record_url: str | None
    expected: int


@dataclass(frozen=True)
class DueAudit:
    """A run whose audit was claimed."""

    run_id: int
    worker: str
    kind: str
    definition_hash: str
    items: tuple[AuditedItem, ...]


@dataclass(frozen=True)
class AuditResult:
    """What the audit saw."""

    keys: int
    as_expected: int
    missing: tuple[str, ...]
    duplicates: tuple[str, ...]
    unforeseen: tuple[str, ...]
    """Those of the missing and duplicate that had passed: sent to a person only now."""


def claim_audit(
    database: Database,
    worker: str,
    lease: timedelta,
    *,
    run_ids: Sequence[int] | None = None,
    refused: Collection[str] = (),
) -> DueAudit | None:
    """Take a run whose audit is due, that no other worker audits, and whose definition is not refused.

    An application that is left alone, or maintained, is not audited either; the session of an audit is not counted.
    """
    now = database.clock.now()
    due = sa.select(t.runs.c.id).where(
        t.IS_UNFINISHED,
        t.runs.c.state == "auditing",
        t.runs.c.audit_at <= now,
        sa.or_(t.runs.c.audit_lease_until.is_(None), t.runs.c.audit_lease_until < now),
        t.runs.c.definition_hash.not_in(refused),
    )
    if run_ids is not None:
        due = due.where(t.runs.c.id.in_(run_ids))
    with database.read() as connection:  # mostly there is none, and no lock is wanted to learn it
        if connection.execute(due.limit(1)).first() is None:
            return None
        closed = [row.app for row in connection.execute(sa.select(t.apps)) if not may_start(row, 0, now)]
    due = due.where(t.runs.c.app.not_in(closed)).order_by(t.runs.c.id).limit(1)
    due = due.with_for_update(skip_locked=True, key_share=True)
    with database.write() as connection:
        row = connection.execute(
            sa.update(t.runs)
            .where(t.runs.c.id == due.scalar_subquery())
            .values(audit_owner=worker, audit_lease_until=now + lease)
            .returning(t.runs.c.id, t.runs.c.definition_hash, t.runs.c.kind)
        ).first()
        if row is None:
            return None
        return DueAudit(row.id, worker, row.kind, row.definition_hash, _committed_items(connection, row.id))


def _committed_items(connection: Connection, run_id: int) -> tuple[AuditedItem, ...]:
    sent = sa.func.max(sa.case((t.intents.c.outcome == "sent", 1), else_=0)).label("expected")
    query = (
        sa.select(*(t.items.c[name] for name in ("id", "reference", "state", "payload", "record_url")), sent)
        .join(t.intents, t.intents.c.item_id == t.items.c.id)
        .where(t.items.c.run_id == run_id, t.items.c.state.not_in(("correcting", "corrected")))
        .where(t.items.c.erased_at.is_(None), t.items.c.pruned_at.is_(None))  # there is no key to look for any more
        .group_by(t.items.c.id)
        .order_by(t.items.c.id)
    )
    return tuple(
        AuditedItem(row.id, row.reference, row.state, row.payload, row.record_url, row.expected)
        for row in connection.execute(query)
    )


def close_audit(database: Database, worker: str, due: DueAudit, counts: Mapping[int, int]) -> AuditResult:
    """Compare the counts with what the ledger expects, send what differs to a person, and close the run.

    Raises:
        Stale: the run was re-opened, or its audit is another worker's by now; nothing was written.
    """
    counted = [(item, counts.get(item.item_id, 0)) for item in due.items]
    wrong = [(item, count) for item, count in counted if count != item.expected]
    result = AuditResult(
        keys=len(due.items),
        as_expected=len(due.items) - len(wrong),
        missing=tuple(item.reference for item, count in wrong if count < item.expected),
        duplicates=tuple(item.reference for item, count in wrong if count > item.expected),
        unforeseen=tuple(item.reference for item, _ in wrong if item.state in _CLOSED_WELL),
    )
    with database.write() as connection:
        # items before their run, as everybody takes them: else two transactions could wait for each other
        flagged = sa.select(t.items.c.id).where(t.items.c.id.in_([item.item_id for item, _ in wrong]))
        connection.execute(flagged.order_by(t.items.c.id).with_for_update(key_share=True))
        closed = connection.execute(
            sa.update(t.runs)
            .where(t.runs.c.id == due.run_id, t.runs.c.state == "auditing", t.runs.c.audit_owner == worker)
            .values(state="done", audit=asdict(result), audit_owner=None, audit_lease_until=None)
            .returning(t.runs.c.id)
        ).first()
        if closed is None:
            raise Stale(f"run {due.run_id} was re-opened or is audited by another worker")
        close_incidents(connection, database, _FAILED, key=str(due.run_id))
        for item, count in wrong:
            _flag(connection, database, worker, due, item, count)
        record_event(connection, database.clock, "run.audited", worker, run_id=due.run_id, **asdict(result))
    return result


def give_back(database: Database, due: DueAudit, wait: timedelta, failed: str | None = None) -> None:
    """Let the audit be tried again after a wait; `failed` says why the application could not be read."""
    with database.write() as connection:
        if failed is not None:
            message = f"the run audit of run {due.run_id} cannot be made, and is tried again: {failed}"
            open_incident(connection, database, _FAILED, f"run {due.run_id}", str(due.run_id), message)
        connection.execute(
            sa.update(t.runs)
            .where(t.runs.c.id == due.run_id, t.runs.c.state == "auditing", t.runs.c.audit_owner == due.worker)
            .values(audit_owner=None, audit_lease_until=None, audit_at=database.clock.now() + wait)
        )


def _flag(
    connection: Connection, database: Database, worker: str, due: DueAudit, item: AuditedItem, count: int
) -> None:
    code = "audit_missing" if count < item.expected else "audit_duplicate"
    message = f"the run audit sees {count} record(s) of this key where {item.expected} should be"
    record_event(
        connection, database.clock, f"run.{code}", worker, run_id=due.run_id, item_id=item.item_id, count=count
    )
    connection.execute(
        sa.insert(t.verdicts).values(
            item_id=item.item_id,
            decision="review",
            findings=[{"check": "run_audit", "code": code, "message": message}],
            definition_hash=due.definition_hash,
            created_at=database.clock.now(),
        )
    )
    connection.execute(
        sa.update(t.items)
        .where(t.items.c.id == item.item_id, t.items.c.state.in_(("passed", "accepted")))
        .values(state="review", reason=code, closed_at=database.clock.now())
    )
