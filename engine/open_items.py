"""The words of rolling open items: what the ledger keeps of them, and what those who match them ask of it.

Amounts are minor units, positive where money came in. Sides are 0 (the bank) and 1 (the books).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any, Literal, Self

BANK, BOOK = 0, 1
SIDES = ("bank", "book")
"""Names of the sides, by their number."""

Window = tuple[str, date, date]
"""An account, and the first and last day that count."""
LineState = Literal["open", "suggested", "waiting", "closed"]
MatchState = Literal["suggested", "waiting", "closed", "replaced", "rejected", "undone"]
"""suggested: a person decides. waiting: one person decided, a second one has to. closed: settled. replaced: a later
matching, or a line that changed, took the suggestion back. rejected, undone: a person's word, which matching heeds."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a side says of a line."""

    account: str
    currency: str
    amount: int
    booked: date
    valued: date | None = None
    reference: str = ""
    text: str = ""
    name: str = ""
    bank_id: str = ""
    end_to_end: str = ""
    counter_account: str = ""
    reversal: bool = False
    batch: str = ""

    @property
    def day(self) -> date:
        """Return the day that counts: the value date, where there is one."""
        return self.valued or self.booked


FACTS = tuple(field.name for field in fields(Facts))
"""Names of what a line says, in order."""


@dataclass(frozen=True, slots=True)
class Known:
    """A line that the ledger has and that still stands."""

    id: int
    facts: Facts
    content: str
    """Hash of what it says (`bots.reconciliation.identity`)."""
    statement: int
    """Id of the statement that brought it."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A line as a delivery holds it."""

    facts: Facts
    content: str
    number: int
    """Line of the file, from 1."""
    how: Literal["new", "late", "back_dated"] = "new"


@dataclass(frozen=True)
class StatementFacts:
    """What a statement of a delivery says beside its lines."""

    account: str
    currency: str
    name: str
    """The sender's own id of it; empty where there is none."""
    opening: int | None
    closing: int | None
    opened: date | None
    closed: date | None
    lines: int
    movements: int
    """Sum of its lines."""
    id: int = 0


@dataclass(frozen=True)
class AccountState:
    """One account of one side: opening + movements = closing, or something is missing."""

    side: int
    account: str
    currency: str
    opening: int | None
    opened: date | None
    """Day of the first balance."""
    movements: int
    """Sum of the lines that stand."""
    lines: int
    closing: int | None
    """As the newest statement says."""
    closed: date | None
    latest: date | None
    """Newest booking day of any line."""

    @property
    def difference(self) -> int | None:
        """Return what the lines leave of the stated closing balance unexplained; None where none is stated."""
        if self.opening is None or self.closing is None:
            return None
        return self.closing - self.opening - self.movements


@dataclass(frozen=True)
class DeliveryFacts:
    """One file that came."""

    side: int
    name: str
    sha256: str
    format: str
    by: str
    lines: int
    """That were read: the same bytes read better, as another definition lets them be, are no repetition."""
    terms_id: int | None = None
    """Under what (`OpenItems.under`)."""


@dataclass(frozen=True)
class Proposed:
    """A match that matching found."""

    kind: str
    closes: bool
    lines: tuple[int, ...]
    """Ids of its lines, ascending."""
    amount: int
    """The largest of its lines and of what they add up to on either side, not negative."""
    currency: str
    """Of the bank's lines, if it has any."""
    difference: int
    days: int
    score: float
    margin: float | None
    """None: nothing rivals it."""
    rivals: int
    alternatives: int
    due: date | None = None
    """It would close, once both sides are known up to this day: until then a rival may come."""
    probability_wrong: float | None = None
    """Of a suggestion, where somebody gave it one."""


@dataclass(frozen=True)
class MatchRow:
    """A match as the ledger has it."""

    id: int
    kind: str
    state: MatchState
    manual: bool
    """Whether a person made or accepted it: automatic matching never touches it again."""
    amount: int
    currency: str
    difference: int
    days: int
    score: float | None
    margin: float | None
    rivals: int
    alternatives: int
    made_by: str
    made_at: datetime
    first: str | None
    """Who decided first, where a second person is needed or was."""
    attention: str | None
    """What happened to its lines since a person decided; None: nothing."""
    due: date | None
    """Day up to which both sides have to be known before it closes on its own; None: it will not, or has."""
    probability_wrong: float | None
    """As it was when it was suggested."""
    terms_id: int | None
    """Under what it was made (`OpenItems.terms`); None: by hand, or before that was kept."""
    lines: tuple[OpenLine, ...] = ()


@dataclass(frozen=True)
class OpenLine:
    """A line as people see it."""

    id: int
    side: int
    facts: Facts
    state: LineState
    occurrence: int
    """1 for the first of several that say the same."""
    match_id: int | None
    how: str
    delivery: int
    number: int
    corrections: int
    withdrawn: bool


@dataclass(frozen=True)
class DecisionRow:
    """What was decided of a match, by whom, when, why; nothing of it is ever changed."""

    id: int
    match_id: int | None
    verb: str
    actor: str
    reason: str
    at: datetime
    data: Mapping[str, Any]


@dataclass(frozen=True)
class DeliveryRow:
    """A delivery and what was in it."""

    id: int
    side: int
    name: str
    sha256: str
    format: str
    by: str
    at: datetime
    repeats: int | None
    """The delivery that brought the same bytes before."""
    counts: Mapping[str, int]
    terms_id: int | None


@dataclass(frozen=True)
class AgeRow:
    """Open lines of one side, account, currency and day."""

    side: int
    account: str
    currency: str
    day: date
    lines: int
    amount: int


@dataclass(frozen=True)
class Past:
    """Every line that stands and what people decided, in columns: there may be millions of closed lines."""

    lines: Iterator[Sequence[Sequence[Any]]]
    """Columns of PAST, part by part, in no order; to be read while the past is open."""
    confirmed: frozenset[int]
    """Closed matches that a person made or accepted."""
    refused: list[tuple[int, ...]]
    """Ids of the lines of each match that a person rejected or undid."""


PAST = ("id", "side", "match_id", "delivery", "number", *FACTS)
"""Columns of `Past.lines`."""


@dataclass(frozen=True)
class BooksName:
    """An account of the books in a currency, and the bank's name of it."""

    account: str
    currency: str
    bank: str


@dataclass(frozen=True)
class Conventions:
    """How the books write what the bank writes, told once (`bots.reconciliation.taking`)."""

    turned: bool | None = None
    """Whether their amounts are turned round; None: nobody told yet, or it is declared."""
    names: tuple[BooksName, ...] = ()

    @classmethod
    def of(cls, turned: bool | None, names: Mapping[tuple[str, str], str]) -> Self:
        """Return conventions of (account, currency) to the bank's name."""
        return cls(turned, tuple(BooksName(*pair, names[pair]) for pair in sorted(names)))


def key_of(line_ids: Iterable[int]) -> str:
    """Return the name of a set of lines: equal for the same lines, whatever made the match."""
    return hashlib.sha256(" ".join(map(str, sorted(line_ids))).encode()).hexdigest()
