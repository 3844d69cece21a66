"""Adds work items to a run: the same reference twice is one item, and what came with other data is told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.definition import Workflow
from engine.ledger import canaries
from engine.ledger import tables as t
from engine.ledger.database import Database, insert_new, record_event
from engine.ledger.pseudonym import erased_among
from engine.ports import Finding
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
    hold: Finding | None = None
    """Why a person decides about good data before a browser opens."""
    corrects: int | None = None
    """The item whose record in the application this one corrects."""
    record_url: str | None = None


@dataclass(frozen=True)
class RejectedInput:
    """A row of the source that no item could be made of; it is kept as an event, never dropped."""

    origin: str
    problems: tuple[str, ...]
    raw: Mapping[str, Any]
    reference: str | None = None


@dataclass(frozen=True)
class Followers:
    """What an item's output is to the workflow that follows it."""

    workflow: Workflow
    items: Sequence[NewItem]
    rejected: Sequence[RejectedInput]


@dataclass(frozen=True)
class OpenedRun:
    """What enqueuing did."""

    run_id: int
    created: bool
    """False if the slot already had its run: nothing was added."""
    enqueued: int = 0
    invalid: int = 0
    held: int = 0
    rejected: int = 0
    already_known: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    """Known references that came again with other data; reported as events, the first data stand."""


def payload_hash(payload: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the canonical JSON of an encoded payload."""
    text = json.dumps(payload, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def counts(report: OpenedRun) -> dict[str, int]:
    """Return what enqueuing did, for the run's row."""
    return {
        "enqueued": report.enqueued,
        "invalid": report.invalid,
        "rejected": report.rejected,
        "already_known": len(report.already_known),
        "conflicts": len(report.conflicts),
        **({"held": report.held} if report.held else {}),
    }


def item_row(item: NewItem, workflow: Workflow, run_id: int, now: datetime, draw: float) -> dict[str, Any]:
    """Return a new item's row."""
    payload = encode(item.payload)
    waits = "invalid_input" if item.problems else item.hold.code if item.hold else None
    return {
        "run_id": run_id,
        "workflow": workflow.name,
        "reference": item.reference,
        "app": workflow.app.name,
        "payload": payload,
        "payload_hash": payload_hash(payload),
        "origin": item.origin,
        "state": "review" if waits else "ready",
        "reason": waits,
        "fence": 0,
        "available_at": now,
        "failures": 0,
        "record_url": item.record_url,
        "audit_draw": draw,
        "audited": False,
        "corrects_item_id": item.corrects,
        "created_at": now,
        "closed_at": now if waits else None,
    }


def insert_items(
    connection: Connection,
    database: Database,
    workflow: Workflow,
    run_id: int,
    items: Sequence[NewItem],
    rows: Sequence[dict[str, Any]],
    *,
    rejected: int,
) -> OpenedRun:
    """Insert the items whose references are new, in the run's transaction."""
    first: dict[str, int] = {}
    for index, row in enumerate(rows):
        first.setdefault(row["reference"], index)
    gone = erased_among(connection, workflow.name, first)
    unique = [rows[index] for reference, index in first.items() if reference not in gone]
    canaries.make_way(connection, workflow.name, first, database.clock.now())
    inserted = insert_new(connection, t.items, unique, t.items.c.id, t.items.c.reference)
    added = {row.reference: int(row.id) for row in inserted}
    known = [row for n, row in enumerate(rows) if row["reference"] not in added or first[row["reference"]] != n]
    conflicts = _conflicts(connection, database, run_id, [row for row in known if row["reference"] not in gone])
    new = [items[n] for reference, n in first.items() if reference in added]
    waiting = [item for item in new if item.problems or item.hold]
    invalid = sum(bool(item.problems) for item in waiting)
    for item in waiting:
        findings = [_finding(item.hold)] if item.hold else []
        findings += [_source_finding(text, workflow) for text in item.problems]
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
        enqueued=len(added) - len(waiting),
        invalid=invalid,
        held=len(waiting) - invalid,
        rejected=rejected,
        already_known=tuple(row["reference"] for row in known),
        conflicts=tuple(conflicts),
    )


def keep_rejected(
    connection: Connection,
    database: Database,
    workflow: Workflow,
    run_id: int,
    rejected: Sequence[RejectedInput],
    who: str,
) -> None:
    """Keep the rows that no item could be made of as events; of an erased reference only that it came."""
    gone = erased_among(connection, workflow.name, [row.reference for row in rejected if row.reference])
    for row in rejected:
        data = {key: value for key, value in encode(asdict(row)).items() if value is not None}
        if row.reference in gone:
            data = {"reference": gone[row.reference]}
        record_event(connection, database.clock, "source.rejected", who, run_id=run_id, **data)


def _finding(finding: Finding) -> dict[str, Any]:
    return {key: value for key, value in asdict(finding).items() if value is not None}


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
