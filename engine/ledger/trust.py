"""Whether the ledger may be believed: one that was restored from a backup does not know what was committed after it.

While it is not trusted, nothing is entered before the application was asked (`items.find_first`): every item that was
open in the backup, and every item enqueued since, may be in the application already.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.errors import UserError
from engine.ledger import tables as t
from engine.ledger.database import Database, record_event

_KEY = "restored"


@dataclass(frozen=True)
class Restored:
    """From which instant's backup the ledger was restored, when, and who has said since that it is complete."""

    backup_of: datetime
    at: datetime
    trusted_by: str | None = None
    trusted_at: datetime | None = None


def restored(connection: Connection) -> Restored | None:
    """Return the last restore of this ledger, None if it never was."""
    value: Any = connection.execute(sa.select(t.meta.c.value).where(t.meta.c.key == _KEY)).scalar_one_or_none()
    if value is None:
        return None
    trusted_at = value.get("trusted_at")
    return Restored(
        datetime.fromisoformat(value["backup_of"]),
        datetime.fromisoformat(value["at"]),
        value.get("trusted_by"),
        datetime.fromisoformat(trusted_at) if trusted_at else None,
    )


def is_distrusted(connection: Connection) -> bool:
    """Say whether the ledger was restored and nobody has said yet that it is complete."""
    last = restored(connection)
    return last is not None and last.trusted_at is None


def distrust(connection: Connection, backup_of: datetime, now: datetime) -> None:
    """Remember that the ledger was restored; from now on every new item is `find_first`."""
    connection.execute(sa.delete(t.meta).where(t.meta.c.key == _KEY))
    value = {"backup_of": backup_of.isoformat(), "at": now.isoformat()}
    connection.execute(sa.insert(t.meta).values(key=_KEY, value=value, changed_at=now))


def trust(database: Database, who: str) -> Restored:
    """Say that everything committed since the backup is in the ledger; new items are entered without asking again.

    Items that wait already stay `find_first`, because asking costs little and a second record much; one that a person
    gives back to the bots after this is entered without asking.

    Raises:
        UserError: the ledger was not restored, or is trusted already.
    """
    with database.write() as connection:
        connection.execute(sa.select(t.meta.c.key).where(t.meta.c.key == _KEY).with_for_update(key_share=True))
        last = restored(connection)
        if last is None:
            raise UserError("the ledger was never restored from a backup: there is nothing to trust")
        if last.trusted_at is not None:
            raise UserError(f"{last.trusted_by} trusted the ledger at {last.trusted_at:%Y-%m-%d %H:%M} UTC already")
        now = database.clock.now()
        said = {"trusted_by": who, "trusted_at": now.isoformat()}
        value = {"backup_of": last.backup_of.isoformat(), "at": last.at.isoformat(), **said}
        connection.execute(sa.update(t.meta).where(t.meta.c.key == _KEY).values(value=value, changed_at=now))
        record_event(connection, database.clock, "ledger.trusted", who, backup_of=last.backup_of.isoformat())
        return Restored(last.backup_of, last.at, who, now)
