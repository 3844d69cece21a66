"""What the parts of the rolling reconciliation in the ledger share: the place they work in, and rows as facts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.clock import Clock
from engine.ledger import reconciliation_tables as t
from engine.open_items import FACTS, Facts, OpenLine

Value = TypeVar("Value")
_MOST = 5_000
"""Values in one question; both databases take some ten thousand."""


@dataclass(frozen=True)
class Ledgered:
    """One reconciliation within one transaction; in a writing one, its row is locked."""

    connection: Connection
    clock: Clock
    id: int
    revision: int
    limits: Mapping[str, int]

    def of(self, table: sa.Table) -> sa.ColumnElement[bool]:
        """Return the condition that a row is of this reconciliation."""
        return table.c.reconciliation_id == self.id

    def decide(self, verb: str, actor: str, reason: str, match_id: int | None = None, **data: Any) -> None:
        """Append a decision."""
        row: dict[str, Any] = {"match_id": match_id, "verb": verb, "actor": actor, "reason": reason, "data": data}
        row |= {"reconciliation_id": self.id, "at": self.clock.now()}
        self.connection.execute(sa.insert(t.recon_decisions).values(row))


def chunks(values: Iterable[Value]) -> Iterator[list[Value]]:
    """Cut values into lists that one question can hold."""
    rest = iter(values)
    while part := list(islice(rest, _MOST)):
        yield part


def facts_of(row: Any) -> Facts:
    """Return what a line says."""
    return Facts(*(getattr(row, name) for name in FACTS))


def open_line(row: Any) -> OpenLine:
    """Return a line as people see it."""
    return OpenLine(
        id=row.id,
        side=row.side,
        facts=facts_of(row),
        state=row.state,
        occurrence=row.occurrence,
        match_id=row.match_id,
        how=row.how,
        delivery=row.delivery_id,
        number=row.number,
        corrections=row.corrections,
        withdrawn=row.withdrawn_in is not None,
    )


def free(place: Ledgered, match_ids: Sequence[int]) -> None:
    """Open the lines of matches again, for matching to look at anew."""
    lines = t.recon_lines
    for part in chunks(match_ids):
        change = sa.update(lines).where(lines.c.match_id.in_(part)).values(state="open", fresh=True, match_id=None)
        place.connection.execute(change)
