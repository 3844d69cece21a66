"""Orders corrections: a work item of its own that makes the bot mend a record in the application."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.definition import Workflow
from engine.errors import UserError
from engine.ledger import tables as t
from engine.ledger.database import Database
from engine.ledger.runs import NewItem, open_run_within
from engine.values import Record, decode, encode


def mended(stored: dict[str, Any], changes: Record, workflow: Workflow) -> Record:
    """Return a record with these changes.

    Raises:
        UserError: it would not be valid.
    """
    try:
        return decode({**stored, **encode(changes)}, workflow.fields)
    except ValueError as error:
        raise UserError(f"the corrected record is still not valid: {error}; correct that field too") from error


def obstacle(connection: Connection, item: Any, workflow: Workflow | None) -> str | None:
    """Say why an item's record cannot be mended now and what to do; None if nothing is in the way.

    Without a definition: why it cannot be given to the bots again.
    """
    going = sa.select(t.items.c.id).where(t.items.c.corrects_item_id == item.id, t.IS_OPEN).limit(1)
    if (correction := connection.execute(going).scalar_one_or_none()) is not None:
        return f"item {correction}, a correction of item {item.id}, is still being worked on: wait until it ended"
    if workflow is None:
        return None
    if item.record_url is None and _may_exist(connection, item.id):
        return (
            f"the record of item {item.id} may exist without our knowing where; look in the application first, "
            "then accept, reject or re-open the item"
        )
    if item.record_url is not None and not workflow.correction:
        return f"{workflow.name} has no `correction:` steps: mend the record by hand, then accept item {item.id}"
    return None


def mend(
    connection: Connection, database: Database, item: Any, changes: Record, reviewer: str, workflow: Workflow
) -> tuple[int, int]:
    """Open the run of an item's correction; return the ids of the run and of its one item."""
    corrections = sa.select(sa.func.count()).where(t.items.c.corrects_item_id == item.id)
    new = NewItem(
        reference=f"{item.reference}#correction-{connection.execute(corrections).scalar_one() + 1}",
        payload=mended(item.payload, changes, workflow),
        origin=f"review of item {item.id} by {reviewer}",
        corrects=item.id,
        record_url=item.record_url,
    )
    kind = "entry" if item.record_url is None else "correction"
    trigger = f"review by {reviewer}"
    run = open_run_within(connection, database, workflow, [new], trigger=trigger, kind=kind, priority=10)
    new_id = connection.execute(sa.select(t.items.c.id).where(t.items.c.run_id == run.run_id)).scalar_one()
    return run.run_id, new_id


def _may_exist(connection: Connection, item_id: int) -> bool:
    """Say whether a commit of the item was confirmed, or may have landed unseen."""
    unclear = sa.or_(t.intents.c.outcome.is_(None), t.intents.c.outcome == "sent")
    query = sa.select(t.intents.c.id).where(t.intents.c.item_id == item_id, unclear).limit(1)
    return connection.execute(query).first() is not None
