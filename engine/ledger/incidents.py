"""What went wrong beside the items: opened once, however often it is noticed, and closed when it is over.

Kinds: `schedule.missed`, `schedule.late`, `schedule.failed`, `deadline.at_risk`, `worker.lost`, `definition.refused`,
`breaker.opened`, `audit.failed`, `fairness.gap`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.errors import UserError
from engine.ledger import tables as t
from engine.ledger.database import Database, insert_new, record_event


@dataclass(frozen=True)
class Incident:
    """One incident; it is open while `closed_at` is None."""

    id: int
    kind: str
    subject: str
    """What it happened to: a workflow, a worker, an application."""
    key: str
    """Which occurrence: a slot, a run; the same one is never opened twice."""
    message: str
    data: dict[str, Any]
    opened_at: datetime
    closed_at: datetime | None


def open_incident(
    connection: Connection, database: Database, kind: str, subject: str, key: str, message: str, **data: Any
) -> bool:
    """Open an incident, or open it again if it was closed; False if it stands open already."""
    now = database.clock.now()
    row = {"kind": kind, "subject": subject, "key": key, "message": message, "data": data, "opened_at": now}
    if insert_new(connection, t.incidents, [row], t.incidents.c.id):
        return True
    again = (
        sa.update(t.incidents)
        .where(t.incidents.c.kind == kind, t.incidents.c.subject == subject, t.incidents.c.key == key)
        .where(t.incidents.c.closed_at.is_not(None))
        .values(message=message, data=data, opened_at=now, closed_at=None)
        .returning(t.incidents.c.id)
    )
    return connection.execute(again).first() is not None


def close_incidents(
    connection: Connection, database: Database, kind: str, subject: str | None = None, key: str | None = None
) -> int:
    """Close what stands open of a kind, about this subject and of this key if given; return how many there were."""
    query = sa.update(t.incidents).where(t.incidents.c.kind == kind, t.incidents.c.closed_at.is_(None))
    if subject is not None:
        query = query.where(t.incidents.c.subject == subject)
    if key is not None:
        query = query.where(t.incidents.c.key == key)
    closed = query.values(closed_at=database.clock.now()).returning(t.incidents.c.id)
    return len(connection.execute(closed).all())


def close_by_hand(database: Database, incident_id: int, who: str) -> None:
    """Close one incident because a person has looked after it.

    Raises:
        UserError: there is none of that number that stands open.
    """
    with database.write() as connection:
        closed = connection.execute(
            sa.update(t.incidents)
            .where(t.incidents.c.id == incident_id, t.incidents.c.closed_at.is_(None))
            .values(closed_at=database.clock.now())
            .returning(t.incidents.c.kind, t.incidents.c.subject, t.incidents.c.key)
        ).first()
        if closed is None:
            raise UserError(f"no incident {incident_id} stands open; `runner.py incidents list` shows those that do")
        record_event(connection, database.clock, "incident.closed", who, incident=incident_id, what=list(closed))


def incidents(
    database: Database, *, only_open: bool = True, limit: int | None = 100, kind: str | None = None
) -> list[Incident]:
    """List incidents, newest first; only of a kind, if given."""
    columns = [t.incidents.c[name] for name in Incident.__dataclass_fields__]
    query = sa.select(*columns).order_by(t.incidents.c.opened_at.desc(), t.incidents.c.id.desc()).limit(limit)
    if only_open:
        query = query.where(t.incidents.c.closed_at.is_(None))
    if kind is not None:
        query = query.where(t.incidents.c.kind == kind)
    with database.read() as connection:
        return [Incident(**row._asdict()) for row in connection.execute(query)]
