"""Opens runs: definition, run and items in one transaction; the same reference or slot twice is one."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.definition import Workflow
from engine.ledger import tables as t
from engine.ledger.apps import remember_limits
from engine.ledger.database import Database, insert_new, one_at_a_time
from engine.ledger.enqueue import (
    Followers,
    NewItem,
    OpenedRun,
    RejectedInput,
    counts,
    insert_items,
    item_row,
    keep_rejected,
    payload_hash,
)
from engine.ledger.trust import is_distrusted
from engine.snapshot import Snapshot

__all__ = ["NewItem", "OpenedRun", "RejectedInput", "payload_hash"]


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
    common = {
        "priority": workflow.priority if priority is None else priority,
        "due_at": run["due_at"] or t.NEVER,
        "find_first": is_distrusted(connection),
    }
    rows = [item_row(item, workflow, run_id, now, draws.random()) | common for item in items]
    report = insert_items(connection, database, workflow, run_id, items, rows, rejected=len(rejected))
    keep_rejected(connection, database, workflow, run_id, rejected, trigger)
    connection.execute(sa.update(t.runs).where(t.runs.c.id == run_id).values(counts=counts(report)))
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


def followers_of(database: Database, run_ids: Sequence[int]) -> list[int]:
    """Return the runs that items of these runs opened when they passed, oldest first."""
    by = [_followed(run_id) for run_id in run_ids]
    with database.read() as connection:
        return list(
            connection.execute(sa.select(t.runs.c.id).where(t.runs.c.trigger.in_(by)).order_by(t.runs.c.id)).scalars()
        )


def open_following(connection: Connection, database: Database, run_id: int, found: Followers) -> int | None:
    """Enqueue what an item of a run hands on, in the transaction that settles the item; return the run it opened."""
    if not found.items and not found.rejected:
        return None
    opened = open_run_within(
        connection, database, found.workflow, found.items, trigger=_followed(run_id), rejected=found.rejected
    )
    return opened.run_id


def _followed(run_id: int) -> str:
    return f"run {run_id}"


def reopen_run(connection: Connection, run_id: int) -> None:
    """Take a run up again because one of its items was re-opened; its audit will be made anew."""
    connection.execute(
        sa.update(t.runs)
        .where(t.runs.c.id == run_id)
        .values(
            state="open",
            finished_at=None,
            audit_at=None,
            audit_owner=None,
            audit_lease_until=None,
            prune_at=t.UNKNOWN,
            prune_from=0,
        )
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


def newest_definitions(database: Database) -> dict[str, str]:
    """Return the name of every workflow that ran, with the hash of the definition that its newest run pinned."""
    newest = sa.select(sa.func.max(t.runs.c.id)).where(t.runs.c.kind == "entry").group_by(t.runs.c.workflow)
    query = sa.select(t.runs.c.workflow, t.runs.c.definition_hash).where(t.runs.c.id.in_(newest))
    with database.read() as connection:
        return {row.workflow: row.definition_hash for row in connection.execute(query)}


def pinned_snapshot(database: Database, definition_hash: str) -> Snapshot:
    """Return the texts that a run pinned."""
    with database.read() as connection:
        query = sa.select(t.definitions.c.snapshot).where(t.definitions.c.hash == definition_hash)
        return Snapshot(**connection.execute(query).scalar_one())
