"""What a person accepts is handed on as what passed is: in the transaction of the decision, all of it, once."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.definition import Workflow
from engine.errors import BusinessException, UserError
from engine.intake import followers
from engine.ledger import tables as t
from engine.ledger.database import Database
from engine.ledger.runs import open_following


def hand_on(connection: Connection, database: Database, item: Any, workflow: Workflow) -> int | None:
    """Hand on the output of an item that waited for a person; return the run that was opened, if any.

    What a workflow followed knows already is not enqueued again.

    Raises:
        UserError: its newest attempt ended without the output that is to be handed on.
    """
    follow = workflow.follow
    if follow is None:
        return None
    query = sa.select(t.attempts.c.outcome, t.attempts.c.read_back).where(t.attempts.c.item_id == item.id)
    attempt = connection.execute(query.order_by(t.attempts.c.id.desc()).limit(1)).first()
    if attempt is not None and attempt.outcome == "passed":
        return None  # it was handed on when it passed, and overruled since
    try:
        found = followers(workflow, item.reference, dict(attempt.read_back or {}) if attempt is not None else {})
    except BusinessException:
        raise UserError(
            f"item {item.id} has no output to hand on to {follow.workflow} ({item.reason}): accepting it would lose "
            f'its rows. Mend the cause, then `runner.py items retry {item.id} --reason "…"`; or reject it'
        ) from None
    return None if found is None else open_following(connection, database, item.run_id, found)
