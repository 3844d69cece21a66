"""Takes items: claim and heartbeat. The order is priority, then deadline, then age."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.errors import Stale
from engine.ledger import tables as t
from engine.ledger.apps import may_start
from engine.ledger.database import Database
from engine.ledger.trust import restored
from engine.ledger.workers import beat_within

_HINTS = 100


@dataclass(frozen=True)
class Intent:
    """One commit that was about to be sent; `outcome` is None while nobody knows what became of it."""

    id: int
    segment: int
    fence: int
    gate: int
    at: datetime
    lands_until: datetime
    outcome: str | None
    decided_at: datetime | None
    app_id: str | None
    url: str | None


@dataclass(frozen=True)
class Claim:
    """A claimed item; `fence` guards every later write about it."""

    item_id: int
    run_id: int
    kind: str
    workflow: str
    app: str
    definition_hash: str
    reference: str
    payload: dict[str, Any]
    payload_hash: str
    fence: int
    attempt_id: int
    worker: str
    failures: int
    orphans: int
    """Attempts whose worker died, since a person last saw the item."""
    seen_fence: int
    """Fence of the attempt after which a person last saw the item, 0 if none did: what failed before is forgiven."""
    audit_draw: float
    record_url: str | None
    corrects: int | None
    intents: tuple[Intent, ...]
    restored_at: datetime | None = None
    """When the ledger was restored, where the item may have been committed after the backup: ask before entering it."""


def claim(
    database: Database,
    worker: str,
    lease: timedelta,
    *,
    run_ids: Sequence[int] | None = None,
    refused: Collection[str] = (),
) -> Claim | None:
    """Take the next open item whose lease ran out, whose time has come and whose application may be worked in.

    The order is priority, then deadline, then age. An application's limits (breaker, maintenance, sessions, pace) hold
    over every worker of the ledger: its row is locked while one of its items is taken.

    Args:
        database: the ledger.
        worker: who takes it.
        lease: for how long, without a heartbeat.
        run_ids: only items of these runs.
        refused: hashes of definitions that this worker cannot work.

    Returns:
        The claim, or None if there is nothing to take at present.
    """
    tried: list[str] = []
    while True:
        with database.read() as connection:  # cheap, and without a lock: most questions of an idle worker end here
            app = _next_app(connection, database.clock.now(), run_ids, refused, tried)
        if app is None:
            return None
        with database.write() as connection:
            claimed = _claim_of_app(connection, database, worker, lease, app, run_ids, refused)
        if claimed is not None:
            return claimed
        tried.append(app)  # another worker was faster


def _next_app(
    connection: Connection,
    now: datetime,
    run_ids: Sequence[int] | None,
    refused: Collection[str],
    tried: Sequence[str],
) -> str | None:
    """Return the application of the first item in order, among those that may be worked in."""
    apps = connection.execute(sa.select(t.apps).where(t.apps.c.app.not_in(tried))).all()
    free = [row.app for row in apps if may_start(connection, row, now)]
    first = _first_item(t.apps.c.app, now, run_ids, refused).correlate(t.apps).scalar_subquery()
    firsts = sa.select(first).where(t.apps.c.app.in_(free))
    query = sa.select(t.items.c.app).where(t.items.c.id.in_(firsts)).order_by(*t.ITEM_ORDER).limit(1)
    return connection.execute(query).scalar_one_or_none() if free else None


def _first_item(app: Any, now: datetime, run_ids: Sequence[int] | None, refused: Collection[str]) -> sa.Select[Any]:
    query = (
        sa.select(t.items.c.id)
        .where(
            t.IS_OPEN,
            t.items.c.app == app,
            t.items.c.available_at <= now,
            sa.or_(t.items.c.lease_until.is_(None), t.items.c.lease_until < now),
        )
        .order_by(*t.ITEM_ORDER)
        .limit(1)
    )
    if run_ids is not None:
        query = query.where(t.items.c.run_id.in_(run_ids))
    if refused:
        unknown = sa.select(t.runs.c.id).where(t.runs.c.state == "open", t.runs.c.definition_hash.in_(refused))
        query = query.where(t.items.c.run_id.not_in(unknown))
    return query


def _claim_of_app(
    connection: Connection,
    database: Database,
    worker: str,
    lease: timedelta,
    app: str,
    run_ids: Sequence[int] | None,
    refused: Collection[str],
) -> Claim | None:
    limits = connection.execute(sa.select(t.apps).where(t.apps.c.app == app).with_for_update(key_share=True)).one()
    now = database.clock.now()  # after the lock, for which we may have waited
    if not may_start(connection, limits, now):
        return None
    item_id = _first_item(app, now, run_ids, refused).with_for_update(skip_locked=True, key_share=True)
    row = connection.execute(
        sa.update(t.items)
        .where(t.items.c.id == item_id.scalar_subquery())
        .values(
            state=sa.case((t.items.c.state == "ready", "working"), else_=t.items.c.state),
            fence=t.items.c.fence + 1,
            owner=worker,
            lease_until=now + lease,
        )
        .returning(*t.items.c)
    ).first()
    if row is None:
        return None
    if limits.pace_seconds is not None:
        next_start = now + timedelta(seconds=limits.pace_seconds)
        connection.execute(sa.update(t.apps).where(t.apps.c.app == app).values(next_start_at=next_start))
    _orphan_earlier_attempts(connection, row.id, now)
    attempt = {"item_id": row.id, "workflow": row.workflow, "fence": row.fence, "worker": worker, "started_at": now}
    attempt_id = connection.execute(sa.insert(t.attempts).values(attempt).returning(t.attempts.c.id)).scalar_one()
    return _claim(connection, row, attempt_id)


def _orphan_earlier_attempts(connection: Connection, item_id: int, now: datetime) -> None:
    connection.execute(
        sa.update(t.attempts)
        .where(t.attempts.c.item_id == item_id, t.attempts.c.ended_at.is_(None))
        .values(ended_at=now, outcome="orphaned", error_kind="system", error_code="worker_lost")
    )


def _claim(connection: Connection, row: Any, attempt_id: int) -> Claim:
    run = connection.execute(sa.select(t.runs.c.definition_hash, t.runs.c.kind).where(t.runs.c.id == row.run_id)).one()
    mine = t.attempts.c.item_id == row.id
    reviewed = sa.select(sa.func.max(t.attempts.c.fence)).where(mine, t.attempts.c.outcome == "review")
    seen_fence = (connection.execute(reviewed).scalar_one() or 0) if row.fence > 1 else 0
    orphaned = sa.select(sa.func.count()).where(
        mine, t.attempts.c.outcome == "orphaned", t.attempts.c.fence > seen_fence
    )
    last = restored(connection) if row.find_first else None
    return Claim(
        item_id=row.id,
        run_id=row.run_id,
        kind=run.kind,
        workflow=row.workflow,
        app=row.app,
        definition_hash=run.definition_hash,
        reference=row.reference,
        payload=row.payload,
        payload_hash=row.payload_hash,
        fence=row.fence,
        attempt_id=attempt_id,
        worker=row.owner,
        failures=row.failures,
        orphans=connection.execute(orphaned).scalar_one() if row.fence > 1 else 0,
        seen_fence=seen_fence,
        audit_draw=row.audit_draw,
        record_url=row.record_url,
        corrects=row.corrects_item_id,
        intents=_intents(connection, row.id) if row.fence > 1 else (),
        restored_at=(last.at if last else row.created_at) if row.find_first else None,
    )


def _intents(connection: Connection, item_id: int) -> tuple[Intent, ...]:
    columns = [t.intents.c[name] for name in Intent.__dataclass_fields__]
    query = sa.select(*columns).where(t.intents.c.item_id == item_id).order_by(t.intents.c.id)
    return tuple(Intent(**row._asdict()) for row in connection.execute(query))


def extend(database: Database, worker: str, held: Sequence[tuple[int, int]], lease: timedelta) -> set[int]:
    """Beat: extend the leases of the held (item, fence) pairs; return the items that are no longer this worker's."""
    mine: set[int] = set()
    with database.write() as connection:
        beat_within(connection, database, worker)
        if held:
            extended = connection.execute(
                sa.update(t.items)
                .where(t.items.c.owner == worker, sa.tuple_(t.items.c.id, t.items.c.fence).in_(list(held)))
                .values(lease_until=database.clock.now() + lease)
                .returning(t.items.c.id)
            )
            mine = {row.id for row in extended}
    return {item_id for item_id, _ in held} - mine


def guarded(connection: Connection, claimed: Claim, **values: Any) -> None:
    """Update an item under its fence.

    Raises:
        Stale: another worker owns the item by now; touch nothing.
    """
    hit = connection.execute(
        sa.update(t.items)
        .where(t.items.c.id == claimed.item_id, t.items.c.fence == claimed.fence, t.items.c.owner == claimed.worker)
        .values(**values)
        .returning(t.items.c.id)
    ).first()
    if hit is None:
        raise Stale(f"item {claimed.item_id}: fence {claimed.fence} is no longer ours")


def is_work_left(database: Database, run_ids: Sequence[int] | None = None, refused: Collection[str] = ()) -> bool:
    """Say whether there is an item that is not closed, or a run that is not audited yet, that a worker could take."""
    run = sa.select(t.runs.c.id).where(t.runs.c.state != "done", t.runs.c.definition_hash.not_in(refused)).limit(1)
    if run_ids is not None:
        run = run.where(t.runs.c.id.in_(run_ids))
    with database.read() as connection:
        return connection.execute(run).first() is not None


def next_wake(database: Database, run_ids: Sequence[int] | None = None) -> datetime | None:
    """Return when one of the items that stand first, or a due run audit, may become claimable; None if none will.

    Only the first hundred in order are asked, so that the answer costs the same however long the queue is: it says how
    long to sleep, not whether something is left.
    """
    item = sa.select(t.items.c.id).where(t.IS_OPEN).order_by(t.items.c.id).limit(_HINTS)
    audit = sa.select(sa.func.min(_later(t.runs.c.audit_at, t.runs.c.audit_lease_until))).where(
        t.runs.c.state == "auditing"
    )
    if run_ids is not None:
        item = item.where(t.items.c.run_id.in_(run_ids))
        audit = audit.where(t.runs.c.id.in_(run_ids))
    due = _later(
        _later(_later(t.items.c.available_at, t.items.c.lease_until), t.apps.c.open_until), t.apps.c.next_start_at
    )
    first = sa.select(sa.func.min(due)).join(t.apps, t.apps.c.app == t.items.c.app).where(t.items.c.id.in_(item))
    with database.read() as connection:
        columns = [sa.type_coerce(query.scalar_subquery(), t.UtcDateTime) for query in (first, audit)]
        return min((at for at in connection.execute(sa.select(*columns)).one() if at is not None), default=None)


def _later(at: Any, other: Any) -> Any:
    return sa.case((other > at, other), else_=at)
