"""Canaries: copies of records that passed, with a known error or with none, put among what people review.

They measure what reviewers miss. A canary is an item that is closed from the start, in a run of the kind `canary`: no
worker can claim it, no application sees it, no rate and no label counts it, and a decision on it is kept and has no
other effect. Lists and views show it under the run of the record that it was copied from.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.ledger import tables as t
from engine.ledger.database import Database

KEPT_FOR = timedelta(days=14)
"""How long a canary waits for a reviewer; then it is put away."""
_IDS = t.canaries.c.item_id


def is_canary(connection: Connection, item_id: int) -> bool:
    """Say whether an item is a canary."""
    return connection.execute(sa.select(_IDS).where(_IDS.in_([item_id]))).first() is not None


def shown_runs(connection: Connection, item_ids: Collection[int]) -> dict[int, int]:
    """Return, for the canaries among these items, the run of what they were copied from: the one to show."""
    query = sa.select(_IDS, t.items.c.run_id).join(t.items, t.items.c.id == t.canaries.c.copied_from)
    return {row.item_id: row.run_id for row in connection.execute(query.where(_IDS.in_(item_ids)))}


def expire(database: Database) -> int:
    """Put away the canaries that waited too long; return how many."""
    now = database.clock.now()
    old = sa.select(_IDS).where(t.canaries.c.planted_at < now - KEPT_FOR)
    query = sa.select(t.items.c.id).where(t.items.c.id.in_(old), t.WAITS_FOR_PERSON)
    with database.read() as connection:
        waiting = list(connection.execute(query).scalars())
    if not waiting:
        return 0
    with database.write() as connection:
        return _put_away(connection, waiting, now)


def of_originals(connection: Connection, item_ids: Collection[int]) -> list[int]:
    """Return the canaries that were copied from these items and still hold what they copied."""
    query = sa.select(_IDS).join(t.items, t.items.c.id == _IDS).where(t.items.c.erased_at.is_(None)).order_by(_IDS)
    query = query.where(t.canaries.c.copied_from.in_(item_ids))
    return list(connection.execute(query).scalars())


def put_away(connection: Connection, item_ids: Collection[int], now: datetime) -> None:
    """Let the canaries among these items wait no longer."""
    planted = sa.select(_IDS).where(_IDS.in_(item_ids))
    _put_away(connection, list(connection.execute(planted).scalars()), now)


def _put_away(connection: Connection, item_ids: Collection[int], now: datetime) -> int:
    locked = sa.select(t.items.c.id).where(t.items.c.id.in_(item_ids), t.WAITS_FOR_PERSON).order_by(t.items.c.id)
    waiting = list(connection.execute(locked.with_for_update(key_share=True)).scalars())
    update = sa.update(t.items).where(t.items.c.id.in_(waiting))
    connection.execute(update.values(state="cancelled", closed_at=now))
    return len(waiting)


def make_way(connection: Connection, workflow: str, references: Collection[str], now: datetime) -> None:
    """Rename the canaries whose made-up references have come for real, before the real items are added."""
    of_workflow = sa.select(t.items.c.id, t.items.c.reference).join(t.canaries, t.items.c.id == _IDS)
    rows = connection.execute(of_workflow.where(t.items.c.workflow == workflow)).all()
    met = [row for row in rows if row.reference in references]
    for row in met:
        name = f"{row.reference}#canary-{row.id}"
        connection.execute(sa.update(t.items).where(t.items.c.id == row.id).values(reference=name))
    if met:
        _put_away(connection, [row.id for row in met], now)
