"""Takes items: claim and heartbeat. The order is priority, then deadline, then age."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
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
    given = {"run_ids": list(run_ids or ()), "refused": list(refused)}
    ask = _questions(run_ids is not None, bool(refused))
    tried: list[str] = []
    while True:
        with database.read() as connection:  # cheap, and without a lock: most questions of an idle worker end here
            app = _next_app(connection, ask, {**given, "now": database.clock.now()}, tried)
        if app is None:
            return None
        with database.write() as connection:
            claimed = _claim_of_app(connection, database, ask, given, worker, lease, app)
        if claimed is not None:
            return claimed
        tried.append(app)  # another worker was faster


@dataclass(frozen=True)
class _Questions:
    """The statements of a claim, built once: building them anew cost more than the database needs to answer."""

    apps: sa.Select[Any]
    first_of_all: sa.Select[Any]
    lock: sa.Select[Any]
    held: sa.Select[Any]
    take: sa.sql.dml.ReturningUpdate[Any]


@cache
def _questions(of_runs: bool, refusing: bool) -> _Questions:
    now = sa.bindparam("now", type_=t.UtcDateTime)
    of_app = _first_item(t.apps.c.app, now, of_runs, refusing).correlate(t.apps).scalar_subquery()
    held = sa.select(sa.func.count()).where(t.items.c.owner.is_not(None), t.items.c.lease_until >= now)
    app = sa.bindparam("app_name", type_=sa.Text)
    first = _first_item(app, now, of_runs, refusing).with_for_update(skip_locked=True, key_share=True)
    firsts = t.items.c.id.in_(sa.bindparam("firsts", expanding=True, type_=sa.Integer))
    held_of_each = held.where(t.items.c.app == t.apps.c.app).correlate(t.apps).scalar_subquery()
    return _Questions(
        apps=sa.select(t.apps, held_of_each.label("held"), of_app.label("first")),
        first_of_all=sa.select(t.items.c.app).where(firsts).order_by(*t.ITEM_ORDER).limit(1),
        lock=sa.select(t.apps).where(t.apps.c.app == app).with_for_update(key_share=True),
        held=held.where(t.items.c.app == app),
        take=sa.update(t.items)
        .where(t.items.c.id == first.scalar_subquery())
        .values(
            state=sa.case((t.items.c.state == "ready", "working"), else_=t.items.c.state),
            fence=t.items.c.fence + 1,
            owner=sa.bindparam("worker", type_=sa.Text),
            lease_until=sa.bindparam("until", type_=t.UtcDateTime),
        )
        .returning(*t.items.c),
    )


def _first_item(app: Any, now: Any, of_runs: bool, refusing: bool) -> sa.Select[Any]:
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
    if of_runs:
        query = query.where(t.items.c.run_id.in_(sa.bindparam("run_ids", expanding=True, type_=sa.Integer)))
    if refusing:
        hashes = sa.bindparam("refused", expanding=True, type_=sa.String)
        unknown = sa.select(t.runs.c.id).where(t.IS_UNFINISHED, t.runs.c.definition_hash.in_(hashes))
        query = query.where(t.items.c.run_id.not_in(unknown))
    return query


def _next_app(connection: Connection, ask: _Questions, given: dict[str, Any], tried: Sequence[str]) -> str | None:
    """Return the application of the first item in order, among those that may be worked in."""
    apps = {
        row.first: row.app
        for row in connection.execute(ask.apps, given)
        if row.first is not None and row.app not in tried and may_start(row, row.held, given["now"])
    }
    if len(apps) <= 1:
        return next(iter(apps.values()), None)
    return str(connection.execute(ask.first_of_all, {"firsts": list(apps)}).scalar_one())


def _claim_of_app(
    connection: Connection,
    database: Database,
    ask: _Questions,
    given: dict[str, Any],
    worker: str,
    lease: timedelta,
    app: str,
) -> Claim | None:
    limits = connection.execute(ask.lock, {"app_name": app}).one()
    now = database.clock.now()  # after the lock, for which we may have waited
    known = {**given, "app_name": app, "now": now, "worker": worker, "until": now + lease}
    if not may_start(limits, connection.execute(ask.held, known).scalar_one(), now):
        return None
    row = connection.execute(ask.take, known).first()
    if row is None:
        return None
    if limits.pace_seconds is not None:
        next_start = now + timedelta(seconds=limits.pace_seconds)
        connection.execute(sa.update(t.apps).where(t.apps.c.app == app).values(next_start_at=next_start))
    if row.fence > 1:
        _orphan_earlier_attempts(connection, row.id, now)
    attempt = {"item_id": row.id, "workflow": row.workflow, "fence": row.fence, "worker": worker, "started_at": now}
    attempt_id = connection.execute(_NEW_ATTEMPT, attempt).scalar_one()
    return _claim(connection, row, attempt_id)


_NEW_ATTEMPT = sa.insert(t.attempts).returning(t.attempts.c.id)
_PINNED = sa.select(t.runs.c.definition_hash, t.runs.c.kind).where(t.runs.c.id == sa.bindparam("run"))


def _orphan_earlier_attempts(connection: Connection, item_id: int, now: datetime) -> None:
    connection.execute(
        sa.update(t.attempts)
        .where(t.attempts.c.item_id == item_id, t.attempts.c.ended_at.is_(None))
        .values(ended_at=now, outcome="orphaned", error_kind="system", error_code="worker_lost")
    )


def _claim(connection: Connection, row: Any, attempt_id: int) -> Claim:
    run = connection.execute(_PINNED, {"run": row.run_id}).one()
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


def extend(
    database: Database,
    worker: str,
    held: Sequence[tuple[int, int]],
    lease: timedelta,
    audits: Collection[int] = (),
) -> set[tuple[int, int]]:
    """Beat: extend the leases of the held (item, fence) pairs, and of the runs that are being audited.

    Returns:
        The pairs that are no longer this worker's.
    """
    mine: set[tuple[int, int]] = set()
    with database.write() as connection:
        beat_within(connection, database, worker)
        if held:
            extended = connection.execute(
                sa.update(t.items)
                .where(t.items.c.owner == worker, sa.tuple_(t.items.c.id, t.items.c.fence).in_(list(held)))
                .values(lease_until=database.clock.now() + lease)
                .returning(t.items.c.id, t.items.c.fence)
            )
            mine = {(row.id, row.fence) for row in extended}
        if audits:
            extended_audits = sa.update(t.runs).where(t.runs.c.id.in_(audits), t.runs.c.audit_owner == worker)
            connection.execute(extended_audits.values(audit_lease_until=database.clock.now() + lease))
    return set(held) - mine


def guarded(connection: Connection, claimed: Claim, **values: Any) -> datetime | None:
    """Update an item under its fence; return until when it is leased.

    Raises:
        Stale: another worker owns the item by now; touch nothing.
    """
    hit = connection.execute(
        sa.update(t.items)
        .where(t.items.c.id == claimed.item_id, t.items.c.fence == claimed.fence, t.items.c.owner == claimed.worker)
        .values(**values)
        .returning(t.items.c.lease_until)
    ).first()
    if hit is None:
        raise Stale(f"item {claimed.item_id}: fence {claimed.fence} is no longer ours")
    return hit.lease_until  # type: ignore[no-any-return]


def is_work_left(database: Database, run_ids: Sequence[int] | None = None, refused: Collection[str] = ()) -> bool:
    """Say whether there is an item that is not closed, or a run that is not audited yet, that a worker could take."""
    run = sa.select(t.runs.c.id).where(t.IS_UNFINISHED, t.runs.c.definition_hash.not_in(refused)).limit(1)
    if run_ids is not None:
        run = run.where(t.runs.c.id.in_(run_ids))
    with database.read() as connection:
        return connection.execute(run).first() is not None


def next_wake(database: Database, run_ids: Sequence[int] | None = None) -> datetime | None:
    """Return when an open item, or a due run audit, may become claimable; None if none will.

    Only a hundred of them are asked, so that the answer costs the same however long the queue is: it says how long to
    sleep, not whether something is left.
    """
    # in the order of an index of open items alone, lest closed ones are looked through
    order = (t.items.c.app, *t.ITEM_ORDER) if run_ids is None else (t.items.c.run_id, t.items.c.app, *t.ITEM_ORDER)
    item = sa.select(t.items.c.id).where(t.IS_OPEN).order_by(*order).limit(_HINTS)
    audit = sa.select(sa.func.min(_later(t.runs.c.audit_at, t.runs.c.audit_lease_until))).where(
        t.IS_UNFINISHED, t.runs.c.state == "auditing"
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
