"""The odds that two lines are one payment, from how they compare.

The odds follow Fellegi and Sunter: for each field ln(how often it looks like this in lines that belong together / in
lines that do not). How often lines agree by chance is counted in the lines at hand: a reference that one line carries
weighs more than a name that a thousand do, and an amount at a price point next to nothing. How often lines that belong
together differ is `DIFFERS`. The sum begins with ln(1 / lines that could be it): the open ones of that side, if it is
open.

I. P. Fellegi and A. B. Sunter, "A theory for record linkage", Journal of the American Statistical Association 64
(1969), 1183-1210.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
import pandas as pd

from bots.reconciliation.reasons import fields
from bots.reconciliation.reasons.fields import AGREES, FOREIGN, NEAR, UNLIKE, Copies, Floats
from bots.reconciliation.reasons.stacked import Bools, Ints, Stacked

DIFFERS: Final[Mapping[str, float]] = MappingProxyType(
    {
        "currency": 0.01,
        "account": 0.01,
        "sign": 0.01,
        "amount": 0.05,
        "date": 0.02,
        "taken": 0.02,
        "reference": 0.1,
        "name": 0.1,
    }
)
"""Share of open lines with a partner whose partner differs in a field, in the order in which the field is said to
block: rough beforehand, as every prior is. Only their order of size matters; the data decide by the other half."""
_REACH: Final = 100
"""References within so many edits of a running number, roughly."""
_SPAN: Final = 14
"""Days that a window holds, roughly..."""
_MONTHS: Final = 7.0
"""... and the most that being within it is worth: lines of one party lie together."""
_RATE: Final = 0.05
"""ln of how far the rate of a payment may be off the usual one."""
_UNSEEN: Final = 100
"""Lines that might be there beside those that are: in a short list, that one line has an amount says little."""


@dataclass(frozen=True)
class States:
    """How pairs of lines compare; every array has one entry a pair."""

    other: Ints
    bank: Ints
    book: Ints
    inside: Bools
    """Whether both are of one side."""
    account: Bools
    amount: Ints
    window: Bools
    reference: Ints
    shared: Floats
    """How many lines of the other line's side carry the rarest mark that both have."""
    name: Ints


def odds(lines: Stacked, states: States, taken: Bools, copies: Copies) -> Floats:
    """Return ln of the odds that each pair is one payment; `taken` says of every line whether a match holds it."""
    other, foreign = states.other, states.amount == FOREIGN
    side = lines.side[other]
    size = np.bincount(lines.side, minlength=2)[side].astype(float)
    rivals = np.where(taken[other], size, np.bincount(lines.side[~taken], minlength=2)[side])
    seen = size + _UNSEEN
    found: Floats = (
        -np.log(rivals)
        + np.where(states.account, np.log(size / copies.of("account", other)), np.log(DIFFERS["account"]))
        + np.where(foreign, np.log(DIFFERS["currency"]) + _of_rate(lines, states), 0.0)
        + _of_amount(states, seen, copies)
        + _of_days(lines, states.window)
        + np.where(taken[other] & ~states.inside, np.log(DIFFERS["taken"]), 0.0)
        + _of_text("reference", states.reference, seen / states.shared, seen / _REACH)
        + _of_text("name", states.name, seen / copies.of("name", other), np.ones(len(other)))
    )
    return found


def _of_amount(states: States, size: Floats, copies: Copies) -> Floats:
    """Return what the amounts are worth; of a fee or a part, that most amounts would do as well."""
    count, off = len(states.other), np.log(DIFFERS["amount"])
    same = np.log(size / copies.of("size", states.other))
    worth = {
        fields.EQUAL: same,
        fields.OPPOSITE: same + np.where(states.inside, 0.0, np.log(DIFFERS["sign"])),
        fields.SWAPPED: np.log(size / copies.of("digits", states.other)) + off,
        fields.WITHIN: np.full(count, off + 1.0),
        fields.FEE: np.full(count, off + 1.0),
        fields.PART: np.full(count, off),
        fields.FOREIGN: np.zeros(count),
    }
    return np.select([states.amount == state for state in worth], list(worth.values()), 3 * off)


def _of_rate(lines: Stacked, states: States) -> Floats:
    """Return what the rate between two amounts is worth: whether it is that of the pairs that share a reference."""
    bank, book = states.bank, states.book
    foreign = states.amount == FOREIGN
    sure = foreign & (states.reference == AGREES)
    pair = lines.currency[bank] * (int(lines.currency.max(initial=0)) + 1) + lines.currency[book]
    same_sign = (lines.amount[bank] > 0) == (lines.amount[book] > 0)
    sizes = [np.log(np.maximum(np.abs(lines.amount[side]), 1)) for side in (bank, book)]
    rate = pd.Series(np.where(same_sign, sizes[0] - sizes[1], np.nan))
    usual = rate[sure].groupby(pair[sure]).median().reindex(pair).to_numpy()
    near = np.abs(rate.to_numpy() - usual) <= _RATE
    share = (
        pd.Series(near[foreign])
        .groupby(pair[foreign])
        .mean()
        .reindex(pair)
        .to_numpy()
        .clip(DIFFERS["amount"], 1 - DIFFERS["amount"])
    )
    worth = np.where(near, np.log((1 - DIFFERS["amount"]) / share), np.log(DIFFERS["amount"] / (1 - share)))
    return np.where(np.isnan(usual), 0.0, worth)


def _of_days(lines: Stacked, window: Bools) -> Floats:
    """Return what the days are worth: within the window little, as all lines of a month are near each other."""
    span = float(np.ptp(lines.day)) if len(lines) else 0.0
    found: Floats = np.where(window, np.log(np.clip(span / _SPAN, 1.0, _MONTHS)), np.log(DIFFERS["date"]))
    return found


def _of_text(field: str, state: Ints, agrees: Floats, near: Floats) -> Floats:
    """Return what a reference or name is worth; `agrees` and `near`: one line in how many does so by chance."""
    off = np.log(DIFFERS[field])
    worth = [np.log(np.maximum(agrees, 1.0)), np.log(np.maximum(near, 1.0)) + off, np.full(len(state), off)]
    return np.select([state == AGREES, state == NEAR, state == UNLIKE], worth, 0.0)
