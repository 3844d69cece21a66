"""What is kept of a rolling reconciliation, to be read: each question is one transaction, as of one instant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.errors import UserError
from engine.ledger import reconciliation_erasure as erasure
from engine.ledger import reconciliation_matching as matching
from engine.ledger import reconciliation_reads as reads
from engine.ledger import reconciliation_reviews as reviews
from engine.ledger import reconciliation_tables as t
from engine.ledger.database import Database
from engine.ledger.reconciliation_erasure import ErasableLines
from engine.ledger.reconciliation_rows import Ledgered
from engine.open_items import (
    AccountState,
    AgeRow,
    Conventions,
    DecisionRow,
    DeliveryRow,
    MatchRow,
    MatchState,
    OpenLine,
    Past,
    Window,
)


def names(database: Database) -> list[str]:
    """Return the names of all reconciliations."""
    with database.read() as connection:
        return list(
            connection.execute(sa.select(t.reconciliations.c.name).order_by(t.reconciliations.c.name)).scalars()
        )


class KeptItems:
    """What is kept of one reconciliation."""

    def __init__(self, database: Database, name: str) -> None:
        """Name it; it is made when something is first written to it."""
        self._database, self.name = database, name

    def exists(self) -> bool:
        """Say whether anything was written to it yet."""
        return self.name in names(self._database)

    def fresh(self) -> tuple[int, list[Window]]:
        """Return the revision, and where matching has to look anew: (account, day, day), one for each fresh line."""
        with self._reading() as place:
            return place.revision, matching.fresh(place)

    def open_lines(self, windows: Sequence[Window] | None) -> list[tuple[Any, ...]]:
        """Return what matching may use within windows (None: everywhere), columns of `matching.COLUMNS`, by id."""
        with self._reading() as place:
            return matching.open_lines(place, windows)

    def barred(self, keys: Sequence[str]) -> set[str]:
        """Return which of these sets of lines a person refused."""
        with self._reading() as place:
            return matching.barred(place, keys)

    def reviewed(self) -> dict[str, tuple[int, int]]:
        """Return kind of evidence to how many of its matches people reviewed, and how many of them were wrong."""
        with self._reading() as place:
            return reviews.reviewed(place)

    def terms(self) -> dict[int, dict[str, Any]]:
        """Return what deliveries were read and matches made under, by number."""
        with self._reading() as place:
            return reads.terms(place)

    def conventions(self) -> Conventions:
        """Return what was told of the books; nothing before their first delivery."""
        if not self.exists():
            return Conventions()
        with self._reading() as place:
            return reads.conventions(place)

    def erasable(self, subject: str) -> ErasableLines:
        """Find the lines whose reference, name, end-to-end id or counter account is a subject.

        Raises:
            UserError: there is none, or one is open or waits for a person.
        """
        with self._reading() as place:
            return erasure.look(place, subject)

    def match(self, match_id: int) -> MatchRow:
        """Return a match with its lines.

        Raises:
            UserError: there is none of this number.
        """
        with self._reading() as place:
            return reads.match(place, match_id)

    def matches(
        self, states: Sequence[MatchState], limit: int | None = None, *, surest: bool = False
    ) -> list[MatchRow]:
        """Return matches in some states with their lines, newest first, or those first that are surest right."""
        with self._reading() as place:
            return reads.matches(place, states, limit, surest=surest)

    def noticed(self) -> list[MatchRow]:
        """Return matches of people whose lines changed since."""
        with self._reading() as place:
            return reads.noticed(place)

    def lines(self, *, everything: bool = False, limit: int | None = None) -> list[OpenLine]:
        """Return open and suggested lines, oldest first; with `everything`, every line that stands."""
        with self._reading() as place:
            return reads.lines(place, everything=everything, limit=limit)

    @contextmanager
    def past(self) -> Iterator[Past]:
        """Open every line that stands and what people decided, in columns, part by part."""
        with self._reading() as place:
            yield reads.past(place)

    def accounts(self) -> list[AccountState]:
        """Return the roll-forward of each account and side."""
        with self._reading() as place:
            return reads.accounts(place)

    def ages(self) -> list[AgeRow]:
        """Return open and suggested lines by side, account, currency and day."""
        with self._reading() as place:
            return reads.ages(place)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return side to state to number of lines; what closed is what is left, so that history is not counted."""
        with self._reading() as place:
            return reads.counts(place)

    def deliveries(self, limit: int | None = None) -> list[DeliveryRow]:
        """Return deliveries, newest first."""
        with self._reading() as place:
            return reads.deliveries(place, limit)

    def decisions(self, match_id: int | None = None) -> list[DecisionRow]:
        """Return what was decided, oldest first."""
        with self._reading() as place:
            return reads.decisions(place, match_id)

    def limits(self) -> dict[str, int]:
        """Return currency to the amount over which two people decide."""
        with self._reading() as place:
            return dict(place.limits)

    def problems(self) -> list[str]:
        """Add everything up again and say what does not agree; it reads every line."""
        with self._reading() as place:
            return reads.problems(place)

    @contextmanager
    def _reading(self) -> Iterator[Ledgered]:
        with self._database.read() as connection:
            found = self._row(connection, lock=False)
            yield Ledgered(connection, self._database.clock, found.id, found.revision, found.limits)

    def _row(self, connection: Connection, *, lock: bool) -> Any:
        query = sa.select(t.reconciliations).where(t.reconciliations.c.name == self.name)
        found = connection.execute(query.with_for_update(key_share=True) if lock else query).first()
        if found is None:
            raise UserError(f"there is no reconciliation {self.name!r} yet: the first delivery makes it")
        return found
