"""What every reader returns: lines in integer minor units, by statement, and everything that could not be read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Line:
    """One booking."""

    number: int
    """Line of the file, from 1; for a sheet its row."""
    amount: int
    """Minor units of the currency; positive where money came in."""
    currency: str
    """ISO 4217."""
    booked: date
    valued: date | None = None
    bank_id: str = ""
    """The bank's own id of the booking."""
    end_to_end: str = ""
    """The payer's id, carried through unchanged."""
    reference: str = ""
    """Structured remittance: a creditor reference, a document number."""
    text: str = ""
    """Free remittance, as it stands in the file."""
    name: str = ""
    """The other party."""
    counter_account: str = ""
    """The other party's account."""
    batch: str = ""
    """Id of the booking that this line is a part of."""
    reversal: bool = False


@dataclass(frozen=True)
class Statement:
    """The lines of one account over one period, with the balances that they must explain."""

    account: str
    currency: str
    number: int
    """Line of the file on which it begins."""
    lines: tuple[Line, ...]
    id: str = ""
    opening: int | None = None
    """Minor units; None where the file has no such balance."""
    closing: int | None = None
    opened: date | None = None
    closed: date | None = None
    count: int | None = None
    """How many bookings the file itself says there are."""
    incoming: int | None = None
    """What the file itself says came in, minor units, not negative."""
    outgoing: int | None = None
    """What the file itself says went out, minor units, not negative."""
    unreadable: str = ""
    """Why a balance or total that the file states cannot be read, or is not kept; such a statement is held back."""
    untied: str = ""
    """Which of its amounts its balances do not tie, and why; it goes on, and this is said."""
    bookings: int | None = None
    """Bookings that the lines stand for, where batch bookings were taken apart; default: one a line."""


@dataclass(frozen=True)
class Quarantined:
    """What could not be read, or does not add up: nothing of it goes on, and nothing of it is forgotten."""

    number: int
    """Line of the file, from 1; 0 for the file as a whole."""
    field: str
    value: str
    problem: str
    lines: int = 1
    """How many bookings it holds back."""


@dataclass
class Found:
    """What a reader found so far."""

    statements: list[Statement] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """What was told of how the file is to be read, in words."""

    def refuse(self, number: int, name: str, value: object, problem: str, lines: int = 1) -> None:
        """Keep apart what cannot be read."""
        self.quarantined.append(Quarantined(number, name, str(value)[:200], problem, lines))


@dataclass(frozen=True)
class Delivery:
    """One file, read whole: statements that add up, and the quarantine."""

    path: Path
    sha256: str
    format: str
    statements: tuple[Statement, ...]
    quarantined: tuple[Quarantined, ...]
    loose: tuple[str, ...] = ()
    """Statements that go on without anything to tie their lines to, in words."""
    said: tuple[str, ...] = ()
    """What nobody declared and the file told: columns, decimal sign, order of dates, encoding."""

    @property
    def lines(self) -> Iterable[Line]:
        """Yield every line that may go on."""
        return (line for statement in self.statements for line in statement.lines)

    def problems(self) -> list[str]:
        """Say what is held back, as `file:line: field: problem`."""
        return [
            f"{self.path}:{one.number}: {one.field} {one.value!r}: {one.problem}"
            if one.value
            else f"{self.path}:{one.number}: {one.field}: {one.problem}"
            for one in self.quarantined
        ]
