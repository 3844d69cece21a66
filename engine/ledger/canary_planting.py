"""Plants canaries: writes the rows of items that look as if a worker had just left them, as many as may wait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.ledger import tables as t
from engine.ledger.canary_reads import WINDOW, balance_within, may_be_copied
from engine.ledger.database import Database, insert_new, one_at_a_time, record_event
from engine.ledger.enqueue import payload_hash
from engine.ledger.labels import CANARY
from engine.ports import Verdict


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
        balance = balance_within(connection, workflow, now - WINDOW)
        room = balance.room if share is None else balance.owed(share)
        copied = {canary.original for canary in canaries}
        whole = sa.select(t.items).where(t.items.c.id.in_(copied), may_be_copied())
        # one that somebody decides about just now is left alone: waiting for it could be waiting for each other
        locked = whole.with_for_update(skip_locked=True, key_share=True)
        rows = {row.id: row for row in connection.execute(locked)}
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
