"""Pairs of lines, compared field by field."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bots.reconciliation.policy import Policy
from bots.reconciliation.reasons import fields
from bots.reconciliation.reasons.fields import EQUAL, FOREIGN, NEAR, OPPOSITE, UNLIKE, WITHIN, Copies
from bots.reconciliation.reasons.odds import DIFFERS, States, odds, spoken
from bots.reconciliation.reasons.stacked import Bools, Floats, Ints, Stacked


@dataclass(frozen=True)
class Compared:
    """Pairs of lines, field by field; every array has one entry a pair."""

    one: Ints
    other: Ints
    bank: Ints
    """The line that stands for the bank: of two sides the bank's, of one side the first."""
    book: Ints
    account: Bools
    amount: Ints
    days: Ints
    """Business days from the books' day to the bank's."""
    window: Bools
    """Whether these days are within the policy's window."""
    reference: Ints
    name: Ints
    taken: Bools
    """Whether the other line is in a match already."""
    odds: Floats
    """ln of the odds that the lines are one payment."""
    fee: Floats
    """ln of how much likelier a fee explains amounts in state FEE or WITHIN than a part does."""
    spoken: Floats
    """ln of how much rarer the other line's words are than its name and reference, which the odds have counted."""

    @property
    def blocks(self) -> NDArray[np.object_]:
        """Return the one field that keeps each pair from matching, the gravest of those that differ; empty for none."""
        off = {
            "currency": self.amount == FOREIGN,
            "account": ~self.account,
            "sign": self.amount == OPPOSITE,
            "amount": ~np.isin(self.amount, (EQUAL, WITHIN, OPPOSITE, FOREIGN)),
            "date": ~self.window,
            "taken": self.taken,
            "reference": self.reference >= NEAR,
            "name": self.name == UNLIKE,
        }
        found: NDArray[np.object_] = np.select([off[name] for name in DIFFERS], list(DIFFERS), default="").astype(
            object
        )
        return found


def compare(
    lines: Stacked, one: Ints, other: Ints, taken: Bools, policy: Policy, delays: Floats | None = None
) -> Compared:
    """Compare pairs of lines, each given by places in the stack, shape (pairs,).

    Pairs of one side are compared as what they may be to each other, an entry and its double or its reversal: there
    the sign says nothing, and a taken line is as good as an open one. `delays` are those of `lags.delays`.
    """
    inside = lines.side[one] == lines.side[other]
    first = np.where(inside, one < other, lines.side[one] == 0)
    bank, book = np.where(first, one, other), np.where(first, other, one)
    days = lines.work[bank] - lines.work[book]
    copies = Copies(lines)
    reference, shared = fields.references(lines, one, other, copies)
    states = States(
        other=other,
        bank=bank,
        book=book,
        inside=inside,
        account=lines.account[one] == lines.account[other],
        amount=fields.amounts(lines, bank, book, policy),
        window=np.where(inside, np.abs(days) <= policy.reversal, (days >= policy.earliest) & (days <= policy.latest)),
        reference=reference,
        shared=shared,
        name=fields.names(lines, one, other),
    )
    worth, fee = odds(lines, states, taken, copies, policy, delays)
    return Compared(
        one=one,
        other=other,
        bank=bank,
        book=book,
        account=states.account,
        amount=states.amount,
        days=days,
        window=states.window,
        reference=reference,
        name=states.name,
        taken=taken[other] & ~inside,
        odds=worth,
        fee=fee,
        spoken=spoken(states, copies),
    )
