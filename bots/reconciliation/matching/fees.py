"""Single lines that differ by what a bank keeps: a fixed fee, a share, or both, within the policy."""

from __future__ import annotations

import numpy as np

from bots.reconciliation.matching import odds
from bots.reconciliation.matching.candidates import MOST_RIVALS, Part, members
from bots.reconciliation.matching.pairs import Blocks, near
from bots.reconciliation.matching.view import Flags, Ints, View
from bots.reconciliation.policy import Policy


def plausible(difference: Ints, amount: Ints, policy: Policy) -> Flags:
    """Say which differences (bank minus book, minor units) a fee explains.

    A bank never pays a fee: what comes in is less than the books say, what goes out is more.
    """
    most = np.abs(amount) * float(policy.fee_share) + policy.fee_fixed
    return (difference < 0) & (-difference <= most) & (-difference < np.abs(amount))


def with_fee(bank: View, book: View, blocks: Blocks, kind: str, base: float, policy: Policy) -> Part:
    """Return pairs of one block (a key, or a party) whose difference is a fee.

    `alternatives` counts the other lines that would do for either of the two.
    """
    row, other = near(bank, book, blocks, policy)
    off = bank.amount[row] - book.amount[other]
    fits = plausible(off, book.amount[other], policy)
    row, other, off = row[fits], other[fits], off[fits]
    rivals = np.maximum(np.bincount(row, minlength=1)[row], np.bincount(other, minlength=1)[other]) - 1
    few = rivals <= MOST_RIVALS
    row, other, off, rivals = row[few], other[few], off[few], rivals[few]
    days = bank.day[row] - book.day[other]
    owner = np.arange(len(row))
    score = odds.of(base, rivals, days)
    return Part(kind, off, days, score, rivals, *members(bank, book, (owner, row), (owner, other)))
