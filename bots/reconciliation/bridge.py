"""From the bank's balance to the books': every item that makes the difference, by account, to the minor unit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal

import numpy as np
import pandas as pd

from bots.reconciliation.matched import BANK, BOOK, Matched
from bots.reconciliation.reading import Side
from bots.reconciliation.sides import Balance

What = Literal["bank open", "book open", "suggested", "closed", "opening"]
CLOSED, SUGGESTED, OPEN = "closed", "suggested", "open"
STATES = (CLOSED, SUGGESTED, OPEN)
"""What a line that was read can be in; what could not be read is in quarantine."""


@dataclass(frozen=True)
class Step:
    """A part of the difference."""

    what: What
    label: str
    """The cause of open lines, the kind of evidence of matched ones."""
    amount: int
    """What it adds to the bank's balance on the way to the books', minor units."""
    lines: int


@dataclass(frozen=True)
class Bridge:
    """One account in one currency: the bank's balance + steps = the books' balance."""

    account: str
    currency: str
    bank: int
    """Closing balance; where a side states none, the sum of its lines, on both sides."""
    book: int
    balances: bool
    """Whether both sides state their balances; else only what moved is compared."""
    steps: tuple[Step, ...]
    gaps: tuple[str, ...] = ()
    """Why stated balances cannot be used."""

    @property
    def difference(self) -> int:
        """Books minus bank."""
        return self.book - self.bank

    @property
    def unexplained(self) -> int:
        """What no step accounts for; anything but 0 is a bug of ours."""
        return self.difference - sum(step.amount for step in self.steps)

    @property
    def running(self) -> list[int]:
        """Return the balance after each step, the bank's before the first."""
        return list(accumulate((step.amount for step in self.steps), initial=self.bank))


def states(side: int, lines: pd.DataFrame, matched: Matched) -> pd.Series:
    """Return the one state of each line of a side.

    Raises:
        ValueError: a line is in two matches.
    """
    mine = matched.members[matched.members["side"] == side]
    if mine["line"].duplicated().any():
        raise ValueError(f"line {mine['line'][mine['line'].duplicated()].iloc[0]} of side {side} is in two matches")
    found = np.full(len(lines), OPEN, dtype=object)
    closed = matched.matches["closed"].to_numpy(bool)[mine["match"].to_numpy()]
    found[mine["line"].to_numpy()] = np.where(closed, CLOSED, SUGGESTED)
    return pd.Series(found, index=lines.index, dtype=pd.CategoricalDtype(STATES))


def bridges(bank: Side, book: Side, matched: Matched, causes: Mapping[int, pd.Series]) -> list[Bridge]:
    """Return the way from the bank's balance to the books', by account and currency.

    Args:
        bank: the bank's side.
        book: the books' side.
        matched: the solution.
        causes: side to the cause of each of its open lines, by line.
    """
    sides = {BANK: bank, BOOK: book}
    steps: dict[tuple[str, str], list[Step]] = defaultdict(list)
    for side, one in sides.items():
        for (account, currency, cause), (amount, count) in _open(one, causes[side], states(side, one.lines, matched)):
            what: What = "bank open" if side == BANK else "book open"
            steps[account, currency].append(Step(what, cause, -amount if side == BANK else amount, count))
    for (account, currency, closed, kind), (amount, count) in _differences(sides, matched):
        steps[account, currency].append(Step(CLOSED if closed else SUGGESTED, kind, amount, count))
    moved = {side: one.lines.groupby(["account", "currency"])["amount"].sum() for side, one in sides.items()}
    stated = {side: {(given.account, given.currency): given for given in one.balances} for side, one in sides.items()}
    found = []
    for key in sorted({*stated[BANK], *stated[BOOK], *moved[BANK].index, *moved[BOOK].index}):
        pair = [stated[side].get(key) or Balance(*key, None, None, None, None) for side in (BANK, BOOK)]
        sums = [int(moved[side].get(key, 0)) for side in (BANK, BOOK)]
        found.append(_bridge(key, steps[key], pair, sums))
    return found


def _bridge(key: tuple[str, str], steps: list[Step], pair: Sequence[Balance], sums: Sequence[int]) -> Bridge:
    bank, book = pair
    gaps = tuple(one.gap for one in pair if one.gap)
    if bank.opening is None or bank.closing is None or book.opening is None or book.closing is None:
        return Bridge(*key, *sums, False, tuple(steps), gaps)
    if book.opening != bank.opening:
        steps = [*steps, Step("opening", "", book.opening - bank.opening, 0)]
    return Bridge(*key, bank.closing, book.closing, True, tuple(steps), gaps)


def _open(one: Side, causes: pd.Series, state: pd.Series) -> Iterator[tuple[tuple[Any, ...], tuple[int, int]]]:
    """Yield the sum and number of open lines by account, currency and cause."""
    lines = one.lines.loc[(state == OPEN).to_numpy(), ["account", "currency", "amount"]]
    named = lines.assign(cause=causes.reindex(lines.index).fillna("").astype("str"))
    return _summed(named, ["account", "currency", "cause"], "amount")


def _differences(sides: Mapping[int, Side], matched: Matched) -> Iterator[tuple[tuple[Any, ...], tuple[int, int]]]:
    """Yield what matches leave, books minus bank, by account, currency, whether they are closed, and kind."""
    parts = []
    for side, one in sides.items():
        mine = matched.members[matched.members["side"] == side]
        lines = one.lines[["account", "currency", "amount"]].iloc[mine["line"].to_numpy()]
        sign = -1 if side == BANK else 1
        parts.append(lines.assign(adds=sign * lines["amount"], match=mine["match"].to_numpy()))
    left = pd.concat(parts).groupby(["account", "currency", "match"], as_index=False)["adds"].sum()
    left = left[left["adds"] != 0]
    told = matched.matches[["closed", "kind"]].iloc[left["match"].to_numpy()]
    named = left.assign(closed=told["closed"].to_numpy(), kind=told["kind"].astype("str").to_numpy())
    return _summed(named, ["account", "currency", "closed", "kind"], "adds")


def _summed(rows: pd.DataFrame, by: list[str], column: str) -> Iterator[tuple[tuple[Any, ...], tuple[int, int]]]:
    sums = rows.groupby(by, observed=True)[column].agg(["sum", "size"])
    return ((key, (int(total), int(count))) for key, total, count in sums.itertuples(name=None))
