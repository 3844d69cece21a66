"""Who works: processes that beat, what each of them is doing, and those that fell silent."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.ledger import tables as t
from engine.ledger.database import Database, insert_new
from engine.ledger.incidents import close_incidents, open_incident

Role = Literal["worker", "scheduler"]
SILENT_AFTER = 1.5
"""Leases after which a process that does not beat any more counts as lost: its items are free by then."""
_LOST = "worker.lost"
_KEPT = timedelta(days=1)
"""How long a process that ended or fell silent is still shown."""


@dataclass(frozen=True)
class Working:
    """One item that a process holds."""

    item_id: int
    run_id: int
    workflow: str
    reference: str
    app: str
    state: str
    since: datetime


@dataclass(frozen=True)
class WorkerRow:
    """One process; `state` is running, stopping, stopped or lost."""

    name: str
    role: str
    host: str
    pid: int
    version: str
    slots: int
    lease_seconds: float
    state: str
    refuses: Mapping[str, str]
    """Hash of a definition that it cannot work to the reason."""
    started_at: datetime
    seen_at: datetime
    working: tuple[Working, ...] = field(default=())


def code_version() -> str:
    """Return the version of the code that runs here."""
    try:
        return version("countersign")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "unknown"


def register(database: Database, name: str, role: Role, *, slots: int, lease: timedelta) -> None:
    """Enter a process that begins, and forget those that ended long ago."""
    now = database.clock.now()
    row = {
        "name": name,
        "role": role,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "version": code_version(),
        "slots": slots,
        "lease_seconds": lease.total_seconds(),
        "state": "running",
        "refuses": {},
        "started_at": now,
        "seen_at": now,
    }
    with database.write() as connection:
        connection.execute(sa.delete(t.workers).where(t.workers.c.seen_at < now - _KEPT))
        insert_new(connection, t.workers, [row], t.workers.c.name)  # asked twice if the first answer was lost


def beat(database: Database, name: str) -> None:
    """Say that a process lives."""
    with database.write() as connection:
        beat_within(connection, database, name)


def beat_within(connection: Connection, database: Database, name: str) -> None:
    """Do what `beat` does, inside a transaction that does more."""
    seen = sa.update(t.workers).where(t.workers.c.name == name).values(seen_at=database.clock.now())
    connection.execute(seen)


def leave(database: Database, name: str, state: Literal["stopping", "stopped"]) -> None:
    """Say that a process takes nothing more, or has ended."""
    with database.write() as connection:
        left = sa.update(t.workers).where(t.workers.c.name == name)
        connection.execute(left.values(state=state, seen_at=database.clock.now()))


def refuse(database: Database, name: str, workflow: str, definition_hash: str, reason: str) -> None:
    """Say that a process cannot work a pinned definition and leaves its items to others; an incident tells people."""
    message = f"worker {name} cannot load the definition {definition_hash[:12]} of {workflow}: {reason}"
    with database.write() as connection:
        of_worker = t.workers.c.name == name
        known = connection.execute(sa.select(t.workers.c.refuses).where(of_worker)).scalar_one_or_none() or {}
        connection.execute(sa.update(t.workers).where(of_worker).values(refuses={**known, definition_hash: reason}))
        open_incident(connection, database, "definition.refused", workflow, definition_hash, message, worker=name)


def accept(database: Database, definition_hash: str) -> None:
    """Close the incident of a definition that a worker could load after all."""
    with database.write() as connection:
        close_incidents(connection, database, "definition.refused", key=definition_hash)


def listing(database: Database) -> list[WorkerRow]:
    """List the processes of the last day, those that live first, with the items that each holds."""
    now = database.clock.now()
    held = sa.select(t.items, t.attempts.c.started_at).join(
        t.attempts, sa.and_(t.attempts.c.item_id == t.items.c.id, t.attempts.c.fence == t.items.c.fence)
    )
    with database.read() as connection:
        rows = connection.execute(sa.select(t.workers).order_by(t.workers.c.started_at, t.workers.c.name)).all()
        working: dict[str, list[Working]] = {}
        # sorted here: asked to sort by id, SQLite walks through every item there ever was
        for item in sorted(connection.execute(held.where(t.items.c.owner.is_not(None))), key=lambda row: row.id):
            doing = Working(item.id, item.run_id, item.workflow, item.reference, item.app, item.state, item.started_at)
            working.setdefault(item.owner, []).append(doing)
    found = [
        WorkerRow(**{**row._asdict(), "state": _state(row, now)}, working=tuple(working.get(row.name, ())))
        for row in rows
    ]
    return sorted(found, key=lambda row: row.state in {"stopped", "lost"})


def _state(row: sa.Row[tuple[object, ...]], now: datetime) -> str:
    silent = now - row.seen_at > timedelta(seconds=row.lease_seconds * SILENT_AFTER)
    return "lost" if silent and row.state != "stopped" else str(row.state)


def report_lost(database: Database) -> list[str]:
    """Open an incident for each process that fell silent without a word, close those of the others; return names."""
    now = database.clock.now()
    with database.read() as connection:
        rows = connection.execute(sa.select(t.workers).where(t.workers.c.state != "stopped")).all()
        told = sa.select(t.incidents.c.key).where(t.incidents.c.kind == _LOST, t.incidents.c.closed_at.is_(None))
        reported = set(connection.execute(told).scalars())
    lost = {row.name: row for row in rows if _state(row, now) == "lost"}
    if lost.keys() != reported:
        with database.write() as connection:
            for name in reported - lost.keys():
                close_incidents(connection, database, _LOST, key=name)
            for name, row in lost.items():
                message = f"{row.role} {name} has not been heard of since {row.seen_at:%Y-%m-%d %H:%M:%S} UTC"
                open_incident(connection, database, _LOST, name, name, message, pid=row.pid)
    return sorted(lost)
