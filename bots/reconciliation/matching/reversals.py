"""A booking and the one that takes it back, on one side: the same amount with the other sign, soon after."""

from __future__ import annotations

import numpy as np

from bots.reconciliation.matching import odds
from bots.reconciliation.matching.candidates import MOST_RIVALS, Part
from bots.reconciliation.matching.pairs import Blocks, between, combined, counted, distinct, numbered
from bots.reconciliation.matching.view import Flags, Ints, View, without
from bots.reconciliation.policy import Policy

Rows = tuple[Ints, Ints]
Pairs = tuple[Ints, Ints, Ints]
"""First and second line of each pair, and of each row of the view how many would do."""

BASES = {"reversal_marked": odds.FLAGGED, "reversal_in_party": odds.REVERSED, "reversal_by_amount": odds.AMOUNT}


def opposed(view: View, policy: Policy) -> Flags:
    """Say which lines have an opposite of their purse and amount within `policy.reversal` days: few, mostly."""
    code, _ = numbered(view.purse, np.abs(view.amount), view.purse[:0], view.amount[:0])
    everyone = np.arange(len(view))
    blocks = Blocks((everyone, code * 2 + view.sign), (everyone, code * 2 + 1 - view.sign))
    return counted(view, view, blocks, -policy.reversal, policy.reversal) > 0


def reversals(view: View, party: Rows, partners: Ints, side: int, policy: Policy) -> list[Part]:
    """Return pairs of lines of one purse that take each other back within `policy.reversal` business days.

    `reversal_marked`: the later one is marked so, or both carry one reference. `reversal_in_party`: both have one
    party. `reversal_by_amount`: one of them names no party, and neither has another opposite in that time. The last two
    want no references that differ. `alternatives` counts the other lines that would do for one of the two: opposites of
    the same kind, and on the other side its `partners` (one count a line), unless the bank marked the reversal.
    """
    everyone = np.arange(len(view))
    keyed = np.flatnonzero(view.reference >= 0)
    named = np.zeros(len(view), dtype=bool)
    named[party[0]] = True
    by_key = _opposites(view, (keyed, view.reference[keyed]), policy)
    alone = _opposites(view, (everyone, np.zeros(len(view), dtype=np.int64)), policy, only=view.reversal)
    first, second = (np.concatenate(rows) for rows in zip(by_key[:2], alone[:2], strict=True))
    doubt = np.where(view.reversal[first] | view.reversal[second], 0, np.maximum(partners[first], partners[second]))
    found = [_part(view, (first, second, np.maximum(by_key[2], alone[2])), doubt, side, "reversal_marked")]
    for kind, (one, other, uses) in (
        ("reversal_in_party", _opposites(view, party, policy)),
        ("reversal_by_amount", _alone(view, policy)),
    ):
        fits = (view.reference[one] == view.reference[other]) | (view.reference[one] < 0) | (view.reference[other] < 0)
        if kind == "reversal_by_amount":
            fits &= ~(named[one] & named[other])
        doubt = np.maximum(partners[one], partners[other])[fits]
        found.append(_part(view, (one[fits], other[fits], uses), doubt, side, kind))
    return found


def partners(view: View, other: View, party: Rows, other_party: Rows, low: int, high: int) -> Ints:
    """Count for each line the lines of the other side that have its purse and amount, in time, and perhaps its party.

    Perhaps: the same, or one of the two names none. The window is the other line's day minus this one's.
    """
    others = np.arange(len(other))
    unnamed, nameless = without(len(view), party[0]), without(len(other), other_party[0])
    known = without(len(view), unnamed)
    none = np.zeros(len(view) + len(other), dtype=np.int64)
    found = np.zeros(len(view), dtype=np.int64)
    for (row, code), (column, other_code) in (
        (party, other_party),
        ((unnamed, none[: len(unnamed)]), (others, none[: len(others)])),
        ((known, none[: len(known)]), (nameless, none[: len(nameless)])),
    ):
        own, wanted = combined(
            (code, other_code),
            (view.purse[row], other.purse[column]),
            (view.sign[row], other.sign[column]),
        )
        left, right = numbered(own, view.amount[row], wanted, other.amount[column])
        found += counted(view, other, Blocks((row, left), (column, right)), low, high)
    return found


def _opposites(view: View, code: Rows, policy: Policy, only: Flags | None = None) -> Pairs:
    """Return pairs (first, second): the opposite of a line, of the same code, on the same day or later; each pair once.

    `only` limits the second one. The third array says for each row of the view how many opposites it has.
    """
    row, block = code
    chosen = np.ones(len(row), dtype=bool) if only is None else only[row]
    later = row[chosen]
    own, theirs = combined(
        (block, block[chosen]), (view.purse[row], view.purse[later]), (view.sign[row], 1 - view.sign[later])
    )
    left, right = numbered(own, np.abs(view.amount[row]), theirs, np.abs(view.amount[later]))
    there, back = Blocks((row, left), (later, right)), Blocks((later, right), (row, left))
    if only is None:
        uses = counted(view, view, there, -policy.reversal, policy.reversal)
    else:
        uses = counted(view, view, there, 0, policy.reversal) + counted(view, view, back, -policy.reversal, 0)
    _, first, second = between(view, view, there, 0, policy.reversal, MOST_RIVALS + 1)
    later_day = view.day[first] < view.day[second]
    takes_back = np.where(
        view.reversal[first] == view.reversal[second], view.line[first] < view.line[second], view.reversal[second]
    )
    order = later_day | takes_back
    return *distinct(first[order], second[order]), uses


def _alone(view: View, policy: Policy) -> Pairs:
    """Return the pairs in which neither line has a second opposite of its amount in the time, before or after."""
    everyone = np.arange(len(view))
    code, _ = numbered(view.purse, np.abs(view.amount), view.purse[:0], view.amount[:0])
    blocks = Blocks((everyone, code * 2 + view.sign), (everyone, code * 2 + 1 - view.sign))
    uses = counted(view, view, blocks, -policy.reversal, policy.reversal)
    alone = np.flatnonzero(uses == 1)
    single = Blocks((alone, blocks.left[1][alone]), (alone, blocks.right[1][alone]))
    _, first, second = between(view, view, single, 0, policy.reversal, 1)
    order = (view.day[first] < view.day[second]) | (view.line[first] < view.line[second])
    return first[order], second[order], uses


def _part(view: View, pairs: Pairs, doubt: Ints, side: int, kind: str) -> Part:
    """Return pairs as candidates; `doubt` is what each has beside the other opposites of its lines."""
    first, second, uses = pairs
    rivals = np.maximum(np.maximum(uses[first], uses[second]) - 1, 0) + doubt
    few = rivals <= MOST_RIVALS
    first, second, rivals = first[few], second[few], rivals[few]
    count = len(first)
    days = view.day[second] - view.day[first]
    owner = np.concatenate((np.arange(count), np.arange(count)))
    line = np.concatenate((view.line[first], view.line[second]))
    score = odds.of(BASES[kind], rivals, days)
    return Part(kind, np.zeros(count, dtype=np.int64), days, score, rivals, owner, np.full(2 * count, side), line)
