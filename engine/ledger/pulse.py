"""Has anything happened? A few looks at the ends of indexes, however large the ledger."""

from __future__ import annotations

import sqlalchemy as sa

from engine.ledger import tables as t
from engine.ledger.audit_reads import counters
from engine.ledger.database import Database

_GROWING = (t.runs.c.id, t.items.c.id, t.attempts.c.id, t.verdicts.c.id, t.events.c.id, t.incidents.c.closed_at)


def pulse(database: Database) -> str:
    """Return a text that changes when runs, items, attempts, verdicts, decisions or incidents do."""
    newest = [sa.select(sa.func.max(column)).scalar_subquery() for column in _GROWING]
    with database.read() as connection:
        row = connection.execute(sa.select(*newest)).one()
    return f"{' '.join(map(str, row))} {counters(database)}"


def waiting_by_workflow(database: Database) -> dict[str, int]:
    """Return how many items of each workflow wait for a person; canaries count, or a person could tell them."""
    query = sa.select(t.items.c.workflow, sa.func.count()).where(t.WAITS_FOR_PERSON).group_by(t.items.c.workflow)
    with database.read() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}
