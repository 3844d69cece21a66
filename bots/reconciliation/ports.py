"""What reconciliation needs of the house around it; `runner.py` hands in who does it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from bots.reconciliation.policy import Policy
from engine.kept_heads import KeptHead, NewHead
from engine.open_items import (
    AccountState,
    AgeRow,
    Arrival,
    Conventions,
    DecisionRow,
    DeliveryFacts,
    DeliveryRow,
    Known,
    MatchRow,
    MatchState,
    OpenLine,
    Past,
    Proposed,
    StatementFacts,
    Window,
)

if TYPE_CHECKING:  # it takes a second to load
    import pandas as pd

    from bots.reconciliation.matched import Matched


class Matcher(Protocol):
    """Finds what belongs together (`bots.reconciliation.matching.engine.match`)."""

    def __call__(self, bank: pd.DataFrame, book: pd.DataFrame, policy: Policy, closing: frozenset[str]) -> Matched:
        """Match two sides; the same lines give the same matches."""
        ...


class Intake(Protocol):
    """One delivery of one side on its way into the ledger; what was added is known at once."""

    @property
    def counts(self) -> dict[str, int]:
        """What was found in it, for the record; counts from 0."""
        ...

    @property
    def delivery_id(self) -> int:
        """Its number."""
        ...

    @property
    def repeats(self) -> int | None:
        """The delivery that brought the same bytes before."""
        ...

    def account(self, account: str, currency: str) -> AccountState:
        """Return what is known of an account."""
        ...

    def with_contents(self, contents: Collection[str]) -> list[Known]:
        """Return the standing lines that say the same as any of these, by id."""
        ...

    def with_bank_ids(self, account: str, bank_ids: Collection[str]) -> list[Known]:
        """Return the standing lines of an account with any of these ids, by id."""
        ...

    def alike(self, account: str, days_and_amounts: Collection[tuple[date, int]]) -> list[Known]:
        """Return the standing lines of an account with any of these booking days and amounts, by id."""
        ...

    def of_statements(self, statement_ids: Collection[int]) -> list[Known]:
        """Return the standing lines that these statements brought, by id."""
        ...

    def outdated(self, contents: Collection[str]) -> Mapping[str, int]:
        """Return which of these a line said before it was corrected, and the line's id."""
        ...

    def since(self, account: str, currency: str, day: date) -> list[StatementFacts]:
        """Return the statements of an account that end on a day or later, oldest first."""
        ...

    def add_statement(self, statement: StatementFacts) -> int:
        """Write a statement and return its id."""
        ...

    def add(self, statement_id: int, arrivals: Sequence[Arrival]) -> list[int]:
        """Write new lines and return their ids."""
        ...

    def correct(self, known: Known, arrival: Arrival, why: str) -> None:
        """Let a line say what a delivery says it does; what it said before is kept."""
        ...

    def withdraw(self, known: Sequence[Known], why: str) -> None:
        """Let lines stand no longer."""
        ...


class Heads(Protocol):
    """The heads of proofs that are kept apart from them (`engine.ledger.kept_heads.Heads`)."""

    def keep(self, told: NewHead, who: str) -> None:
        """Keep the head of a proof, for good."""
        ...

    def __iter__(self) -> Iterator[KeptHead]:
        """Yield what is kept, newest first."""
        ...


class OpenItems(Protocol):
    """The open items of one reconciliation, in the ledger (`engine.ledger.reconciliation.OpenItems`)."""

    name: str

    def exists(self) -> bool:
        """Say whether anything was written to it yet."""
        ...

    def taking_in(self, delivery: DeliveryFacts) -> AbstractContextManager[Intake]:
        """Take a delivery in, in one transaction."""
        ...

    def fresh(self) -> tuple[int, list[Window]]:
        """Return the revision, and account, day, day of each line that matching has not looked at since it opened."""
        ...

    def open_lines(self, windows: Sequence[Window] | None) -> list[tuple[Any, ...]]:
        """Return what matching may use within windows (None: everywhere): id, side, fresh, match, facts; by id."""
        ...

    def ripen(self) -> Mapping[str, date]:
        """Let matching look anew at what is due; return by account up to which day both sides are known."""
        ...

    def barred(self, keys: Sequence[str]) -> set[str]:
        """Return which of these sets of lines a person refused."""
        ...

    def reviewed(self) -> Mapping[str, tuple[int, int]]:
        """Return kind of evidence to how many of its matches people reviewed, and how many of them were wrong."""
        ...

    def under(self, versions: Mapping[str, Any]) -> int:
        """Return the number of what is worked under: name to hash of definition, matcher, evidence, model.

        Matches are made under the figures of the gate, too (`kept_gate`).
        """
        ...

    def terms(self) -> Mapping[int, Mapping[str, Any]]:
        """Return what deliveries were read and matches made under, by number."""
        ...

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

        Raises:
            Stale: something else was written since the revision; compute again.
        """
        ...

    def conventions(self) -> Conventions:
        """Return what was told of the books."""
        ...

    def keep_conventions(self, told: Conventions, who: str) -> None:
        """Keep what was told of the books, and that it was."""
        ...

    def limit(self, limits: Mapping[str, int], who: str) -> None:
        """Say over which amount (currency to minor units) two people decide."""
        ...

    def accept(self, match_id: int, who: str, reason: str = "") -> MatchRow:
        """Accept a suggestion; over the limit it then waits for a second person."""
        ...

    def reject(self, match_id: int, who: str, reason: str) -> MatchRow:
        """Refuse a match that waits for a person."""
        ...

    def approve(self, match_id: int, who: str, reason: str = "") -> MatchRow:
        """Decide as the second person, who must be another than the first."""
        ...

    def undo(self, match_id: int, who: str, reason: str) -> MatchRow:
        """Open the lines of a closed match again."""
        ...

    def match_by_hand(self, line_ids: Sequence[int], who: str, reason: str) -> MatchRow:
        """Match lines; over the limit it then waits for a second person."""
        ...

    def note(self, verb: str, who: str, reason: str, **data: Any) -> None:
        """Append a decision that is about no match, such as one about a learned rule."""
        ...

    def let_go(self, age: timedelta) -> int:
        """Blank the words of lines that were delivered and closed longer ago than that; return how many."""
        ...

    def keep_head(self, head: str, name: str, who: str) -> None:
        """Keep the head of a proof and its file's name, for good."""
        ...

    def match(self, match_id: int) -> MatchRow:
        """Return a match with its lines."""
        ...

    def matches(
        self, states: Sequence[MatchState], limit: int | None = None, *, surest: bool = False
    ) -> list[MatchRow]:
        """Return matches in some states, newest first, or those first that are surest right."""
        ...

    def noticed(self) -> list[MatchRow]:
        """Return matches of people whose lines changed since."""
        ...

    def lines(self, *, everything: bool = False, limit: int | None = None) -> list[OpenLine]:
        """Return open and suggested lines, oldest first; with `everything`, every line that stands."""
        ...

    def past(self) -> AbstractContextManager[Past]:
        """Open every line that stands and what people decided, in columns, part by part."""
        ...

    def accounts(self) -> list[AccountState]:
        """Return the roll-forward of each account and side."""
        ...

    def ages(self) -> list[AgeRow]:
        """Return open and suggested lines by side, account, currency and day."""
        ...

    def counts(self) -> dict[str, dict[str, int]]:
        """Return side to state to number of lines."""
        ...

    def deliveries(self, limit: int | None = None) -> list[DeliveryRow]:
        """Return deliveries, newest first."""
        ...

    def decisions(self, match_id: int | None = None) -> list[DecisionRow]:
        """Return what was decided, oldest first."""
        ...

    def limits(self) -> dict[str, int]:
        """Return currency to the amount over which two people decide."""
        ...

    def problems(self) -> list[str]:
        """Add everything up again and say what does not agree."""
        ...
