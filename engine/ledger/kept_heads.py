"""Heads of proofs among the ledger's events, which are only ever added to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import sqlalchemy as sa

from engine.kept_heads import KeptHead, NewHead
from engine.ledger import tables as t
from engine.ledger.database import Database, record_event

KIND = "reconciliation.proven"


class Heads:
    """The heads that a ledger keeps (`bots.reconciliation.ports.Heads`)."""

    def __init__(self, database: Database) -> None:
        """Name the ledger."""
        self._database = database

    def keep(self, told: NewHead, who: str) -> None:
        """Keep the head of a proof, for good."""
        with self._database.write() as connection:
            record_event(connection, self._database.clock, KIND, who, **asdict(told))

    def __iter__(self) -> Iterator[KeptHead]:
        """Yield what is kept, newest first."""
        columns = (t.events.c.at, t.events.c.actor, t.events.c.data)
        query = sa.select(*columns).where(t.events.c.kind == KIND).order_by(t.events.c.id.desc())
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return (KeptHead(**row.data, at=row.at, by=row.actor) for row in rows)
