"""Takes items: claim, heartbeat, release. The order is priority, then availability, then age."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.errors import Stale
from engine.ledger import tables as t
from engine.ledger.database import Database


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


def claim(database: Database, worker: str, lease: timedelta, *, run_ids: Sequence[int] | None = None) -> Claim | None:
    """Take the next open item whose lease ran out, whose time has come and whose application is not paused.

    Returns:
        The claim, or None if there is nothing to take at present.
    """
    with database.write() as connection:
        now = database.clock.now()
        row = connection.execute(
            sa.update(t.items)
            .where(t.items.c.id == _next_item(now, run_ids))
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
        _orphan_earlier_attempts(connection, row.id, now)
        attempt = sa.insert(t.attempts).values(item_id=row.id, fence=row.fence, worker=worker, started_at=now)
        attempt_id = connection.execute(attempt.returning(t.attempts.c.id)).scalar_one()
        return _claim(connection, row, attempt_id)


def _next_item(now: datetime, run_ids: Sequence[int] | None) -> Any:
    paused = sa.select(t.breakers.c.app).where(t.breakers.c.open_until > now)
    query = (
        sa.select(t.items.c.id)
        .where(
            t.items.c.state.in_([sa.literal_column(f"'{state}'") for state in t.OPEN]),
            t.items.c.available_at <= now,
            sa.or_(t.items.c.lease_until.is_(None), t.items.c.lease_until < now),
            t.items.c.app.not_in(paused),
        )
        .order_by(t.items.c.priority.desc(), t.items.c.available_at, t.items.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if run_ids is not None:
        query = query.where(t.items.c.run_id.in_(run_ids))
    return query.scalar_subquery()


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
    )


def _intents(connection: Connection, item_id: int) -> tuple[Intent, ...]:
    columns = [t.intents.c[name] for name in Intent.__dataclass_fields__]
    query = sa.select(*columns).where(t.intents.c.item_id == item_id).order_by(t.intents.c.id)
    return tuple(Intent(**row._asdict()) for row in connection.execute(query))


def extend(database: Database, worker: str, held: Sequence[tuple[int, int]], lease: timedelta) -> set[int]:
    """Extend the leases of the held (item, fence) pairs; return the items that are no longer this worker's."""
    if not held:
        return set()
    with database.write() as connection:
        until = database.clock.now() + lease
        extended = connection.execute(
            sa.update(t.items)
            .where(t.items.c.owner == worker, sa.tuple_(t.items.c.id, t.items.c.fence).in_(list(held)))
            .values(lease_until=until)
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


def next_wake(database: Database, run_ids: Sequence[int] | None = None) -> datetime | None:
    """Return when the next open item or due run audit may become claimable, or None if there will be none."""
    paused = sa.select(t.breakers.c.open_until).where(t.breakers.c.app == t.items.c.app).scalar_subquery()
    due = _later(_later(t.items.c.available_at, t.items.c.lease_until), paused)
    item = sa.select(sa.func.min(due)).where(t.items.c.state.in_(t.OPEN))
    audit = sa.select(sa.func.min(_later(t.runs.c.audit_at, t.runs.c.audit_lease_until))).where(
        t.runs.c.state == "auditing"
    )
    if run_ids is not None:
        item = item.where(t.items.c.run_id.in_(run_ids))
        audit = audit.where(t.runs.c.id.in_(run_ids))
    with database.read() as connection:
        columns = [sa.type_coerce(query.scalar_subquery(), t.UtcDateTime) for query in (item, audit)]
        return min((at for at in connection.execute(sa.select(*columns)).one() if at is not None), default=None)


def _later(at: Any, other: Any) -> Any:
    return sa.case((other > at, other), else_=at)
