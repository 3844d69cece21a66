"""Who looks at which item: a claim of a few minutes, so that two people never judge the same one unknowingly.

It is a courtesy among people, not a lock of the item: what decides about a decision is `reviews`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.ledger import console_tables as t
from engine.ledger.database import Database, insert_new

HELD = timedelta(minutes=5)


@dataclass(frozen=True)
class ReviewClaim:
    """One person looking at one item."""

    item_id: int
    reviewer: str
    since: datetime
    until: datetime


def take(connection: Connection, database: Database, item_id: int, reviewer: str) -> ReviewClaim:
    """Take an item, or hold it longer; return who holds it now, which is somebody else where it was taken.

    The row is locked until the transaction ends, so that what is decided under a claim is decided by one.
    """
    now, c = database.clock.now(), t.review_claims.c
    row = {"item_id": item_id, "reviewer": reviewer, "since": now, "until": now + HELD}
    if insert_new(connection, t.review_claims, [row], c.item_id):
        return ReviewClaim(**row)  # type: ignore[arg-type]
    held = connection.execute(sa.select(t.review_claims).where(c.item_id == item_id).with_for_update()).first()
    if held is None:
        return take(connection, database, item_id, reviewer)  # let go of since it was in the way
    if held.reviewer != reviewer and held.until > now:
        return ReviewClaim(**held._asdict())
    row["since"] = held.since if held.reviewer == reviewer and held.until > now else now
    connection.execute(sa.update(t.review_claims).where(c.item_id == item_id).values(**row))
    return ReviewClaim(**row)  # type: ignore[arg-type]


def release(connection: Connection, item_id: int, reviewer: str) -> None:
    """Let go of an item."""
    ours = sa.and_(t.review_claims.c.item_id == item_id, t.review_claims.c.reviewer == reviewer)
    connection.execute(sa.delete(t.review_claims).where(ours))


def held(
    database: Database, item_ids: Collection[int] | None = None, *, but_of: str | None = None
) -> dict[int, ReviewClaim]:
    """Return the claims that hold, by item; only of these items, and not those of one person, if given."""
    c = t.review_claims.c
    query = sa.select(t.review_claims).where(c.until > database.clock.now())
    if item_ids is not None:
        query = query.where(c.item_id.in_(item_ids))
    if but_of is not None:
        query = query.where(c.reviewer != but_of)
    with database.read() as connection:
        return {row.item_id: ReviewClaim(**row._asdict()) for row in connection.execute(query)}
