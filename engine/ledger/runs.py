"""Opens runs: definition, run and items in one transaction; the same reference or slot twice is one."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.definition import Snapshot, Workflow
from engine.ledger import tables as t
from engine.ledger.apps import remember_limits
from engine.ledger.database import Database, insert_new, one_at_a_time, record_event
from engine.values import Record, encode

_CHUNK = 500
"""References asked for in one statement; databases limit the parameters of one."""


@dataclass(frozen=True)
class NewItem:
    """A work item to enqueue: its business key, its data, and where it was read."""

    reference: str
    payload: Record
    origin: str
    problems: tuple[str, ...] = ()
    """Why the data is invalid; such an item goes straight to a person, no browser opens for it."""
    corrects: int | None = None
    """The item whose record in the application this one corrects."""
    record_url: str | None = None


@dataclass(frozen=True)
class RejectedInput:
    """A row of the source that no item could be made of; it is kept as an event, never dropped."""

    origin: str
    problems: tuple[str, ...]
    raw: Mapping[str, Any]


@dataclass(frozen=True)
class OpenedRun:
    """What enqueuing did."""

    run_id: int
    created: bool
    """False if the slot already had its run: nothing was added."""
    enqueued: int = 0
    invalid: int = 0
    rejected: int = 0
    already_known: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    """Known references that came again with other data; reported as events, the first data stand."""


def payload_hash(payload: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the canonical JSON of an encoded payload."""
    text = json.dumps(payload, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def open_run(
    database: Database,
    workflow: Workflow,
    items: Sequence[NewItem],
    *,
    trigger: str,
    rejected: Sequence[RejectedInput] = (),
    slot: str | None = None,
    kind: str = "entry",
    seed: int | None = None,
    priority: int | None = None,
    due_at: datetime | None = None,
) -> OpenedRun:
    """Enqueue a run and its items in one transaction.

    Args:
        database: the ledger.
        workflow: the definition that the run pins.
        items: the work items; references already in the ledger are not added again.
        trigger: who or what started the run.
        rejected: rows of the source that no item could be made of.
        slot: the planned fire time of a schedule; a second run for it is not opened.
        kind: `entry`, or `correction` for runs that mend records.
        seed: of the audit sample; drawn here, and logged, if not given.
        priority: larger is claimed first; the workflow's own if not given.
        due_at: the deadline; by default the definition's `time.due` from now.
    """
    with database.write() as connection:
        return open_run_within(
            connection,
            database,
            workflow,
            items,
            trigger=trigger,
            rejected=rejected,
            slot=slot,
            kind=kind,
            seed=seed,
            priority=priority,
            due_at=due_at,
        )


def open_run_within(
    connection: Connection,
    database: Database,
    workflow: Workflow,
    items: Sequence[NewItem],
    *,
    trigger: str,
    rejected: Sequence[RejectedInput] = (),
    slot: str | None = None,
    kind: str = "entry",
    seed: int | None = None,
    priority: int | None = None,
    due_at: datetime | None = None,
) -> OpenedRun:
    """Do what `open_run` does, inside a transaction that does more."""
    seed = random.SystemRandom().randrange(2**53) if seed is None else seed
    now = database.clock.now()
    one_at_a_time(connection, f"enqueue {workflow.name}")  # two that add the same references would wait for each other
    insert_new(connection, t.definitions, [_definition_row(workflow, now)], t.definitions.c.hash)
    run: dict[str, Any] = {
        "workflow": workflow.name,
        "app": workflow.app.name,
        "definition_hash": workflow.hash,
        "kind": kind,
        "trigger": trigger,
        "slot": slot,
        "state": "open",
        "seed": seed,
        "counts": {},
        "created_at": now,
        "due_at": due_at or (now + workflow.time.due if workflow.time.due else None),
    }
    opened = insert_new(connection, t.runs, [run], t.runs.c.id)
    if not opened:
        known = sa.select(t.runs.c.id).where(t.runs.c.workflow == workflow.name, t.runs.c.slot == slot)
        return OpenedRun(connection.execute(known).scalar_one(), created=False)
    run_id = int(opened[0].id)
    draws = random.Random(seed)  # noqa: S311 - a logged, repeatable draw is the point
    common = {"priority": workflow.priority if priority is None else priority, "due_at": run["due_at"] or t.NEVER}
    rows = [_item_row(item, workflow, run_id, now, draws.random()) | common for item in items]
    report = _insert_items(connection, database, workflow, run_id, items, rows, rejected=len(rejected))
    for row in rejected:
        record_event(connection, database.clock, "source.rejected", trigger, run_id=run_id, **encode(asdict(row)))
    connection.execute(sa.update(t.runs).where(t.runs.c.id == run_id).values(counts=_counts(report)))
    remember_limits(connection, workflow.app, now)
    if report.enqueued == 0:
        finish_run_if_done(connection, database, run_id)
    return report


def _definition_row(workflow: Workflow, now: datetime) -> dict[str, Any]:
    return {
        "hash": workflow.hash,
        "workflow": workflow.name,
        "snapshot": asdict(workflow.snapshot),
        "created_at": now,
    }


def _counts(report: OpenedRun) -> dict[str, int]:
    return {
        "enqueued": report.enqueued,
        "invalid": report.invalid,
        "rejected": report.rejected,
        "already_known": len(report.already_known),
        "conflicts": len(report.conflicts),
    }


def _item_row(item: NewItem, workflow: Workflow, run_id: int, now: datetime, draw: float) -> dict[str, Any]:
    payload = encode(item.payload)
    return {
        "run_id": run_id,
        "workflow": workflow.name,
        "reference": item.reference,
        "app": workflow.app.name,
        "payload": payload,
        "payload_hash": payload_hash(payload),
        "origin": item.origin,
        "state": "review" if item.problems else "ready",
        "reason": "invalid_input" if item.problems else None,
        "fence": 0,
        "available_at": now,
        "failures": 0,
        "record_url": item.record_url,
        "audit_draw": draw,
        "audited": False,
        "corrects_item_id": item.corrects,
        "created_at": now,
        "closed_at": now if item.problems else None,
    }


def _insert_items(
    connection: Connection,
    database: Database,
    workflow: Workflow,
    run_id: int,
    items: Sequence[NewItem],
    rows: Sequence[dict[str, Any]],
    *,
    rejected: int,
) -> OpenedRun:
    first: dict[str, int] = {}
    for index, row in enumerate(rows):
        first.setdefault(row["reference"], index)
    unique = [rows[index] for index in first.values()]
    inserted = insert_new(connection, t.items, unique, t.items.c.id, t.items.c.reference)
    added = {row.reference: int(row.id) for row in inserted}
    known = [row for n, row in enumerate(rows) if row["reference"] not in added or first[row["reference"]] != n]
    conflicts = _conflicts(connection, database, run_id, known)
    invalid = [items[n] for reference, n in first.items() if reference in added and items[n].problems]
    for item in invalid:
        findings = [_source_finding(text, workflow) for text in item.problems]
        connection.execute(
            sa.insert(t.verdicts).values(
                item_id=added[item.reference],
                decision="review",
                findings=findings,
                definition_hash=workflow.hash,
                created_at=database.clock.now(),
            )
        )
    return OpenedRun(
        run_id,
        created=True,
        enqueued=len(added) - len(invalid),
        invalid=len(invalid),
        rejected=rejected,
        already_known=tuple(row["reference"] for row in known),
        conflicts=tuple(conflicts),
    )


def _source_finding(problem: str, workflow: Workflow) -> dict[str, Any]:
    """Return what is wrong with a record's source as a finding, under its field if it names one."""
    place, sign, _ = problem.partition(":")
    name = place.partition("[")[0]
    known = {"field": name} if sign and name in workflow.fields else {}
    return {"check": "source", "code": "invalid_input", "message": problem, **known}


def _conflicts(connection: Connection, database: Database, run_id: int, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    conflicts = []
    stored = _stored(connection, rows)
    for row in rows:
        known = stored[row["reference"]]
        if known.payload_hash != row["payload_hash"]:
            conflicts.append(str(row["reference"]))
            record_event(
                connection,
                database.clock,
                "source.conflict",
                "enqueue",
                run_id=run_id,
                item_id=known.id,
                origin=row["origin"],
                payload=row["payload"],
            )
    return conflicts


def _stored(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    stored: dict[str, Any] = {}
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        query = sa.select(t.items.c.id, t.items.c.reference, t.items.c.payload_hash).where(
            t.items.c.workflow == chunk[0]["workflow"],
            t.items.c.reference.in_([row["reference"] for row in chunk]),
        )
        stored.update({row.reference: row for row in connection.execute(query)})
    return stored


def finish_run_if_done(
    connection: Connection, database: Database, run_id: int, settle: timedelta = timedelta()
) -> bool:
    """Close a run whose last item ended; its audit becomes due when the application's settle time has passed."""
    # two workers that settle a run's last two items must not each take the other's for open
    connection.execute(sa.select(t.runs.c.id).where(t.runs.c.id == run_id).with_for_update(key_share=True))
    still_open = sa.select(t.items.c.id).where(t.items.c.run_id == run_id, t.IS_OPEN).limit(1)
    if connection.execute(still_open).first() is not None:
        return False
    now = database.clock.now()
    done = connection.execute(
        sa.update(t.runs)
        .where(t.runs.c.id == run_id, t.runs.c.state == "open")
        .values(state="auditing", finished_at=now, audit_at=now + settle)
        .returning(t.runs.c.id)
    ).first()
    return done is not None


def reopen_run(connection: Connection, run_id: int) -> None:
    """Take a run up again because one of its items was re-opened; its audit will be made anew."""
    connection.execute(
        sa.update(t.runs)
        .where(t.runs.c.id == run_id)
        .values(state="open", finished_at=None, audit_at=None, audit_owner=None, audit_lease_until=None)
    )


def close_corrected(connection: Connection, item_id: int | None, now: datetime) -> None:
    """Close the item whose correction came to a good end, and what that item was a correction of in turn."""
    while item_id is not None:
        item_id = connection.execute(
            sa.update(t.items)
            .where(t.items.c.id == item_id, t.items.c.state == "correcting")
            .values(state="corrected", closed_at=now)
            .returning(t.items.c.corrects_item_id)
        ).scalar_one_or_none()


def pinned_snapshot(database: Database, definition_hash: str) -> Snapshot:
    """Return the texts that a run pinned."""
    with database.read() as connection:
        query = sa.select(t.definitions.c.snapshot).where(t.definitions.c.hash == definition_hash)
        return Snapshot(**connection.execute(query).scalar_one())
