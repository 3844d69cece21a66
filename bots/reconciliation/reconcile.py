"""Two files to an outcome: read, told, matched, gated, explained; every line in exactly one state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

import pandas as pd

from bots.reconciliation import gate
from bots.reconciliation.bridge import CLOSED, OPEN, SUGGESTED, Bridge, bridges, states
from bots.reconciliation.definition import DEFAULT, Definition
from bots.reconciliation.explain import breaks
from bots.reconciliation.gate import Evidence, Standing
from bots.reconciliation.judging import Judge, suggestions
from bots.reconciliation.matched import BANK, BOOK, Matched
from bots.reconciliation.matching.engine import match
from bots.reconciliation.matching.remittance import with_references
from bots.reconciliation.reading import Sides, read_sides


@dataclass(frozen=True)
class Outcome:
    """A reconciliation of two files."""

    definition: Definition
    sides: Sides
    asof: date
    """The day to which lines are old: the last one that either side knows, unless it was given."""
    matched: Matched
    breaks: pd.DataFrame
    """One row an open line, as `explain.breaks` writes it."""
    standings: tuple[Standing, ...]
    """What each kind of evidence is known to be worth."""
    probability: pd.Series
    """P(wrong) of each suggestion, by match: by the matcher's odds, pooled with the judge's where there is one."""
    referenced: tuple[pd.DataFrame, pd.DataFrame]
    """Both sides as they were matched: with the reference that each line goes by."""

    @cached_property
    def states(self) -> tuple[pd.Series, pd.Series]:
        """Return the one state of each line, of the bank's side and of the books'."""
        return (
            states(BANK, self.sides.bank.lines, self.matched),
            states(BOOK, self.sides.book.lines, self.matched),
        )

    @cached_property
    def bridges(self) -> list[Bridge]:
        """Return the way from the bank's balances to the books'."""
        causes = {side: self.breaks[self.breaks["side"] == side].set_index("line")["cause"] for side in (BANK, BOOK)}
        return bridges(self.sides.bank, self.sides.book, self.matched, causes)

    def counts(self) -> dict[str, tuple[int, int]]:
        """Return how many lines of the bank's and the books' side are in which state; quarantined bookings too.

        Raises:
            ValueError: a line is in no state or in two, or a difference is not explained; both would be bugs of ours.
        """
        found = {
            state: (int((self.states[BANK] == state).sum()), int((self.states[BOOK] == state).sum()))
            for state in (CLOSED, SUGGESTED, OPEN)
        }
        lines = (len(self.sides.bank.lines), len(self.sides.book.lines))
        for side in (BANK, BOOK):
            if sum(count[side] for count in found.values()) != lines[side]:
                raise ValueError(f"side {side}: {found} are not the {lines[side]} lines that were read")
        for one in self.bridges:
            if one.unexplained:
                raise ValueError(f"{one.account} {one.currency}: {one.unexplained} minor units are not explained")
        return found | {"quarantined": (self.sides.bank.quarantined, self.sides.book.quarantined)}


def reconcile(
    bank: Path,
    book: Path,
    definition: Definition = DEFAULT,
    *,
    asof: date | None = None,
    currency: str | None = None,
    evidence: Sequence[Evidence] = (),
    judge: Judge | None = None,
) -> Outcome:
    """Reconcile two files.

    Args:
        bank: the bank's file.
        book: the books' file.
        definition: what is declared.
        asof: the day to which lines are old; default: the last day that either side knows.
        currency: of tables without such a column.
        evidence: what own reviews found of each kind of evidence; the seeded figures are added.
        judge: a second opinion of suggestions, beside the matcher's own.

    Raises:
        UserError: a file cannot be read, or something is told in more than one way.
    """
    sides = read_sides(bank, book, definition, currency=currency)
    return outcome_of(sides, definition, asof=asof, evidence=evidence, judge=judge)


def outcome_of(
    sides: Sides,
    definition: Definition,
    *,
    asof: date | None = None,
    evidence: Sequence[Evidence] = (),
    judge: Judge | None = None,
) -> Outcome:
    """Reconcile two sides that are read already; see `reconcile`."""
    ranked = gate.gated(definition.file.gate, evidence)
    closing = frozenset(one.kind for one in ranked if one.closes)
    policy = definition.policy
    seen = with_references(sides.bank.lines, sides.book.lines)
    matched = match(*seen, policy, closing)
    day = asof or _last_day(sides)
    open_ = breaks(*seen, matched, policy, day)
    odds = suggestions(*seen, matched, judge)
    return Outcome(definition, sides, day, matched, open_, ranked, odds, seen)


def _last_day(sides: Sides) -> date:
    """Return the last day that either side knows: a statement's closing day or a booking."""
    days = [one.closed for side in (sides.bank, sides.book) for one in side.balances if one.closed]
    days += [side.lines["booked"].max().date() for side in (sides.bank, sides.book) if len(side.lines)]
    return max(days)
