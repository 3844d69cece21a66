"""What a proof is made of: both sides with where each line came from, the gate, the decisions, the versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, Literal, Protocol

import numpy as np
import pandas as pd

from bots.reconciliation.lines import Delivery, Quarantined, Statement
from bots.reconciliation.matched import BANK, BOOK, Matched
from bots.reconciliation.tie import bookings

SideName = Literal["bank", "book"]
What = Literal["confirm", "match", "approve", "first", "reject", "undo", "note"]
"""confirm, match, approve: it is closed (a suggestion, by hand, by a second person). first: another must follow."""
SIDES: Final[Mapping[int, SideName]] = {BANK: "bank", BOOK: "book"}
FORWARD: Final = -1
"""Statement of a line that was carried forward: it came in an earlier period, and counts in the opening balance."""


@dataclass(frozen=True)
class InputFact:
    """One file that was read."""

    name: str
    sha256: str
    size: int | None
    """Bytes; None where nobody noted them."""
    format: str
    bookings: int | None
    """Bookings in it: those that were read (a batch is one), and those that are held back; None where not all of its
    lines stand as its own, because it overlaps others or was corrected."""


@dataclass(frozen=True)
class StatementFact:
    """One statement of a side: what its lines must explain."""

    input: int
    account: str
    currency: str
    row: int
    id: str
    opening: int | None
    closing: int | None
    opened: date | None
    closed: date | None
    bookings: int
    """Bookings that its lines stand for: a batch that was taken apart is one."""


@dataclass(frozen=True)
class ProvenSide:
    """One side: its lines, and where they came from."""

    lines: pd.DataFrame
    """Columns of `matched.SIDE`, `statement` (position in `statements`, or FORWARD), `row` (line of the file); where
    lines are carried forward also `origin`, the file and line where they came from."""
    statements: Sequence[StatementFact]
    """In the order of time within an account."""
    inputs: Sequence[InputFact]
    quarantined: Sequence[tuple[int, Quarantined]] = ()
    """Input, and what is held back in it."""


class Gated(Protocol):
    """One kind of evidence as the gate saw it (`gate.Standing` is one): `wrong` of `reviewed` matches were wrong."""

    @property
    def kind(self) -> str:
        """Return the name of the kind."""

    @property
    def reviewed(self) -> int:
        """Return how many matches were reviewed."""

    @property
    def wrong(self) -> int:
        """Return how many of them were wrong."""

    @property
    def bound(self) -> float:
        """Return the exact upper bound of the share of wrong ones (Clopper and Pearson), 1 where none was reviewed."""

    @property
    def source(self) -> str:
        """Return whose judgements these are."""

    @property
    def closes(self) -> bool:
        """Say whether the kind may close matches on its own."""


class GatedBefore(Gated, Protocol):
    """The same when matches closed, where the gate has moved on since (`kept_gate.Figures` is one)."""

    @property
    def limit(self) -> float:
        """Return the bound that it had to keep."""

    @property
    def confidence(self) -> float:
        """Return the confidence of the bound."""


@dataclass(frozen=True)
class Decision:
    """What a person decided, when: of a match of this reconciliation, or (match None) of what `subject` names."""

    at: datetime
    who: str
    what: What
    match: int | None
    subject: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Reconciliation:
    """Everything that a proof states."""

    name: str
    made: datetime
    asof: date
    bank: ProvenSide
    book: ProvenSide
    matched: Matched
    gate: Sequence[Gated]
    limit: float
    """Upper bound that a kind of evidence must keep to close on its own."""
    confidence: float
    """Of each kind's bound."""
    before: Sequence[GatedBefore] = ()
    """Figures by which matches closed earlier, beside those of now."""
    closed_by: Mapping[int, int] = field(default_factory=dict)
    """Match to the figures by which it closed: their position in the gate and then `before`; others by their kind's."""
    definition: str = ""
    """Text of the definition, as it was used."""
    decisions: Sequence[Decision] = ()
    causes: Mapping[tuple[int, int], str] = field(default_factory=dict)
    """(side, line) -> why an open line is open."""
    software: str = ""
    models: Mapping[str, str] = field(default_factory=dict)
    """What decided beside the definition -> its SHA-256 (`versions.versions`)."""
    previous: str = ""
    """Head of the proof of the period before."""

    def sides(self) -> dict[int, ProvenSide]:
        """Return both sides by their number."""
        return {BANK: self.bank, BOOK: self.book}


def proven_side(deliveries: Sequence[Delivery], lines: pd.DataFrame, sizes: Sequence[int] | None = None) -> ProvenSide:
    """Return a side of what was read: `lines` holds every line of the deliveries, in their order.

    A statement is of the account that its lines have in the frame, which may be another name than the file's.

    Args:
        deliveries: the files of the side.
        lines: columns of `matched.SIDE`, one row a line.
        sizes: bytes of each file; default: asked of the file.

    Raises:
        ValueError: the lines are not those of the deliveries.
    """
    given = [(number, one) for number, delivery in enumerate(deliveries) for one in delivery.statements]
    counts = [len(one.lines) for _, one in given]
    read = [line for _, one in given for line in one.lines]
    if not np.array_equal(np.fromiter((line.amount for line in read), np.int64), lines["amount"].to_numpy()):
        raise ValueError("the lines of the side are not those of its deliveries, in their order")
    starts = np.cumsum([0, *counts])[:-1]
    named = lines["account"].iloc[[start for start, count in zip(starts, counts, strict=True) if count]].tolist()
    renamed = dict(zip((one.account for _, one in given if one.lines), named, strict=True))
    inputs = []
    for number, one in enumerate(deliveries):
        size = sizes[number] if sizes else one.path.stat().st_size
        inputs.append(InputFact(one.path.name, one.sha256, size, one.format, bookings_of(one)))
    placed = lines.assign(
        statement=np.repeat(np.arange(len(given)), counts).astype(np.int64),
        row=np.fromiter((line.number for line in read), np.int64),
    )
    facts = [_fact(number, one, renamed.get(one.account, one.account)) for number, one in given]
    quarantined = [(number, held) for number, one in enumerate(deliveries) for held in one.quarantined]
    return _in_time(ProvenSide(placed, facts, inputs, quarantined))


def bookings_of(delivery: Delivery) -> int:
    """Return how many bookings a file holds: those that were read, a batch being one, and those held back."""
    return sum(map(bookings, delivery.statements)) + sum(one.lines for one in delivery.quarantined)


def _fact(number: int, one: Statement, account: str) -> StatementFact:
    return StatementFact(
        input=number,
        account=account,
        currency=one.currency or next((line.currency for line in one.lines), ""),
        row=one.number,
        id=one.id,
        opening=one.opening,
        closing=one.closing,
        opened=one.opened or min((line.booked for line in one.lines), default=one.closed),
        closed=one.closed or max((line.booked for line in one.lines), default=one.opened),
        bookings=bookings(one),
    )


def _in_time(side: ProvenSide) -> ProvenSide:
    """Order the statements by account, currency and time: each opens where the one before closed."""

    def key(at: int) -> tuple[str, str, date, date, int]:
        one = side.statements[at]
        return one.account, one.currency, one.opened or date.min, one.closed or date.min, at

    order = sorted(range(len(side.statements)), key=key)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    lines = side.lines.assign(statement=place[side.lines["statement"].to_numpy(np.int64)])
    return ProvenSide(lines, [side.statements[at] for at in order], side.inputs, side.quarantined)
