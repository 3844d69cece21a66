"""A rolling reconciliation with a few words for what its tests do, and the small world as readers would return it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from bots.reconciliation.lines import Delivery, Line, Statement
from bots.reconciliation.policy import Policy
from bots.reconciliation.receiving import Received, receive
from bots.reconciliation.rolling import Outcome, match_open
from engine.ledger.database import Database
from engine.ledger.reconciliation import OpenItems
from engine.open_items import BANK, BOOK, MatchRow
from fixtures.generate.deliveries import Issued, Sent
from fixtures.generate.entries import Entry, Side, World
from tests.bots.reconciliation import exact

DAY = date(2026, 3, 2)
POLICY = Policy(earliest=-2, latest=6, reversal=6)


class Desk:
    """A reconciliation with a few words for what every test does with it."""

    def __init__(self, database: Database, policy: Policy = POLICY) -> None:
        self.database, self.items, self._policy = database, OpenItems(database, "main"), policy
        self._files = 0

    def bank(self, *lines: Line, **statement: Any) -> Received:
        """Deliver lines of the bank."""
        return self.receive(BANK, [one_statement(lines, **statement)])

    def book(self, *lines: Line, **statement: Any) -> Received:
        """Deliver lines of the books."""
        return self.receive(BOOK, [one_statement(lines, **statement)])

    def receive(self, side: int, statements: Iterable[Statement], sha256: str = "") -> Received:
        """Deliver a file."""
        self._files += 1
        delivery = Delivery(Path(f"{self._files}.csv"), sha256 or f"{self._files:064}", "csv", tuple(statements), ())
        return receive(self.items, side, delivery, "ana")

    def match(self, *, closing: frozenset[str] = exact.CLOSING, everything: bool = False) -> Outcome:
        """Match."""
        at_once = exact.CLOSING
        return match_open(self.items, exact.match, self._policy, closing, at_once=at_once, everything=everything)

    def one(self, state: str) -> MatchRow:
        """Return the one match in a state."""
        (found,) = self.items.matches([state])  # type: ignore[list-item]
        return found

    def states(self) -> Counter[str]:
        """Count standing lines by state."""
        return Counter(one.state for one in self.items.lines(everything=True))

    def solution(self) -> tuple[set[frozenset[str]], set[frozenset[str]]]:
        """Return what is closed and what is suggested, by what the lines say."""
        found = []
        for state in ("closed", "suggested"):
            rows = self.items.matches([state])
            found.append({frozenset(f"{one.side} {one.facts} {one.occurrence}" for one in row.lines) for row in rows})
        return found[0], found[1]


def line(amount: int = 1000, reference: str = "INV-1", day: int = 0, **more: Any) -> Line:
    """Return a line; `day` counts from DAY."""
    booked = DAY + timedelta(days=day)
    made = Line(number=2, amount=amount, currency="EUR", booked=booked, reference=reference)
    return replace(made, **more)


def one_statement(lines: Iterable[Line], **more: Any) -> Statement:
    """Return a statement without balances."""
    return replace(Statement("DE1", "EUR", 1, tuple(lines)), **more)


def tied(lines: Iterable[Line], opening: int, first: int, last: int, name: str = "") -> Statement:
    """Return a statement with its balances over some days."""
    listed = tuple(lines)
    days: dict[str, Any] = {"opened": DAY + timedelta(days=first), "closed": DAY + timedelta(days=last)}
    closing = opening + sum(one.amount for one in listed)
    return one_statement(listed, opening=opening, closing=closing, id=name, **days)


def as_delivery(sent: Sent, *, balances: bool) -> list[Statement]:
    """Return a delivery of the world as a reader returns it."""
    return [_as_statement(one, balances=balances) for one in sent.statements if one.entries or balances]


def _as_statement(one: Issued, *, balances: bool) -> Statement:
    bare = Statement(one.account, one.currency, 1, tuple(map(_as_line, one.entries)))
    if not balances:
        return bare
    period: dict[str, Any] = {"opened": one.first, "closed": one.last, "id": one.id}
    return replace(bare, opening=one.opening, closing=one.closing, **period)


def _as_line(one: Entry) -> Line:
    names = ("amount", "currency", "booked", "valued", "bank_id", "end_to_end", "reference", "text", "name", "reversal")
    return Line(number=2, counter_account=one.counter_account, **{name: getattr(one, name) for name in names})


def wanted(made: World, side: Side) -> Counter[object]:
    """Return what a side of the world holds after the last day."""
    last = made.days[-1]
    return Counter(_key(one.account, _as_line(one)) for one in made.side(side) if one.known <= last)


def kept(desk: Desk, side: int) -> Counter[object]:
    """Return what the ledger holds of a side."""
    return Counter(_key(one.facts.account, one.facts) for one in desk.items.lines(everything=True) if one.side == side)


def _key(account: str, said: object) -> object:
    names = ("amount", "booked", "valued", "reference", "text", "name", "bank_id", "end_to_end")
    return account, *(getattr(said, name) for name in names)
