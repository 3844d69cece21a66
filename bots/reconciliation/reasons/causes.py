"""What is the matter with an open line: its partner and the field that differs, its double or reversal, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bots.reconciliation.reasons import fields as of
from bots.reconciliation.reasons.beliefs import CODE, LEAST, NAMES, Pairs, believe, likeliest, sure
from bots.reconciliation.reasons.compare import Compared
from bots.reconciliation.reasons.stacked import Bools, Floats, Ints, Stacked

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
_LATE: Final = 1
"""Business days within which lines without a reference that agree in every word are an entry and its double."""
_WORD_FOR_WORD: Final = 1.0
"""ln of how many returns to each that says something else than what it returns, roughly."""


@dataclass(frozen=True)
class Twins:
    """Lines of one side of which the first may repeat the other, or take it back."""

    one: Ints
    other: Ints
    odds: Floats
    reverse: Bools
    """Whether it takes it back."""


@dataclass(frozen=True)
class Explained:
    """What was found of each open line; places are those in the stack, -1 for none."""

    cause: NDArray[np.object_]
    partner: Ints
    """Its partner on the other side, whose partner it is; several parts of one line have it as theirs."""
    twin: Ints
    """The line of its own side that it repeats or takes back."""
    sure: Bools
    """Whether of twins that are both open each takes back the other."""


def ranked(found: Compared, open_lines: Ints, most: int = 3) -> Ints:
    """Return the nearest candidates of each open line, by odds, then days, then position.

    Places in `found`, -1 for none; shape (lines, most).
    """
    order = np.lexsort((found.other, np.abs(found.days), -found.odds, found.one))
    begin = np.searchsorted(found.one[order], open_lines)
    end = np.searchsorted(found.one[order], open_lines, side="right")
    place = begin[:, None] + np.arange(most)
    there = place < end[:, None]
    return np.where(there, order[np.minimum(place, len(order) - 1)], -1) if len(order) else np.where(there, 0, -1)


def twins(lines: Stacked, found: Compared, taken: Bools) -> Twins:
    """Return which lines may repeat another of their own side, or take it back.

    An entry and its double agree in the reference, or, without one, in every word within a day of each other; of two
    open ones the later is the double. A reversal has the opposite amount, and nothing that speaks against it; one that
    says the same word for word is worth as much as these words are rare.
    """
    opposite = found.amount == of.OPPOSITE
    agrees, unlike = found.reference == of.AGREES, np.isin(found.reference, (of.NEAR, of.UNLIKE))
    worded = (lines.words[found.one] == lines.words[found.other]) & (lines.words[found.one] != "")
    early = taken[found.other] | (lines.day[found.other] < lines.day[found.one])
    early |= (lines.day[found.other] == lines.day[found.one]) & (found.other < found.one)
    double = (found.amount == of.EQUAL) & early & (agrees | (worded & ~unlike & (np.abs(found.days) <= _LATE)))
    usable = found.window & (found.name != of.UNLIKE) & (double | (opposite & ~unlike))
    marked = lines.reversal[found.one] | lines.reversal[found.other]
    odds = found.odds + np.where(marked, 0.0, _REPEATS) + np.where(worded, found.spoken - _WORD_FOR_WORD, 0.0).clip(0)
    return Twins(found.one[usable], found.other[usable], odds[usable], opposite[usable])


def explain(lines: Stacked, found: Compared, beside: Twins, open_lines: Ints, taken: Bools, late: Floats) -> Explained:
    """Explain all open lines together.

    Args:
        lines: both sides.
        found: candidates on the other side, pairs of open lines both ways.
        beside: candidates on their own side.
        open_lines: their places, ascending.
        taken: of every line, whether a match holds it.
        late: share of partners that come later than each open line is old.
    """
    place, count = np.full(len(lines), -1), len(open_lines)
    place[open_lines] = np.arange(count)
    pairs = _pairs(found, beside, place, taken)
    second = np.zeros((count, 2))
    alone = taken[beside.other] | ~beside.reverse
    weight = np.exp(np.minimum(beside.odds[alone], -LEAST * 2))
    np.add.at(second, (place[beside.one[alone]], beside.reverse[alone].astype(np.int64)), weight)
    side = lines.side[open_lines]
    beliefs = believe(pairs, second, side, late, np.array(lines.wholes, dtype=float))
    mate, ours = sure(pairs, beliefs, count)
    code = np.where(ours >= 0, ours, likeliest(beliefs))
    partner = np.where(mate >= 0, open_lines[np.maximum(mate, 0)], -1)
    same = (partner >= 0) & (lines.side[np.maximum(partner, 0)] == side)
    cause = np.array(NAMES, dtype=object)[code]
    twin = np.where(same, partner, _twin(beside, open_lines, cause, len(lines)))
    partner = _further_parts(lines, found, open_lines, taken, np.where(same, -1, partner), cause)
    return Explained(cause, partner, twin, same)


def _further_parts(
    lines: Stacked, found: Compared, open_lines: Ints, taken: Bools, partner: Ints, cause: NDArray[np.object_]
) -> Ints:
    """Give lines without a partner to a line that others pay in part, while all parts are no more than the whole.

    Changes `cause` in place and returns the partners. The likeliest parts come first.
    """
    place, size = np.full(len(lines), -1), np.abs(lines.amount)
    place[open_lines] = np.arange(len(open_lines))
    parts = np.flatnonzero(cause == "partial")
    parts = parts[(partner[parts] >= 0) & (size[open_lines[parts]] < size[np.maximum(partner[parts], 0)])]
    rest = dict(zip(partner[parts].tolist(), (size[partner[parts]] - size[open_lines[parts]]).tolist(), strict=True))
    unsure = open_lines[(cause == "partial") & (partner < 0)]  # perhaps a whole, whose parts are equally likely
    rest |= dict(zip(unsure.tolist(), size[unsure].tolist(), strict=True))
    waiting = np.isin(cause, ("missing on one side", "timing", "partial", "ambiguous")) & (partner < 0)
    free = ~taken[found.other] & np.isin(found.other, list(rest)) & waiting[place[found.one]]
    free &= (found.window | (found.reference == of.AGREES)) & found.account
    free &= np.isin(found.amount, (of.PART, of.FEE, of.WITHIN)) & (found.odds > 0)
    kept = np.flatnonzero(free & (size[found.one] < size[found.other]))
    partner = partner.copy()
    for pair in kept[np.lexsort((found.other[kept], found.one[kept], -found.odds[kept]))].tolist():
        line, whole = int(place[found.one[pair]]), int(found.other[pair])
        if partner[line] < 0 and size[found.one[pair]] <= rest.get(whole, -1):
            partner[line], cause[line] = whole, "partial"
            rest[whole] -= int(size[found.one[pair]])
            rest.pop(int(found.one[pair]), None)  # a part is no whole
            if partner[place[whole]] < 0:
                partner[place[whole]] = found.one[pair]
    return partner


def _pairs(found: Compared, beside: Twins, place: Ints, taken: Bools) -> Pairs:
    """Return every pair of open lines once for each way in which they may be one."""
    once = np.flatnonzero((found.one == found.bank) & ~taken[found.other])
    back = np.flatnonzero((found.one != found.bank) & ~taken[found.other])
    back = back[np.lexsort((found.book[back], found.bank[back]))]  # the same pairs, from the other side
    odds, fee = (found.odds[once] + found.odds[back]) / 2, found.fee[once]
    cause = _causes(found)[once]
    either = np.isin(found.amount[once], (of.FEE, of.WITHIN)) & np.isin(cause, (CODE["fee"], CODE["ambiguous"]))
    cancel = np.flatnonzero(beside.reverse & ~taken[beside.other] & (beside.one < beside.other))
    kinds = [
        (place[found.one[once]], place[found.other[once]], cause, odds + np.where(either, np.minimum(fee, 0.0), 0.0)),
        (
            place[found.one[once][either]],
            place[found.other[once][either]],
            np.full(either.sum(), CODE["partial"]),
            (odds - np.maximum(fee, 0.0))[either],
        ),
        (
            place[beside.one[cancel]],
            place[beside.other[cancel]],
            np.full(len(cancel), CODE["reversal"]),
            beside.odds[cancel],
        ),
    ]
    one, other, which, weight = (np.concatenate(parts) for parts in zip(*kinds, strict=True))
    kept = weight > LEAST
    return Pairs(one[kept], other[kept], which[kept], weight[kept])


def _causes(found: Compared) -> Ints:
    """Return what each pair would be a case of, by code: what its gravest difference says."""
    blocks = found.blocks
    code = np.full(len(blocks), CODE["ambiguous"])
    for field, cause in _BY_FIELD.items():
        code[blocks == field] = CODE[cause]
    for state, cause in _BY_AMOUNT.items():
        code[(blocks == "amount") & (found.amount == state)] = CODE[cause]
    return code


def _twin(beside: Twins, open_lines: Ints, cause: NDArray[np.object_], width: int) -> Ints:
    """Return the likeliest line that each line repeats or takes back, if that is its cause."""
    twin = np.full((2, width), -1)
    order = np.lexsort((beside.other, -beside.odds, beside.one))
    for reverse in (False, True):
        kind = order[beside.reverse[order] == reverse]
        ones, first = np.unique(beside.one[kind], return_index=True)
        twin[int(reverse), ones] = beside.other[kind][first]
    duplicate, reversal = twin[:, open_lines]
    return np.select([cause == "duplicate", cause == "reversal"], [duplicate, reversal], -1)
