"""From the bank's balance to the books': every item that makes the difference, by account, to the minor unit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Literal

import numpy as np
import pandas as pd

from bots.reconciliation.matched import BANK, BOOK, Matched
from bots.reconciliation.reading import Side
from bots.reconciliation.sides import Balance

What = Literal["open", "suggested", "closed", "opening"]
CLOSED, SUGGESTED, OPEN = "closed", "suggested", "open"
_ORDER: Final[tuple[What, ...]] = ("open", "suggested", "closed", "opening")
_WHAT: Final[Mapping[str, What]] = {"closed": "closed", "suggested": "suggested", "open": "open"}
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
    bank: int
    """How many lines of the bank it is about."""
    book: int


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
    return pd.Series(found, index=lines.index, dtype=pd.CategoricalDtype(list(STATES)))


def bridges(bank: Side, book: Side, matched: Matched, causes: Mapping[int, pd.Series]) -> list[Bridge]:
    """Return the way from the bank's balance to the books', by account and currency.

    Args:
        bank: the bank's side.
        book: the books' side.
        matched: the solution.
        causes: side to the cause of each of its open lines, by line.
    """
    sides = {BANK: bank, BOOK: book}
    lines = pd.concat([_lines(side, one.lines, matched, causes[side]) for side, one in sides.items()])
    left = lines.groupby(["account", "currency", "match"])["adds"].transform("sum")
    lines = lines[(lines["match"] < 0) | (left != 0)]
    steps: dict[tuple[str, str], list[Step]] = defaultdict(list)
    by = lines.groupby(["account", "currency", "state", "label"], observed=True, sort=True)
    for (account, currency, state, label), adds, theirs, ours in by[["adds", "bank", "book"]].sum().itertuples():
        steps[account, currency].append(Step(_WHAT[state], label, int(adds), int(theirs), int(ours)))
    moved = {side: one.lines.groupby(["account", "currency"])["amount"].sum() for side, one in sides.items()}
    stated = {side: {(given.account, given.currency): given for given in one.balances} for side, one in sides.items()}
    found = []
    for key in sorted({*stated[BANK], *stated[BOOK], *moved[BANK].index, *moved[BOOK].index}):
        pair = [stated[side].get(key) or Balance(key[0], key[1], None, None, None, None) for side in (BANK, BOOK)]
        sums = [int(moved[side].get(key, 0)) for side in (BANK, BOOK)]
        ordered = sorted(steps[key], key=lambda step: (_ORDER.index(step.what), -abs(step.amount), step.label))
        found.append(_bridge(key, ordered, pair, sums))
    return found


def _bridge(key: tuple[str, str], steps: list[Step], pair: Sequence[Balance], sums: Sequence[int]) -> Bridge:
    bank, book = pair
    gaps = tuple(one.gap for one in pair if one.gap)
    if bank.opening is None or bank.closing is None or book.opening is None or book.closing is None:
        return Bridge(key[0], key[1], sums[0], sums[1], False, tuple(steps), gaps)
    if book.opening != bank.opening:
        steps = [*steps, Step("opening", "", book.opening - bank.opening, 0, 0)]
    return Bridge(key[0], key[1], bank.closing, book.closing, True, tuple(steps), gaps)


def _lines(side: int, lines: pd.DataFrame, matched: Matched, causes: pd.Series) -> pd.DataFrame:
    """Return the lines that make a difference: open ones, and those of matches whose two sides are not equal."""
    state = states(side, lines, matched)
    found = lines[["account", "currency"]].assign(
        state=state,
        label=causes.reindex(lines.index).fillna("").astype("str"),
        match=-1,
        adds=-lines["amount"] if side == BANK else lines["amount"],
        bank=int(side == BANK),
        book=int(side == BOOK),
    )
    mine = matched.members[matched.members["side"] == side]
    at, match = mine["line"].to_numpy(), mine["match"].to_numpy()
    found.loc[at, "match"] = match
    found.loc[at, "label"] = matched.matches["kind"].astype("str").to_numpy()[match]
    return found
