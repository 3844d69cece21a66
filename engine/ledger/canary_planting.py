"""Plants canaries: finds records that may be copied, keeps their share among what is reviewed, writes their rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.ledger import tables as t
from engine.ledger.canaries import WAITS
from engine.ledger.database import Database, insert_new, one_at_a_time, record_event
from engine.ledger.enqueue import payload_hash
from engine.ledger.labels import CANARY
from engine.ports import Verdict

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
class Canary:
    """What is to be planted; contents encoded."""

    original: int
    reference: str
    payload: Mapping[str, Any]
    read_back: Mapping[str, Any]
    record_url: str | None
    app_id: str | None
    verdict: Verdict
    error: str | None
    """The kind of mistake; None for a control."""
    fields: tuple[str, ...] = ()
    """The fields that carry it."""
    where: str | None = None
    """`payload and read-back`, or `read-back`."""


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


def originals(database: Database, workflow: str, limit: int = 1000) -> list[Original]:
    """Return records of a workflow that may be copied, newest first: let through, doubted by nobody, kept whole."""
    newest = sa.select(sa.func.max(t.attempts.c.id)).group_by(t.attempts.c.item_id)
    good = sa.or_(sa.and_(t.items.c.state == "passed", ~t.items.c.audited), t.items.c.state == "accepted")
    looked_at = sa.exists().where(t.second_reviews.c.item_id == t.items.c.id, t.second_reviews.c.decision != "accept")
    copied = sa.exists().where(t.canaries.c.copied_from == t.items.c.id)
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
        .where(good, ~looked_at, ~copied, t.items.c.erased_at.is_(None), t.items.c.pruned_at.is_(None))
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
    """Return the workflows of which something waits for a person."""
    with database.read() as connection:
        return list(connection.execute(sa.select(t.items.c.workflow).where(WAITS).distinct()).scalars())


def balance(database: Database, workflow: str) -> Balance:
    """Count real and planted work of a workflow."""
    with database.read() as connection:
        return _balance(connection, workflow, database.clock.now() - WINDOW)


def _balance(connection: Connection, workflow: str, since: datetime) -> Balance:
    def count(*where: sa.ColumnElement[bool]) -> int:
        query = sa.select(sa.func.count()).select_from(t.items).where(t.items.c.workflow == workflow, *where)
        return int(connection.execute(query).scalar_one())

    planted = sa.exists().where(t.items.c.id == _IDS)
    recent = sa.exists().where(t.items.c.id == _IDS, t.canaries.c.planted_at >= since)
    reviewed = sa.select(t.reviews.c.item_id).where(t.reviews.c.created_at >= since)
    return Balance(
        waiting=count(WAITS, ~planted),
        decided=count(t.items.c.id.in_(reviewed), ~planted),
        canaries_waiting=count(WAITS, planted),
        canaries=count(recent, t.items.c.state != "cancelled"),
    )


def plant(
    database: Database,
    workflow: str,
    definition_hash: str,
    canaries: Sequence[Canary],
    *,
    seed: int,
    who: str,
    share: float | None = None,
) -> list[int]:
    """Put canaries among what waits for a person; return the ids of those that there was room for.

    Args:
        database: the ledger.
        workflow: its name.
        definition_hash: the definition that their contents fit.
        canaries: what to plant, inspected already.
        seed: that they were drawn with; logged with their run.
        who: who plants them.
        share: no more than are owed at this share; None for as many as there is room for.
    """
    with database.write() as connection:
        one_at_a_time(connection, f"enqueue {workflow}")
        now = database.clock.now()
        balance = _balance(connection, workflow, now - WINDOW)
        room = balance.room if share is None else balance.owed(share)
        copied = {canary.original for canary in canaries}
        whole = sa.select(t.items).where(
            t.items.c.id.in_(copied), t.items.c.erased_at.is_(None), t.items.c.pruned_at.is_(None)
        )
        rows = {row.id: row for row in connection.execute(whole.with_for_update(key_share=True))}
        chosen = [canary for canary in canaries if canary.original in rows][:room]
        if not chosen:
            return []
        run_id = _open(connection, rows[chosen[0].original], definition_hash, seed, who, now)
        ids, at = [], now
        for canary in reversed(chosen):  # as if a worker had entered one after the other, the last one just now
            planted = _plant(connection, rows[canary.original], canary, run_id, definition_hash, who, at)
            if planted is not None:
                ids.append(planted[0])
                at = planted[1]
        record_event(connection, database.clock, "canaries.planted", who, run_id=run_id, n=len(ids), seed=seed)
        return ids


def _open(connection: Connection, original: Any, definition_hash: str, seed: int, who: str, now: datetime) -> int:
    run = {
        "workflow": original.workflow,
        "app": original.app,
        "definition_hash": definition_hash,
        "kind": CANARY,
        "trigger": who,
        "state": "done",
        "seed": seed,
        "counts": {},
        "created_at": now,
        "finished_at": now,
    }
    return int(connection.execute(sa.insert(t.runs).values(**run).returning(t.runs.c.id)).scalar_one())


def _plant(
    connection: Connection,
    original: Any,
    canary: Canary,
    run_id: int,
    definition_hash: str,
    who: str,
    ended: datetime,
) -> tuple[int, datetime] | None:
    """Write one canary as an item that a worker has just left; return its id and when its attempt began."""
    passed = canary.verdict.decision == "pass"
    finding = None if passed else canary.verdict.findings[0]
    last = sa.select(t.attempts).where(t.attempts.c.item_id == original.id).order_by(t.attempts.c.id.desc()).limit(1)
    worked = connection.execute(last).one()
    began = ended - ((worked.ended_at or worked.started_at) - worked.started_at)
    row = {
        **{name: getattr(original, name) for name in ("workflow", "app", "origin", "priority", "due_at", "audit_draw")},
        "run_id": run_id,
        "reference": canary.reference,
        "payload": dict(canary.payload),
        "payload_hash": payload_hash(canary.payload),
        "state": "passed" if passed else "review",
        "reason": finding.code if finding else None,
        "fence": 1,
        "available_at": began,
        "failures": 0,
        "record_url": canary.record_url,
        "app_id": canary.app_id,
        "audited": passed,
        "created_at": began,
        "closed_at": ended,
    }
    added = insert_new(connection, t.items, [row], t.items.c.id)
    if not added:
        return None
    item_id = int(added[0].id)
    attempt = {
        "item_id": item_id,
        "workflow": "",  # no measured time of the workflow's own
        "fence": 1,
        "worker": worked.worker,
        "started_at": began,
        "ended_at": ended,
        "outcome": "passed" if passed else "review",
        "message": finding.message if finding else None,
        "steps": worked.steps,
        "read_back": dict(canary.read_back),
    }
    attempt_id = connection.execute(sa.insert(t.attempts).values(**attempt).returning(t.attempts.c.id)).scalar_one()
    score = canary.verdict.score
    connection.execute(
        sa.insert(t.verdicts).values(
            item_id=item_id,
            attempt_id=attempt_id,
            decision=canary.verdict.decision,
            findings=[asdict(one) for one in canary.verdict.findings],
            probability=score.probability if score else None,
            threshold=score.threshold if score else None,
            model=score.model if score else None,
            model_version=score.version if score else None,
            definition_hash=definition_hash,
            created_at=ended,
        )
    )
    planted = {"error": canary.error, "fields": list(canary.fields), "where": canary.where}
    connection.execute(
        sa.insert(t.canaries).values(
            item_id=item_id, copied_from=original.id, planted=planted, planted_by=who, planted_at=ended
        )
    )
    return item_id, began


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
