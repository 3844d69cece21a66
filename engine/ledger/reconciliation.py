"""Rolling open items in the ledger: every change of a reconciliation is one transaction under its row's lock."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.errors import Stale, UserError
from engine.ledger import reconciliation_decisions as decisions
from engine.ledger import reconciliation_matching as matching
from engine.ledger import reconciliation_reads as reads
from engine.ledger import reconciliation_reviews as reviews
from engine.ledger import reconciliation_tables as t
from engine.ledger.database import Database, insert_new
from engine.ledger.reconciliation_intake import Intake, begin
from engine.ledger.reconciliation_rows import Ledgered
from engine.open_items import (
    AccountState,
    AgeRow,
    Conventions,
    DecisionRow,
    DeliveryFacts,
    DeliveryRow,
    MatchRow,
    MatchState,
    OpenLine,
    Past,
    Proposed,
    Window,
)


def names(database: Database) -> list[str]:
    """Return the names of all reconciliations."""
    with database.read() as connection:
        return list(
            connection.execute(sa.select(t.reconciliations.c.name).order_by(t.reconciliations.c.name)).scalars()
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
    said = "which one?" if name is None else f"there is no reconciliation {name!r}."
    raise UserError(f"{said} There are {', '.join(known)}: --name")


class OpenItems:
    """The open items of one reconciliation (`bots.reconciliation.ports.OpenItems`)."""

    def __init__(self, database: Database, name: str) -> None:
        """Name it; it is made when something is first written to it."""
        self._database, self.name = database, name

    def exists(self) -> bool:
        """Say whether anything was written to it yet."""
        return self.name in names(self._database)

    @contextmanager
    def taking_in(self, delivery: DeliveryFacts) -> Iterator[Intake]:
        """Take a delivery in: one transaction, in which what was added is known at once."""
        with self._changing() as place:
            intake = begin(place, delivery)
            yield intake
            intake.end()

    def fresh(self) -> tuple[int, list[Window]]:
        """Return the revision, and where matching has to look anew: (account, day, day), one for each fresh line."""
        with self._reading() as place:
            return place.revision, matching.fresh(place)

    def open_lines(self, windows: Sequence[Window] | None) -> list[tuple[Any, ...]]:
        """Return what matching may use within windows (None: everywhere), columns of `matching.COLUMNS`, by id."""
        with self._reading() as place:
            return matching.open_lines(place, windows)

    def ripen(self) -> dict[str, date]:
        """Let matching look anew at what is due; return by account up to which day both sides are known."""
        with self._reading() as place:
            known, due = matching.known_until(place), matching.ripe(place)
        if due:
            with self._changing() as place:
                matching.refresh(place, matching.ripe(place))
        return known

    def barred(self, keys: Sequence[str]) -> set[str]:
        """Return which of these sets of lines a person refused."""
        with self._reading() as place:
            return matching.barred(place, keys)

    def reviewed(self) -> dict[str, tuple[int, int]]:
        """Return kind of evidence to how many of its matches people reviewed, and how many of them were wrong."""
        with self._reading() as place:
            return reviews.reviewed(place)

    def under(self, versions: Mapping[str, str]) -> int:
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

    def terms(self) -> dict[int, dict[str, str]]:
        """Return what deliveries were read and matches made under, by number."""
        with self._reading() as place:
            return reads.terms(place)

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

    def conventions(self) -> Conventions:
        """Return what was told of the books; nothing before their first delivery."""
        if not self.exists():
            return Conventions()
        with self._reading() as place:
            return reads.conventions(place)

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

    def keep_head(self, head: str, name: str, who: str) -> None:
        """Keep the head of a proof and its file's name among the decisions, of which none is ever changed."""
        with self._changing() as place:
            decisions.keep_head(place, head, name, who)

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

    def past(self) -> Past:
        """Return every line that stands and what people decided, in columns."""
        with self._reading() as place:
            return reads.past(place)

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
