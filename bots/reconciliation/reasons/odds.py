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

from bots.reconciliation.matched import BANK, BOOK
from bots.reconciliation.policy import Policy
from bots.reconciliation.reasons import fields
from bots.reconciliation.reasons.fields import AGREES, FOREIGN, NEAR, UNLIKE, Copies
from bots.reconciliation.reasons.stacked import Bools, Floats, Ints, Stacked

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
_AROUND: Final = 0.25
"""ln of how far the amounts reach that say how common one is."""
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


def odds(
    lines: Stacked, states: States, taken: Bools, copies: Copies, policy: Policy, delays: Floats | None
) -> tuple[Floats, Floats]:
    """Return ln of the odds that each pair is one payment, and ln of how much likelier a fee is than a part.

    Args:
        lines: both sides.
        states: how the pairs compare.
        taken: of every line, whether a match holds it.
        copies: of the same lines.
        policy: what it was matched under.
        delays: share of right pairs with each delay of the policy's window, by `lags.delays`; None: any is alike.
    """
    other, foreign = states.other, states.amount == FOREIGN
    side = lines.side[other]
    size = copies.sizes[other]
    rivals = np.where(taken[other], size, np.bincount(lines.side[~taken], minlength=2)[side])
    seen = size + _UNSEEN
    amount, fee = _of_amount(lines, states, seen, copies, policy)
    found: Floats = (
        -np.log(rivals)
        + np.where(states.account, np.log(size / copies.of("account", other)), np.log(DIFFERS["account"]))
        + np.where(foreign, np.log(DIFFERS["currency"]) + _of_rate(lines, states), 0.0)
        + amount
        + _of_days(lines, states, policy, delays)
        + np.where(taken[other] & ~states.inside, np.log(DIFFERS["taken"]), 0.0)
        + _of_text("reference", states.reference, seen / states.shared, seen / _REACH)
        + _of_text("name", states.name, seen / copies.of("name", other), np.ones(len(other)))
    )
    return found, fee


def spoken(states: States, copies: Copies) -> Floats:
    """Return ln of how much rarer the other line's words are than what its name and reference alone are worth."""
    other = states.other
    named = np.where(states.name == AGREES, copies.of("name", other), np.inf)
    carried = np.where(states.reference == AGREES, states.shared, np.inf)
    size = copies.sizes[other] + _UNSEEN
    counted = np.log(np.maximum(size / named, 1.0)) + np.log(np.maximum(size / carried, 1.0))
    found: Floats = np.log(size / copies.of("wording", other)) - counted
    return found


def _of_amount(lines: Stacked, states: States, size: Floats, copies: Copies, policy: Policy) -> tuple[Floats, Floats]:
    """Return what the amounts are worth, and ln of how much likelier the difference is a fee than the rest of a part.

    An amount that differs is worth how much denser right amounts lie there than any do: a part is anything up to the
    whole; a fee is anything up to what the policy allows, and more is the rarer the more it is (exponential, and the
    allowance is the scale).
    """
    off = np.log(DIFFERS["amount"])
    same = np.log(size / copies.of("size", states.other))
    part, fee = _densities(lines, states, policy)
    worth = {
        fields.EQUAL: same,
        fields.OPPOSITE: same + np.where(states.inside, 0.0, np.log(DIFFERS["sign"])),
        fields.SWAPPED: np.log(size / copies.of("digits", states.other)) + off,
        fields.WITHIN: off + np.maximum(part, fee),
        fields.FEE: off + np.maximum(part, fee),
        fields.PART: off + part,
        fields.FOREIGN: np.zeros(len(part)),
    }
    found = np.select([states.amount == state for state in worth], list(worth.values()), 3 * off)
    return found, np.where(np.isin(states.amount, (fields.FEE, fields.WITHIN)), fee - part, 0.0)


def _densities(lines: Stacked, states: States, policy: Policy) -> tuple[Floats, Floats]:
    """Return ln of the density of the other amount as a part, and less a fee, each over its own."""
    logs = np.log(np.maximum(np.abs(lines.amount), 1).astype(float))
    there, side = logs[states.other], lines.side[states.other]
    around = np.zeros(len(there))
    for which in (BANK, BOOK):
        known = np.sort(logs[lines.side == which])
        mine = side == which
        inside = [np.searchsorted(known, there[mine] + off) for off in (-_AROUND, _AROUND)]
        around[mine] = (inside[1] - inside[0] + 1.0) / (len(known) + _UNSEEN)
    chance = np.log(around / (2 * _AROUND) / 2)  # of either sign
    ours, theirs = lines.amount[states.book].astype(float), lines.amount[states.bank].astype(float)
    allowed = policy.fee_fixed + float(policy.fee_share) * np.abs(ours)
    whole = np.log(np.maximum(np.maximum(np.abs(ours), np.abs(theirs)), 1.0))
    fee = there - np.log(np.maximum(allowed, 1.0)) - chance
    return there - whole - chance, fee - np.maximum((ours - theirs) / np.maximum(allowed, 1.0) - 1.0, 0.0)


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


def _of_days(lines: Stacked, states: States, policy: Policy, delays: Floats | None) -> Floats:
    """Return what the days are worth: how often right pairs lie so far apart, over how often any two lines do.

    Outside the window it falls off by as much each window's width.
    """
    span, calendar = float(np.ptp(lines.work) if len(lines) else 0) + 1.0, np.ptp(lines.day) if len(lines) else 0
    days = lines.work[states.bank] - lines.work[states.book]
    usual = np.full(len(days), np.log(np.clip(float(calendar) / _SPAN, 1.0, _MONTHS)))
    if delays is not None:
        place = np.clip(days - policy.earliest, 0, len(delays) - 1)
        usual = np.where(states.inside, usual, np.log(delays[place] * span))
    width = float(max(1, policy.latest - policy.earliest))
    beyond = np.maximum(days - policy.latest, policy.earliest - days)
    late = np.log(DIFFERS["date"] * max(1.0, span / width)) - beyond / width
    found: Floats = np.where(states.window, usual, np.where(states.inside, np.log(DIFFERS["date"]), late))
    return found


def _of_text(field: str, state: Ints, agrees: Floats, near: Floats) -> Floats:
    """Return what a reference or name is worth; `agrees` and `near`: one line in how many does so by chance."""
    off = np.log(DIFFERS[field])
    worth = [np.log(np.maximum(agrees, 1.0)), np.log(np.maximum(near, 1.0)) + off, np.full(len(state), off)]
    return np.select([state == AGREES, state == NEAR, state == UNLIKE], worth, 0.0)
