"""What becomes of a partition: items to mark as cleared, suggestions and breaks; every line in exactly one state.

A partition is matched with the days around it in view (the window of the policy), so that a line at its edge has the
rivals that it would have in the whole; a match belongs to the partition in which its first line was booked. Items that
were cleared before are matched too, and never marked: so the outcome does not depend on how far others have come, and a
line that a bank delivers twice finds its item again instead of another one.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd

from bots.reconciliation.lines import Line
from bots.reconciliation.matched import BANK, BOOK, SIDE, Matched
from bots.reconciliation.matching.engine import match
from bots.reconciliation.partitions import Partition, major
from bots.reconciliation.policy import Policy
from engine.errors import BusinessException
from engine.values import Scalar

_TEXTS = ("reference", "text", "name", "bank_id", "end_to_end", "batch", "counter_account")
SUGGESTED, BREAK = "suggested", "break"
"""Why a person decides first."""
CLOSED = ""


@dataclass(frozen=True)
class BookItem:
    """One line of the books and the name that the application has for it."""

    name: str
    line: Line
    is_open: bool = True


@dataclass(frozen=True)
class Outcome:
    """What was found in a partition."""

    rows: list[dict[str, Scalar]]
    """One an open item to mark (`hold` is empty), a suggestion or a break (`hold` says which)."""
    states: dict[str, int] = field(default_factory=dict)
    """How many bank lines of the partition ended in which state: closed (empty), suggested, break."""


@dataclass(frozen=True)
class _Side:
    frame: pd.DataFrame
    days: list[date]
    ids: list[str]


def clearings(
    own: Partition,
    bank: Sequence[Line],
    book: Sequence[BookItem],
    policy: Policy,
    closing: frozenset[str],
    *,
    sign: int = 1,
) -> Outcome:
    """Match the lines of a partition with the open items of its account.

    Args:
        own: the partition.
        bank: all lines of its account and currency in the file, in order.
        book: the items of its account, amounts positive where money came in.
        policy: the limits within which candidates are looked for.
        closing: kinds of evidence that may close on their own.
        sign: -1 where the application writes money that came in as negative.

    Raises:
        BusinessException: a bank line would end in no state, or in two: a bug, or lines that cannot be told apart.
    """
    ids = identities(bank, own)
    seen = [at for at, line in enumerate(bank) if _near(own, line.booked, policy)]
    sides = (
        _side(own, [bank[at] for at in seen], [ids[at] for at in seen]),
        _side(own, [item.line for item in book], [item.name for item in book]),
    )
    found = match(sides[BANK].frame, sides[BOOK].frame, policy, closing)
    finder = _Finder(own, sides, [item.is_open for item in book], sign)
    rows = finder.matched(found)
    rows += finder.unmatched(policy)
    states = Counter(finder.states.values())
    lines = sum(own.holds(line.booked) for line in bank)
    if sum(states.values()) != lines:
        raise BusinessException("lines_lost", f"{sum(states.values())} of {lines} lines of {own.period} have a state")
    return Outcome(rows, dict(states))


def identities(lines: Sequence[Line], own: Partition) -> list[str]:
    """Return a name for each line that any file would give it: its content, and which of several equal ones it is."""
    counted: Counter[str] = Counter()
    names = []
    for line in lines:
        told = (own.account, own.currency, str(line.amount), str(line.booked), str(line.valued), line.reversal)
        content = "\0".join(map(str, (*told, *(getattr(line, name) for name in _TEXTS))))
        counted[content] += 1
        names.append(hashlib.sha256(f"{content}\0{counted[content]}".encode()).hexdigest()[:16])
    return names


def _near(own: Partition, day: date, policy: Policy) -> bool:
    width = policy.latest - policy.earliest
    return bool(
        np.busday_offset(np.datetime64(own.first), -width, roll="backward")
        <= np.datetime64(day)
        <= np.busday_offset(np.datetime64(own.last), width, roll="forward")
    )


def _side(own: Partition, lines: Sequence[Line], ids: list[str]) -> _Side:
    columns: dict[str, list[object]] = {name: [getattr(line, name) for line in lines] for name in _TEXTS}
    columns |= {
        "account": [own.account] * len(lines),
        "currency": [line.currency for line in lines],
        "amount": [line.amount for line in lines],
        "booked": [line.booked for line in lines],
        "valued": [line.valued for line in lines],
        "reversal": [line.reversal for line in lines],
    }
    frame = pd.DataFrame({name: pd.Series(columns[name], dtype=kind) for name, kind in SIDE.items()})
    return _Side(frame, [line.booked for line in lines], ids)


class _Finder:
    """Turns matches into rows and keeps count of the partition's bank lines."""

    def __init__(self, own: Partition, sides: tuple[_Side, _Side], is_open: Sequence[bool], sign: int) -> None:
        self.own, self.sides, self.is_open, self.sign = own, sides, is_open, sign
        self.states: dict[int, str] = {}
        self.taken: set[int] = set()

    def matched(self, found: Matched) -> list[dict[str, Scalar]]:
        """Return a row an open item of each match that is ours."""
        rows: list[dict[str, Scalar]] = []
        groups = dict(iter(found.members.groupby("match")))
        matches = found.matches
        for number, kind, closed in zip(matches.index, matches["kind"], matches["closed"], strict=True):
            group = groups[number]
            bank = [int(line) for line in group.loc[group["side"] == BANK, "line"]]
            book = [int(line) for line in group.loc[group["side"] == BOOK, "line"]]
            self.taken.update(book)
            state = CLOSED if closed else SUGGESTED
            for line in bank:
                if self.own.holds(self.sides[BANK].days[line]):
                    self._place(line, state)
            first = min(self.sides[BANK].days[line] for line in bank) if bank else self._first(book)
            if self.own.holds(first):
                rows += self._rows(str(kind), bank, book, state)
        return rows

    def unmatched(self, policy: Policy) -> list[dict[str, Scalar]]:
        """Return a row a bank line without a partner, and one an open item that no later bank line can clear."""
        rows = []
        for line, day in enumerate(self.sides[BANK].days):
            if self.own.holds(day) and line not in self.states:
                self._place(line, BREAK)
                rows.append(self._break(line))
        for item, day in enumerate(self.sides[BOOK].days):
            until = np.busday_offset(np.datetime64(day), policy.latest, roll="forward").item()
            if self.is_open[item] and item not in self.taken and self.own.holds(until):
                why = f"no bank line until {until}, {policy.latest} business days after it was posted"
                name = self.sides[BOOK].ids[item]
                amount = self._amount(BOOK, item)
                rows.append(self._row(f"B-{name}", "", name, amount, until, "", BREAK, why))
        return rows

    def _place(self, line: int, state: str) -> None:
        if line in self.states:
            raise BusinessException("line_twice", f"bank line {self.sides[BANK].ids[line]} is in two matches")
        self.states[line] = state

    def _first(self, book: Sequence[int]) -> date:
        return min(self.sides[BOOK].days[line] for line in book)

    def _rows(self, kind: str, bank: list[int], book: list[int], state: str) -> list[dict[str, Scalar]]:
        named = "\0".join(
            [*sorted(self.sides[BANK].ids[line] for line in bank), *sorted(self.sides[BOOK].ids[line] for line in book)]
        )
        name = "M-" + hashlib.sha256(named.encode()).hexdigest()[:16]
        day = max(self.sides[BANK].days[line] for line in bank) if bank else max(self.sides[BOOK].days[n] for n in book)
        why = f"{kind}: {self._said(bank)}"
        items: list[int | None] = [item for item in book if self.is_open[item]]
        if state and not items:  # nothing to mark, but a person is to see the line
            items = [None]
        rows = []
        for item in items:
            label = "" if item is None else self.sides[BOOK].ids[item]
            amount = self._amount(BANK, bank[0]) if item is None else self._amount(BOOK, item)
            rows.append(self._row(f"{name}/{label}", name, label, amount, day, kind, state, why))
        return rows

    def _break(self, line: int) -> dict[str, Scalar]:
        name = f"L-{self.sides[BANK].ids[line]}"
        why = f"no open item fits the bank line {self._said([line])}"
        return self._row(name, name, "", self._amount(BANK, line), self.sides[BANK].days[line], "", BREAK, why)

    def _said(self, bank: Sequence[int]) -> str:
        frame, days = self.sides[BANK].frame, self.sides[BANK].days
        money = [f"{major(int(frame['amount'][at]), frame['currency'][at])} {frame['currency'][at]}" for at in bank]
        told = (
            (days[at], amount, frame["name"][at], frame["text"][at]) for at, amount in zip(bank, money, strict=True)
        )
        return "; ".join(" ".join(str(part) for part in parts if part) for parts in told)

    def _amount(self, side: int, line: int) -> Decimal:
        frame = self.sides[side].frame
        return major(self.sign * int(frame["amount"][line]), str(frame["currency"][line]))

    def _row(
        self, entry: str, name: str, item: str, amount: Decimal, day: date, kind: str, hold: str, why: str
    ) -> dict[str, Scalar]:
        return {
            "entry": entry,
            "match": name,
            "item": item,
            "account": self.own.account,
            "currency": self.own.currency,
            "amount": amount,
            "cleared_on": day,
            "kind": kind,
            "hold": hold,
            "why": why[:500],
        }
