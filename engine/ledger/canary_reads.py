"""What planting canaries goes by: which records may be copied, what waits, what was planted so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.ledger import tables as t
from engine.ledger.database import Database

WINDOW = timedelta(days=30)
"""The time over which the share of canaries among what is reviewed is kept."""
MOST_WAITING = 0.2
"""Largest share of canaries among what waits for a person (one may always wait)."""
_IDS = t.canaries.c.item_id


@dataclass(frozen=True)
class Original:
    """A record that passed, as it was entered and read back; the contents as stored."""

    item_id: int
    reference: str
    payload: Mapping[str, Any]
    read_back: Mapping[str, Any]
    record_url: str | None
    app_id: str | None
    signals: Mapping[str, float]


@dataclass(frozen=True)
class Balance:
    """How canaries stand to real work, of one workflow."""

    waiting: int
    """Real items that wait for a person."""
    decided: int
    """Decisions about real items in the window."""
    canaries_waiting: int
    canaries: int
    """Planted in the window and not put away."""

    @property
    def room(self) -> int:
        """Return how many more may wait now."""
        return max(max(1, int(self.waiting * MOST_WAITING / (1 - MOST_WAITING))) - self.canaries_waiting, 0)

    def owed(self, share: float) -> int:
        """Return how many are to be planted so that they are this share of what is reviewed."""
        missing = int(share / (1 - share) * (self.decided + self.waiting)) - self.canaries
        return max(min(missing, self.room), 0) if self.waiting else 0


def may_be_copied() -> sa.ColumnElement[bool]:
    """Return the condition that an item was let through, is doubted by nobody, kept whole and not copied yet."""
    good = sa.or_(sa.and_(t.items.c.state == "passed", ~t.items.c.audited), t.items.c.state == "accepted")
    said = sa.func.coalesce(t.second_reviews.c.decision, "waits")  # what may still be found wrong is no good original
    looked_at = sa.exists().where(t.second_reviews.c.item_id == t.items.c.id, said != "accept")
    copied = sa.exists().where(t.canaries.c.copied_from == t.items.c.id)
    return sa.and_(good, ~looked_at, ~copied, t.items.c.erased_at.is_(None), t.items.c.pruned_at.is_(None))


def originals(database: Database, workflow: str, limit: int = 1000) -> list[Original]:
    """Return records of a workflow that may be copied, newest first: let through, doubted by nobody, kept whole."""
    newest = sa.select(sa.func.max(t.attempts.c.id)).group_by(t.attempts.c.item_id)
    query = (
        sa.select(
            *(t.items.c[name] for name in ("id", "reference", "payload", "record_url", "app_id")),
            t.attempts.c.read_back,
            t.verdicts.c.signals,
        )
        .join(t.runs, t.runs.c.id == t.items.c.run_id)
        .join(t.attempts, t.attempts.c.item_id == t.items.c.id)
        .join(t.verdicts, t.verdicts.c.attempt_id == t.attempts.c.id)
        .where(t.items.c.workflow == workflow, t.runs.c.kind == "entry", t.items.c.corrects_item_id.is_(None))
        .where(may_be_copied())
        .where(t.attempts.c.id.in_(newest.where(t.attempts.c.item_id == t.items.c.id).correlate(t.items)))
        .order_by(t.items.c.id.desc())
        .limit(limit)
    )
    with database.read() as connection:
        rows = connection.execute(query).all()
    return [
        Original(row.id, row.reference, row.payload, row.read_back, row.record_url, row.app_id, row.signals or {})
        for row in rows
        if row.read_back
    ]


def taken(database: Database, workflow: str, references: Collection[str]) -> set[str]:
    """Return those of the references that an item of the workflow has."""
    query = sa.select(t.items.c.reference).where(t.items.c.workflow == workflow, t.items.c.reference.in_(references))
    with database.read() as connection:
        return set(connection.execute(query).scalars())


def newest_definition(database: Database, workflow: str) -> str | None:
    """Return the hash of the definition that the workflow's newest run of entries pinned; None if there is none."""
    query = sa.select(t.runs.c.definition_hash).where(t.runs.c.workflow == workflow, t.runs.c.kind == "entry")
    with database.read() as connection:
        return connection.execute(query.order_by(t.runs.c.id.desc()).limit(1)).scalar_one_or_none()


def reviewed_workflows(database: Database) -> list[str]:
    """Return the workflows of which something real waits for a person."""
    with database.read() as connection:
        return sorted({workflow for workflow, planted in _waiting(connection) if not planted})


def balance(database: Database, workflow: str) -> Balance:
    """Count real and planted work of a workflow."""
    with database.read() as connection:
        return balance_within(connection, workflow, database.clock.now() - WINDOW)


def _waiting(connection: Connection) -> Counter[tuple[str, bool]]:
    """Count what waits, by workflow and by whether it is planted; counted here, as it is read in the index's order."""
    query = (
        sa.select(t.items.c.workflow, _IDS.is_not(None))
        .outerjoin(t.canaries, t.items.c.id == _IDS)
        .where(t.WAITS_FOR_PERSON)
        .order_by(t.items.c.closed_at, t.items.c.id)
    )
    return Counter((row[0], bool(row[1])) for row in connection.execute(query))


def balance_within(connection: Connection, workflow: str, since: datetime) -> Balance:
    """Count inside a transaction that does more; `since` is when the window began."""
    # the concatenation keeps databases from looking through all items of the workflow instead of the few reviewed ones
    mine = t.items.c.workflow.concat("") == workflow
    reviewed = sa.select(t.reviews.c.item_id).where(t.reviews.c.created_at >= since).distinct().subquery()
    decided = (
        sa.select(sa.func.count())
        .select_from(reviewed)
        .join(t.items, t.items.c.id == reviewed.c.item_id)
        .where(mine, ~sa.exists().where(t.items.c.id == _IDS))
    )
    new = sa.select(_IDS).where(t.canaries.c.planted_at >= since)
    planted = sa.select(sa.func.count()).where(mine, t.items.c.id.in_(new), t.items.c.state != "cancelled")
    waiting = _waiting(connection)
    return Balance(
        waiting=waiting[workflow, False],
        decided=int(connection.execute(decided).scalar_one()),
        canaries_waiting=waiting[workflow, True],
        canaries=int(connection.execute(planted).scalar_one()),
    )


@dataclass(frozen=True)
class CanaryRow:
    """One canary, for those who measure."""

    item_id: int
    workflow: str
    reference: str
    copied_from: int
    error: str | None
    fields: tuple[str, ...]
    where: str | None
    state: str
    """Of its item; `cancelled` if it was put away undecided."""
    planted_by: str
    planted_at: datetime


def listing(database: Database, workflow: str | None = None, limit: int = 1000) -> list[CanaryRow]:
    """List the canaries, newest first; only of a workflow, if given."""
    query = (
        sa.select(t.canaries, t.items.c.workflow, t.items.c.reference, t.items.c.state)
        .join(t.items, t.items.c.id == t.canaries.c.item_id)
        .order_by(t.canaries.c.item_id.desc())
        .limit(limit)
    )
    if workflow is not None:
        query = query.where(t.items.c.workflow == workflow)
    with database.read() as connection:
        rows = connection.execute(query).all()
    return [
        CanaryRow(
            item_id=row.item_id,
            workflow=row.workflow,
            reference=row.reference,
            copied_from=row.copied_from,
            error=row.planted["error"],
            fields=tuple(row.planted["fields"]),
            where=row.planted["where"],
            state=row.state,
            planted_by=row.planted_by,
            planted_at=row.planted_at,
        )
        for row in rows
    ]
