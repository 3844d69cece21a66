"""The limits of an application: breaker, maintenance, sessions and pace, the same for every worker of the ledger."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.definition import Application, MaintenanceWindow
from engine.ledger import tables as t
from engine.ledger.database import insert_new
from engine.windows import closed_until


def remember_limits(connection: Connection, app: Application, now: datetime) -> None:
    """Keep what every worker must heed of an application; the profile of the newest run decides."""
    limits = {
        "max_sessions": app.max_sessions,
        "pace_seconds": app.rate.pace.total_seconds() if app.rate else None,
        "maintenance": [window.model_dump(mode="json") for window in app.maintenance],
    }
    known = connection.execute(sa.select(t.apps).where(t.apps.c.app == app.name)).mappings().first()
    if known is None:
        insert_new(connection, t.apps, [{"app": app.name, "failures": 0, "changed_at": now, **limits}], t.apps.c.app)
    elif any(known[name] != value for name, value in limits.items()):
        connection.execute(sa.update(t.apps).where(t.apps.c.app == app.name).values(**limits, changed_at=now))


def may_start(app: Any, held: int, now: datetime) -> bool:
    """Say whether an item of the application (its row), of which `held` are in work, may be started by any worker."""
    if any(at is not None and at > now for at in (app.open_until, app.next_start_at)):
        return False
    if closed_until([MaintenanceWindow(**window) for window in app.maintenance], now) is not None:
        return False
    return bool(held < app.max_sessions)
