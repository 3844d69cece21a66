"""Looks that cost something: one each time a workflow's verdicts have doubled, by whichever process comes first.

Whoever tests again and again has to spend its error over the looks; the number of a look is therefore kept, and a look
is counted only once, in the transaction that acts on what was seen.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.ledger import tables as t
from engine.ledger.database import Database, insert_new


@dataclass(frozen=True)
class Look:
    """A look that is due."""

    key: str
    number: int
    """1 for the first."""
    verdicts: int
    """How many there are now."""
    newest: int
    """Largest id of a verdict, of whatever workflow."""


def due_look(database: Database, kind: str, workflow: str, *, first: int) -> Look | None:
    """Return the look that is due, or None.

    Args:
        database: the ledger.
        kind: what is looked at.
        workflow: whose verdicts count.
        first: how many verdicts the first look needs; each later one needs twice as many as the last.
    """
    key = f"look {hashlib.sha256(f'{kind} {workflow}'.encode()).hexdigest()[:40]}"
    of_workflow = t.verdicts.c.item_id.in_(sa.select(t.items.c.id).where(t.items.c.workflow == workflow))
    with database.read() as connection:
        value = connection.execute(sa.select(t.meta.c.value).where(t.meta.c.key == key)).scalar_one_or_none()
        last = value or {"number": 0, "verdicts": first / 2, "newest": 0}
        newest = connection.execute(sa.select(sa.func.max(t.verdicts.c.id))).scalar_one() or 0
        if newest - last["newest"] < last["verdicts"]:
            return None  # what is asked every half minute must not count a million rows
        counted = sa.select(sa.func.count()).select_from(t.verdicts).where(of_workflow)
        verdicts = int(connection.execute(counted).scalar_one())
    return Look(key, last["number"] + 1, verdicts, newest) if verdicts >= 2 * last["verdicts"] else None


def end_look(connection: Connection, database: Database, look: Look) -> bool:
    """Count a look in the caller's transaction; False if another process has counted it already."""
    value = {"number": look.number, "verdicts": look.verdicts, "newest": look.newest}
    row = {"key": look.key, "value": value, "changed_at": database.clock.now()}
    if look.number == 1 and insert_new(connection, t.meta, [row], t.meta.c.key):
        return True
    mine = t.meta.c.key == look.key
    last = connection.execute(sa.select(t.meta.c.value).where(mine).with_for_update(key_share=True)).scalar_one()
    if last["number"] >= look.number:
        return False
    connection.execute(sa.update(t.meta).where(mine).values(value=value, changed_at=row["changed_at"]))
    return True
