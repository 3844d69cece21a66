"""What time it is in a ledger: one answer for all of its processes, whatever happens to their hosts' clocks.

Leases, back-off and the waits of the commit protocol compare instants that different processes wrote. If their clocks
disagreed, one could take another's lease for expired, or believe that a request can no longer land while it still may.

- PostgreSQL: the server's clock. Clocks of workers may be wrong by hours.
- SQLite: one host. The seconds since boot, which all its processes share and nobody can set, counted from an *anchor*
  in the ledger. A step of the wall clock (NTP, a person) changes nothing while anybody works; the anchor follows it
  when nobody does.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from loguru import logger
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import Connection

from engine.clock import SystemClock
from engine.ledger import tables as t

if TYPE_CHECKING:
    from engine.ledger.database import Database

_KEY = "clock"
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_TOLERANCE = timedelta(seconds=2)
"""How far the wall clock may be off before the anchor follows it: NTP slews by less."""
_QUIET = timedelta(minutes=2)
"""How long no process may have beaten before the anchor moves."""


def ask(database: Database) -> datetime:
    """Return the ledger's present instant in UTC.

    Raises:
        sqlalchemy.exc.DBAPIError: the database does not answer.
    """
    if not database.is_sqlite:
        with database.transaction(write=False) as connection:
            return connection.execute(sa.select(sa.func.clock_timestamp(type_=t.UtcDateTime))).scalar_one()
    host = SystemClock()
    with database.transaction(write=False) as connection:
        anchor = _anchor(connection)
    if anchor is not None and abs(_off(anchor, host)) <= _TOLERANCE:
        return anchor + timedelta(seconds=host.monotonic())
    with database.transaction(write=True) as connection:
        anchor = _anchor(connection)
        if anchor is not None and _in_use(connection, anchor + timedelta(seconds=host.monotonic())):
            logger.bind(event="clock.off").warning(
                "this host's clock was moved by {:g} s; the ledger keeps its own time until nobody works",
                _off(anchor, host).total_seconds(),
            )
        else:
            anchor = _drop_anchor(connection, host)
    return anchor + timedelta(seconds=host.monotonic())


def _anchor(connection: Connection) -> datetime | None:
    """Return the instant of this boot, as the ledger counts it; None if this boot has not been seen yet."""
    value = connection.execute(sa.select(t.meta.c.value).where(t.meta.c.key == _KEY)).scalar_one_or_none()
    if value is None or value["boot"] != _boot_id():
        return None
    return datetime.fromisoformat(value["anchor"])


def _off(anchor: datetime, host: SystemClock) -> timedelta:
    return host.now() - (anchor + timedelta(seconds=host.monotonic()))


def _in_use(connection: Connection, now: datetime) -> bool:
    """Say whether anybody's waits still count on the present anchor."""
    counts: list[sa.ColumnElement[Any]] = [
        sa.exists().where(t.workers.c.state != "stopped", t.workers.c.seen_at > now - _QUIET),
        sa.exists().where(t.items.c.owner.is_not(None), t.items.c.lease_until >= now),
        sa.exists().where(t.IS_OPEN, t.intents.c.item_id == t.items.c.id, t.intents.c.outcome.is_(None)),
    ]
    return bool(connection.execute(sa.select(sa.or_(*counts))).scalar_one())


def _drop_anchor(connection: Connection, host: SystemClock) -> datetime:
    now = host.now()
    anchor = now - timedelta(seconds=host.monotonic())
    row = {"value": {"boot": _boot_id(), "anchor": anchor.isoformat()}, "changed_at": now}
    statement = insert(t.meta).values(key=_KEY, **row)
    connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_=row))
    return anchor


def _boot_id() -> str:
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"
