"""Rolling open items in the ledger: every change of a reconciliation is one transaction under its row's lock."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from engine.errors import Stale, UserError
from engine.ledger import reconciliation_decisions as decisions
from engine.ledger import reconciliation_erasure as erasure
from engine.ledger import reconciliation_matching as matching
from engine.ledger import reconciliation_reads as reads
from engine.ledger import reconciliation_tables as t
from engine.ledger.database import Database, insert_new
from engine.ledger.reconciliation_erasure import ErasableLines
from engine.ledger.reconciliation_intake import Intake, begin
from engine.ledger.reconciliation_kept import KeptItems, names
from engine.ledger.reconciliation_rows import Ledgered
from engine.open_items import (
    Conventions,
    DeliveryFacts,
    MatchRow,
    Proposed,
)


def reviewed(database: Database, name: str) -> dict[str, tuple[int, int]]:
    """Return what people reviewed in a reconciliation (`OpenItems.reviewed`); nothing where there is none yet."""
    if database.is_new_file or name not in names(database):
        return {}
    return OpenItems(database, name).reviewed()


def open_items(database: Database, name: str | None, *, new: str | None = None) -> OpenItems:
    """Return the open items of a reconciliation; without a name, of the only one there is.

    Where one may be made, that is the one named, or `new` if there is none at all.

    Raises:
        UserError: there is none of this name, or no name was given and there is not exactly one.
    """
    known = names(database)
    if name is None and len(known) == 1:
        return OpenItems(database, known[0])
    if name is not None and (name in known or new is not None):
        return OpenItems(database, name)
    if new is not None and not known:
        return OpenItems(database, new)
    if not known:
        raise UserError("there is no reconciliation yet: `runner.py reconciliation receive` makes the first one")
    said = "there are several reconciliations" if name is None else f"there is no reconciliation {name!r}"
    raise UserError(f"{said}; name one of these with --name: {', '.join(known)}")


class OpenItems(KeptItems):
    """The open items of one reconciliation (`bots.reconciliation.ports.OpenItems`)."""

    @contextmanager
    def taking_in(self, delivery: DeliveryFacts) -> Iterator[Intake]:
        """Take a delivery in: one transaction, in which what was added is known at once."""
        with self._changing() as place:
            intake = begin(place, delivery)
            yield intake
            intake.end()

    def ripen(self) -> dict[str, date]:
        """Let matching look anew at what is due; return by account up to which day both sides are known."""
        with self._reading() as place:
            known, due = matching.known_until(place), matching.ripe(place)
        if due:
            with self._changing() as place:
                matching.refresh(place, matching.ripe(place))
        return known

    def under(self, versions: Mapping[str, Any]) -> int:
        """Return the number of what is worked under: name to hash of definition, matcher, evidence, model."""
        text = json.dumps(dict(versions), sort_keys=True)
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        if self.exists():
            with self._reading() as place:
                found = reads.terms_id(place, sha256)
            if found is not None:
                return found
        with self._changing() as place:
            row = {"reconciliation_id": place.id, "sha256": sha256, "versions": dict(versions)}
            insert_new(place.connection, t.recon_terms, [row | {"at": place.clock.now()}], t.recon_terms.c.id)
            return reads.terms_id(place, sha256) or 0

    def settle(
        self,
        revision: int,
        *,
        looked_at: Sequence[int],
        replaced: Sequence[int],
        kept: Mapping[int, Proposed],
        proposed: Sequence[Proposed],
        terms_id: int | None = None,
    ) -> None:
        """Write what matching found.

        Args:
            revision: the one from which it was computed.
            looked_at: lines that are not fresh any more.
            replaced: suggestions that are no more.
            kept: suggestions that were found again, with their present figures.
            proposed: new matches.
            terms_id: under what they were made (`under`).

        Raises:
            Stale: something else was written since; compute again.
        """
        with self._changing() as place:
            if place.revision != revision:
                raise Stale(f"{self.name}: revision {revision} is {place.revision} now")
            matching.settle(place, looked_at, replaced, kept, proposed, terms_id)

    def keep_conventions(self, told: Conventions, who: str) -> None:
        """Keep what was told of the books, and that it was."""
        with self._changing() as place:
            decisions.keep_conventions(place, told, who)

    def limit(self, limits: Mapping[str, int], who: str) -> None:
        """Say over which amount (currency to minor units) two people decide."""
        with self._changing() as place:
            decisions.limit(place, limits, who)

    def accept(self, match_id: int, who: str, reason: str = "") -> MatchRow:
        """Accept a suggestion; over the limit it then waits for a second person.

        Raises:
            UserError: it is no suggestion (any more).
        """
        with self._changing() as place:
            decisions.accept(place, match_id, who, reason)
        return self.match(match_id)

    def reject(self, match_id: int, who: str, reason: str) -> MatchRow:
        """Refuse a suggestion, or one that waits for a second person; it is never made again automatically.

        Raises:
            UserError: it waits for nobody.
        """
        with self._changing() as place:
            decisions.reject(place, match_id, who, reason)
        return self.match(match_id)

    def approve(self, match_id: int, who: str, reason: str = "") -> MatchRow:
        """Decide as the second person.

        Raises:
            UserError: it does not wait, or the first person is the same.
        """
        with self._changing() as place:
            decisions.approve(place, match_id, who, reason)
        return self.match(match_id)

    def undo(self, match_id: int, who: str, reason: str) -> MatchRow:
        """Open the lines of a closed match again; it is never made again automatically.

        Raises:
            UserError: it is not closed.
        """
        with self._changing() as place:
            decisions.undo(place, match_id, who, reason)
        return self.match(match_id)

    def match_by_hand(self, line_ids: Sequence[int], who: str, reason: str) -> MatchRow:
        """Match lines; over the limit it then waits for a second person.

        Raises:
            UserError: a line is not open, or the lines cannot belong together.
        """
        with self._changing() as place:
            made = decisions.match_by_hand(place, line_ids, who, reason)
        return self.match(made)

    def note(self, verb: str, who: str, reason: str, **data: Any) -> None:
        """Append a decision that is about no match, such as one about a learned rule."""
        with self._changing() as place:
            decisions.note(place, verb, who, reason, data)

    def erase(self, subject: str, who: str, reason: str) -> ErasableLines:
        """Erase the words of a subject's lines; sums, days, states, hashes and who decided what stay.

        Raises:
            UserError: as `erasable`, or the reason names the subject.
        """
        with self._changing() as place:
            if self._database.is_sqlite:
                place.connection.exec_driver_sql("PRAGMA secure_delete=ON")
            found = erasure.look(place, subject)
            erasure.erase(place, found, who, reason)
        return found

    def let_go(self, age: timedelta) -> int:
        """Blank the words of lines that were delivered and closed longer ago than that; return how many."""
        with self._changing() as place:
            return erasure.let_go(place, place.clock.now() - age)

    def keep_head(self, head: str, name: str, who: str) -> None:
        """Keep the head of a proof and its file's name among the decisions, of which none is ever changed."""
        with self._changing() as place:
            decisions.keep_head(place, head, name, who)

    @contextmanager
    def _changing(self) -> Iterator[Ledgered]:
        with self._database.write() as connection:
            now = self._database.clock.now()
            row = {"name": self.name, "revision": 0, "limits": {}, "created_at": now}
            insert_new(connection, t.reconciliations, [row], t.reconciliations.c.id)
            found = self._row(connection, lock=True)
            yield Ledgered(connection, self._database.clock, found.id, found.revision, found.limits)
            connection.execute(
                sa.update(t.reconciliations)
                .where(t.reconciliations.c.id == found.id)
                .values(revision=t.reconciliations.c.revision + 1)
            )
