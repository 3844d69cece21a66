"""What the watch over drift reads, a page at a time, and what it remembers between looks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.ledger import tables as t
from engine.ledger.database import Database, insert_new
from engine.ledger.labels import CANARY

PAGE = 2_000
_NO_TRY = ("released", "orphaned")
"""Outcomes that say nothing about bot or application: the worker stopped or died."""


@dataclass(frozen=True)
class Entered:
    """One record as a source gave it."""

    run_id: int
    draw: float
    payload: Mapping[str, Any]
    invalid: tuple[str, ...] | None
    """The fields that break the record contract; None for a valid record."""
    day: date


@dataclass(frozen=True)
class Worked:
    """One attempt that ended, with its verdict if it came to one."""

    attempt_id: int
    first: bool
    worker: str
    bot_version: str | None
    error_kind: str | None
    error_code: str | None
    step: str | None
    """The last step that was taken."""
    payload: Mapping[str, Any]
    read_back: Mapping[str, Any] | None
    findings: Sequence[Mapping[str, Any]]
    probability: float | None
    model: str | None
    model_version: str | None
    pins: Mapping[str, str]
    day: date


@dataclass(frozen=True)
class Audited:
    """What a person found in an output that had passed."""

    review_id: int
    wrong: bool
    model: tuple[str, str] | None
    """Name and version of the model that had passed it."""


def entered(database: Database, workflow: str, after: tuple[int, float]) -> list[Entered]:
    """Return up to 2,000 records that were enqueued after a run and draw, by run and then in random order.

    A source's invalid records are enqueued behind its valid ones; the audit draw mixes them. A draw of 1 is behind all
    records of the run.
    """
    run_id, draw = after
    started = t.runs.c.id > run_id if draw >= 1 else t.runs.c.id >= run_id  # asked twice a minute: no end of a run
    source = t.verdicts.alias("source")
    later = sa.or_(t.items.c.run_id > run_id, sa.and_(t.items.c.run_id == run_id, t.items.c.audit_draw > draw))
    query = (
        sa.select(
            t.items.c.run_id, t.items.c.audit_draw, t.items.c.payload, t.items.c.created_at, source.c.findings,
            sa.or_(t.items.c.erased_at.is_not(None), t.items.c.pruned_at.is_not(None)).label("gone"),
        )
        .join(t.runs, t.runs.c.id == t.items.c.run_id)
        .outerjoin(source, sa.and_(source.c.item_id == t.items.c.id, source.c.attempt_id.is_(None)))
        .where(t.runs.c.workflow == workflow, started, later)
        .where(t.items.c.corrects_item_id.is_(None), t.runs.c.kind != CANARY)
        .order_by(t.items.c.run_id, t.items.c.audit_draw)
        .limit(PAGE)
    )  # fmt: skip
    with database.read() as connection:
        return [
            Entered(
                row.run_id,
                row.audit_draw,
                {} if row.gone else row.payload,
                _invalid(row.findings),
                row.created_at.date(),
            )
            for row in connection.execute(query)
        ]


def _invalid(findings: Sequence[Mapping[str, Any]] | None) -> tuple[str, ...] | None:
    broken = [one for one in findings or () if one["check"] == "source"]
    return tuple(dict.fromkeys(one.get("field") or "" for one in broken)) if broken else None


def worked(
    database: Database, workflow: str, after: int, waiting: Sequence[int]
) -> tuple[list[Worked], list[int], int]:
    """Return attempts that ended: those after an id and those that were still going on, by id.

    Returns:
        The attempts, the ids of those that go on, and the largest id that was looked at.
    """
    query = (
        sa.select(
            t.attempts.c.id, t.attempts.c.fence, t.attempts.c.worker, t.attempts.c.ended_at, t.attempts.c.outcome,
            t.attempts.c.error_kind, t.attempts.c.error_code, t.attempts.c.steps, t.attempts.c.read_back,
            t.items.c.payload, t.items.c.created_at, t.verdicts.c.findings, t.verdicts.c.probability,
            t.verdicts.c.model, t.verdicts.c.model_version, t.scopes.c.pins, t.workers.c.version,
            sa.or_(t.items.c.erased_at.is_not(None), t.items.c.pruned_at.is_not(None)).label("gone"),
        )
        .join(t.items, t.items.c.id == t.attempts.c.item_id)
        .join(t.runs, t.runs.c.id == t.items.c.run_id)
        .outerjoin(t.verdicts, t.verdicts.c.attempt_id == t.attempts.c.id)
        .outerjoin(t.scopes, t.scopes.c.hash == t.verdicts.c.scope)
        .outerjoin(t.workers, t.workers.c.name == t.attempts.c.worker)
        .where(t.attempts.c.workflow == workflow)
        .where(sa.or_(t.attempts.c.id > after, t.attempts.c.id.in_(list(waiting))))
        .where(t.items.c.corrects_item_id.is_(None), t.runs.c.kind != CANARY)
        .order_by(t.attempts.c.id)
        .limit(PAGE)
    )  # fmt: skip
    with database.read() as connection:
        rows = connection.execute(query).all()
    found = [_worked(row) for row in rows if row.ended_at is not None and row.outcome not in _NO_TRY]
    return found, [row.id for row in rows if row.ended_at is None], max([after, *(row.id for row in rows)])


def _worked(row: Any) -> Worked:
    steps = row.steps or []
    return Worked(
        attempt_id=row.id,
        first=row.fence == 1,
        worker=row.worker,
        bot_version=row.version,
        error_kind=row.error_kind,
        error_code=row.error_code,
        step=steps[-1].get("step") if steps else None,
        payload={} if row.gone else row.payload,
        read_back=None if row.gone else row.read_back,
        findings=row.findings or (),
        probability=row.probability,
        model=row.model,
        model_version=row.model_version,
        pins=row.pins or {},
        day=row.created_at.date(),
    )


def audited(database: Database, workflow: str, after: int) -> list[Audited]:
    """Return what people decided on audited outputs after a review; of two who looked at one, only the first counts."""
    of_workflow = sa.func.coalesce(t.items.c.workflow, "") == workflow  # by an index of items all of them would be read
    first = t.reviews.alias("first")
    again = sa.exists().where(
        first.c.item_id == t.reviews.c.item_id,
        first.c.attempt_id == t.reviews.c.attempt_id,
        first.c.id < t.reviews.c.id,
    )
    query = (
        sa.select(t.reviews.c.id, t.reviews.c.decision, t.verdicts.c.model, t.verdicts.c.model_version)
        .join(t.items, t.items.c.id == t.reviews.c.item_id)
        .join(t.runs, t.runs.c.id == t.items.c.run_id)
        .outerjoin(t.verdicts, t.verdicts.c.attempt_id == t.reviews.c.attempt_id)
        .where(of_workflow, t.items.c.audited, t.reviews.c.id > after, ~again)
        .where(sa.func.coalesce(t.items.c.corrects_item_id, 0) == 0, t.runs.c.kind != CANARY)
        .order_by(t.reviews.c.id)
        .limit(PAGE)
    )
    with database.read() as connection:
        return [
            Audited(row.id, row.decision != "accept", (row.model, row.model_version) if row.model else None)
            for row in connection.execute(query)
        ]


def _key(workflow: str) -> str:
    return f"drift {hashlib.sha256(workflow.encode()).hexdigest()[:40]}"


def remembered(database: Database, workflow: str) -> dict[str, Any] | None:
    """Return what the last look at a workflow left; None before the first."""
    query = sa.select(t.meta.c.value).where(t.meta.c.key == _key(workflow))
    with database.read() as connection:
        value: dict[str, Any] | None = connection.execute(query).scalar_one_or_none()
        return value


def remember(
    connection: Connection, database: Database, workflow: str, value: Mapping[str, Any], looks: int | None
) -> bool:
    """Keep what a look leaves, in the caller's transaction; False if another process has looked since.

    Args:
        connection: the transaction.
        database: the ledger.
        workflow: its name.
        value: what to keep; its `looks` is the number of the look.
        looks: number of the look that this one started from; None if there was none.
    """
    now, mine = database.clock.now(), t.meta.c.key == _key(workflow)
    row = {"key": _key(workflow), "value": dict(value), "changed_at": now}
    if looks is None:
        return bool(insert_new(connection, t.meta, [row], t.meta.c.key))
    known = connection.execute(sa.select(t.meta.c.value).where(mine).with_for_update(key_share=True)).scalar_one()
    if known["looks"] != looks:
        return False
    connection.execute(sa.update(t.meta).where(mine).values(value=dict(value), changed_at=now))
    return True
