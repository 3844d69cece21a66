"""What is open, what is held, who works and what the applications allow: the present state a forecast starts from.

Counts are taken over the partial indexes of open and held items; closed items are never read.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.definition import MaintenanceWindow
from engine.ledger import tables as t
from engine.ledger.workers import SILENT_AFTER

LEAVING = ("stopping", "stopped")
"""States of a worker that takes no more items."""
RESTART = timedelta(minutes=2)
FEW = 200
"""Up to so many open items of a run are asked when they may be tried again."""


@dataclass(frozen=True)
class HeldItem:
    """An item in work, by a worker whose lease has not run out."""

    owner: str
    started_at: datetime


@dataclass(frozen=True)
class OpenRun:
    """The open items of one run."""

    run_id: int
    workflow: str
    app: str
    definition_hash: str
    priority: int
    due_at: datetime | None
    """The items' deadline, which is part of their order."""
    deadline: datetime | None
    """The run's own."""
    age: int
    """Id of its first open item."""
    left: int
    """Open items, those in work included."""
    total: int
    """Items that the run enqueued, or more if some were opened again."""
    held: tuple[HeldItem, ...] = ()
    waits: tuple[datetime, ...] = ()
    """When items that wait for their next attempt may be tried; only asked where few items are left."""


@dataclass(frozen=True)
class LiveWorker:
    """A worker that takes items."""

    name: str
    slots: int
    refuses: frozenset[str]
    """Hashes of definitions that it cannot work."""


@dataclass(frozen=True)
class AppState:
    """What an application allows at present."""

    app: str
    max_sessions: int
    pace: timedelta
    opens_at: datetime | None
    """Nothing is started before: the breaker, or the pace."""
    maintenance: tuple[MaintenanceWindow, ...]


_HeldBy = dict[tuple[int, int, datetime], list[HeldItem]]
"""By run, priority and deadline."""


def open_runs(connection: Connection, now: datetime) -> list[OpenRun]:
    """Return the runs that have open items, oldest first.

    A run whose items have not all the same priority and deadline comes in as many parts.
    """
    held = _held(connection, now)
    i = t.items.c
    counted = (
        sa.select(i.run_id, i.app, i.priority, i.due_at, sa.func.min(i.id).label("age"), sa.func.count().label("left"))
        .where(t.IS_OPEN)
        .group_by(i.run_id, i.app, i.priority, i.due_at)
        .subquery()
    )
    r = t.runs.c
    query = (
        sa.select(counted, r.workflow, r.definition_hash, r.counts, r.due_at.label("deadline"))
        .join(t.runs, r.id == counted.c.run_id)
        .order_by(counted.c.age)
    )
    return [_open_run(connection, row, held, now) for row in connection.execute(query).all()]


def _open_run(connection: Connection, row: Any, held: _HeldBy, now: datetime) -> OpenRun:
    return OpenRun(
        run_id=row.run_id,
        workflow=row.workflow,
        app=row.app,
        definition_hash=row.definition_hash,
        priority=row.priority,
        due_at=None if row.due_at >= t.NEVER else row.due_at,
        deadline=row.deadline,
        age=row.age,
        left=row.left,
        total=max(int(row.counts.get("enqueued", 0)), row.left),
        held=tuple(held.get((row.run_id, row.priority, row.due_at), ())),
        waits=_waits(connection, row, now) if row.left <= FEW else (),
    )


def _held(connection: Connection, now: datetime) -> _HeldBy:
    i, a = t.items.c, t.attempts.c
    query = (
        sa.select(i.run_id, i.priority, i.due_at, i.owner, a.started_at)
        .join(t.attempts, sa.and_(a.item_id == i.id, a.fence == i.fence))
        .where(i.owner.is_not(None), i.lease_until >= now)
    )
    found: _HeldBy = {}
    # sorted here: asked for an order by id, SQLite walks the whole table instead of the index of held items
    for row in sorted(connection.execute(query), key=lambda row: (row.started_at, row.owner)):
        found.setdefault((row.run_id, row.priority, row.due_at), []).append(HeldItem(row.owner, row.started_at))
    return found


def _waits(connection: Connection, row: Any, now: datetime) -> tuple[datetime, ...]:
    i = t.items.c
    query = sa.select(i.available_at).where(
        t.IS_OPEN,
        i.run_id == row.run_id,
        i.priority == row.priority,
        i.due_at == row.due_at,
        i.owner.is_(None),
        i.available_at > now,
    )
    return tuple(sorted(connection.execute(query).scalars()))


def live_workers(connection: Connection, now: datetime) -> list[LiveWorker]:
    """Return the workers that take items: those that beat and are not stopping.

    If there is none, those seen within the last two minutes stand in: a restart is no loss of all workers.
    """
    recent = t.workers.c.seen_at >= now - timedelta(days=1)
    query = sa.select(t.workers).where(t.workers.c.role == "worker", recent).order_by(t.workers.c.name)
    rows = connection.execute(query).all()
    live = [
        row
        for row in rows
        if row.state not in LEAVING and row.seen_at + timedelta(seconds=row.lease_seconds * SILENT_AFTER) >= now
    ]
    found = live or [row for row in rows if row.seen_at + RESTART >= now]
    return [LiveWorker(row.name, row.slots, frozenset(row.refuses)) for row in found]


def zones(connection: Connection, workflows: Collection[str]) -> dict[str, str]:
    """Return the time zones that workflows' schedules are written in; UTC for those without a schedule."""
    query = sa.select(t.schedules).where(t.schedules.c.workflow.in_(list(workflows)))
    said = {row.workflow: row.changed or row.written for row in connection.execute(query)}
    return {workflow: str(said.get(workflow, {}).get("timezone") or "UTC") for workflow in workflows}


def app_states(connection: Connection, apps: Collection[str]) -> dict[str, AppState]:
    """Return what applications allow, as far as they ever had a run."""
    rows = connection.execute(sa.select(t.apps).where(t.apps.c.app.in_(list(apps))))
    return {row.app: _app_state(row) for row in rows}


def _app_state(row: Any) -> AppState:
    return AppState(
        app=row.app,
        max_sessions=row.max_sessions,
        pace=timedelta(seconds=row.pace_seconds or 0),
        opens_at=max((at for at in (row.open_until, row.next_start_at) if at is not None), default=None),
        maintenance=tuple(MaintenanceWindow(**window) for window in row.maintenance),
    )
