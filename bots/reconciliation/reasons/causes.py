"""What is the matter with an open line: its partner and the field that differs, its double or reversal, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bots.reconciliation.reasons import fields as of
from bots.reconciliation.reasons.compare import Compared
from bots.reconciliation.reasons.fields import Floats
from bots.reconciliation.reasons.stacked import Bools, Ints, Stacked

CAUSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "timing": "its partner came outside the window, or is still to come",
        "fee": "the bank's amount is short as by a fee larger than the policy allows",
        "duplicate": "the same side has this entry already",
        "transposed digits": "two digits of the amount are swapped",
        "wrong sign": "its partner has the opposite sign",
        "wrong account": "its partner stands in another account",
        "partial": "it pays a part of its partner, or its partner a part of it",
        "reversal": "it takes back an earlier entry of its own side",
        "missing on one side": "the other side has no such entry, and none is to be expected any more",
        "FX": "its partner is in another currency",
        "ambiguous": "nothing differs: several lines fit, or too little ties it to the one that does",
    }
)
"""Causes of breaks, each in a sentence."""

_BY_FIELD: Final = MappingProxyType(
    {"currency": "FX", "account": "wrong account", "sign": "wrong sign", "date": "timing"}
)
_BY_AMOUNT: Final = MappingProxyType({of.SWAPPED: "transposed digits", of.FEE: "fee", of.PART: "partial"})
_REPEATS: Final = float(np.log(0.05))
"""ln of how often an open line is the double or the reversal of another, roughly; see `odds.DIFFERS`."""
LEAST: Final = 0.0
"""ln of the odds from which two open lines are taken for partners."""
_LATE: Final = 1
"""Business days within which lines without a reference that agree in every word are an entry and its double."""


@dataclass(frozen=True)
class Ranked:
    """The nearest candidates of each open line; arrays of one row an open line."""

    nearest: Ints
    """Place of the pair in `Compared`, best first, -1 for none; shape (lines, 3)."""
    partner: Ints
    """Place of the pair with its partner: more likely than not, and each the other's best; -1 for none."""


def ranked(found: Compared, open_lines: Ints, taken: Bools, most: int = 3) -> Ranked:
    """Rank the candidates of open lines: by odds, then by days, then by position."""
    order = np.lexsort((found.other, np.abs(found.days), -found.odds, found.one))
    begin = np.searchsorted(found.one[order], open_lines)
    end = np.searchsorted(found.one[order], open_lines, side="right")
    place = begin[:, None] + np.arange(most)
    there = place < end[:, None]
    nearest = np.where(there, order[np.minimum(place, len(order) - 1)], -1) if len(order) else np.where(there, 0, -1)
    return Ranked(nearest, _partners(found, order, open_lines, taken))


def _partners(found: Compared, order: Ints, open_lines: Ints, taken: Bools) -> Ints:
    """Return for each line the pair in which both are open and each is the other's best of those that are left.

    Round by round: pairs that are each other's best go, and with them all pairs of their lines.
    """
    partner = np.full(len(taken), -1)
    left = order[~taken[found.other[order]] & (found.odds[order] > LEAST)]
    while len(left):
        best = np.full(len(taken), -1)
        lines, first = np.unique(found.one[left], return_index=True)
        best[lines] = left[first]
        theirs = best[found.other[best[lines]]]
        mutual = (theirs >= 0) & (found.other[theirs] == lines)
        if not mutual.any():
            break
        partner[lines[mutual]] = best[lines[mutual]]
        left = left[(partner[found.one[left]] < 0) & (partner[found.other[left]] < 0)]
    return partner[open_lines]


def twins(lines: Stacked, found: Compared, open_lines: Ints, taken: Bools) -> tuple[Ints, Floats, Bools]:
    """Return for each open line the line of its own side that it repeats or takes back: place, odds, is a reversal.

    An entry and its double agree in the reference, or, without one, in every word within a day of each other; of two
    open ones the later is the double. A reversal has the opposite amount, and nothing that speaks against it.
    """
    opposite = found.amount == of.OPPOSITE
    agrees, unlike = found.reference == of.AGREES, np.isin(found.reference, (of.NEAR, of.UNLIKE))
    worded = (lines.words[found.one] == lines.words[found.other]) & (lines.words[found.one] != "")
    early = taken[found.other] | (lines.day[found.other] < lines.day[found.one])
    early |= (lines.day[found.other] == lines.day[found.one]) & (found.other < found.one)
    double = (found.amount == of.EQUAL) & early & (agrees | (worded & ~unlike & (np.abs(found.days) <= _LATE)))
    back = opposite & ~unlike
    usable = np.flatnonzero(found.window & (found.name != of.UNLIKE) & (double | back))
    order = usable[
        np.lexsort((found.other[usable], np.abs(found.days[usable]), -found.odds[usable], found.one[usable]))
    ]
    ones, first = np.unique(found.one[order], return_index=True)
    twin, odds, reverse = np.full(len(taken), -1), np.full(len(taken), -np.inf), np.zeros(len(taken), bool)
    marked = lines.reversal[ones] | lines.reversal[found.other[order[first]]]
    twin[ones], odds[ones] = found.other[order[first]], found.odds[order[first]] + np.where(marked, 0.0, _REPEATS)
    reverse[ones] = opposite[order[first]]
    return twin[open_lines], odds[open_lines], reverse[open_lines]


def named(found: Compared, rank: Ranked, twin_odds: Floats, reverse: Bools, coming: Bools) -> NDArray[np.object_]:
    """Return the cause of each open line, a name of CAUSES.

    Args:
        found: candidates on the other side.
        rank: their ranking.
        twin_odds: of the line of its own side that it repeats or takes back; -inf without one.
        reverse: whether it takes it back.
        coming: whether a partner is still to be expected, if it has none.
    """
    paired = rank.partner >= 0
    pair = np.maximum(rank.partner, 0)
    none: NDArray[np.object_] = np.where(coming, "timing", "missing on one side").astype(object)
    cause = none.copy()
    if len(found.odds):
        blocks = found.blocks[pair]
        by_amount = np.array([_BY_AMOUNT.get(int(state), "ambiguous") for state in found.amount[pair]], dtype=object)
        by_field = np.array([_BY_FIELD.get(field, "ambiguous") for field in blocks], dtype=object)
        cause = np.where(paired, np.where(blocks == "amount", by_amount, by_field), none)
        odds = np.where(paired, found.odds[pair], -np.inf)
    else:
        odds = np.full(len(none), -np.inf)
    repeats = (twin_odds > 0) & (twin_odds > odds)
    kind = np.where(reverse, "reversal", "duplicate").astype(object)
    chosen: NDArray[np.object_] = np.where(repeats, kind, cause)
    return chosen
