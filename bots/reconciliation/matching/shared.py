"""Groups tied by a key: both sides carry it, or one side does and the other has the total (1-N, N-1, N-M)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bots.reconciliation.matched import BANK
from bots.reconciliation.matching import odds
from bots.reconciliation.matching.candidates import MOST_RIVALS, Part, members, within
from bots.reconciliation.matching.fees import plausible
from bots.reconciliation.matching.pairs import Blocks, between, numbered
from bots.reconciliation.matching.sums import Groups
from bots.reconciliation.matching.view import Ints, View, among, spread
from bots.reconciliation.policy import Policy


def by_key(bank: View, book: View, policy: Policy) -> list[Part]:
    """Return the groups of all lines that carry one key in one purse, where both sides add up to the same.

    Up to `policy.group` lines against one, up to `policy.net` on both sides; a bank that keeps a fee within the policy
    makes a kind of its own.
    """
    (own, own_key), (theirs, their_key) = bank.keys, book.keys
    width = 1 + max(int(key.max(initial=0)) for key in (own_key, their_key))
    groups, number = np.unique(
        np.concatenate((bank.purse[own] * width + own_key, book.purse[theirs] * width + their_key)), return_inverse=True
    )
    of_bank, of_book = number[: len(own)], number[len(own) :]
    left, right = _summed(bank, own, of_bank, len(groups)), _summed(book, theirs, of_book, len(groups))
    few, many = np.minimum(left.count, right.count), np.maximum(left.count, right.count)
    bounded = (few >= 1) & (many > 1) & np.where(few > 1, many <= policy.net, many <= policy.group)
    first, last = left.first - right.last, left.last - right.first
    timely = within(first, policy.earliest, policy.latest) & within(last, policy.earliest, policy.latest)
    days = np.where(np.abs(first) > np.abs(last), first, last)
    off = left.total - right.total
    found = []
    for kind, fits in (
        ("group_by_key", (off == 0) & (few == 1)),
        ("net_by_key", (off == 0) & (few > 1)),
        ("group_by_key_less_fee", plausible(off, right.total, policy)),
    ):
        chosen = np.flatnonzero(fits & bounded & timely)
        place = np.full(len(groups), -1, dtype=np.int64)
        place[chosen] = np.arange(len(chosen))
        held = [(place[of][place[of] >= 0], row[place[of] >= 0]) for of, row in ((of_bank, own), (of_book, theirs))]
        none = np.zeros(len(chosen), dtype=np.int64)
        score = odds.of(odds.KEY_FEE if off[chosen].any() else odds.KEY, none, days[chosen])
        found.append(Part(kind, off[chosen], days[chosen], score, none, *members(bank, book, *held)))
    return found


@dataclass(frozen=True)
class _Summed:
    """Of each group: number of lines, total, first and last day."""

    count: Ints
    total: Ints
    first: Ints
    last: Ints


def _summed(view: View, row: Ints, group: Ints, groups: int) -> _Summed:
    total = np.zeros(groups, dtype=np.int64)
    first, last = np.full(groups, 1 << 40, dtype=np.int64), np.full(groups, -(1 << 40), dtype=np.int64)
    np.add.at(total, group, view.amount[row])
    np.minimum.at(first, group, view.day[row])
    np.maximum.at(last, group, view.day[row])
    return _Summed(np.bincount(group, minlength=groups), total, first, last)


def batches(totals: View, items: View, side: int, policy: Policy) -> Groups:
    """Find the lines that are the total of all lines with one key, which no line of their own side has.

    A payment run, or a batch booking taken apart. `alternatives` counts other totals of a batch, other batches of a
    total; a batch is compared with the totals of its purse and direction that are in time.
    """
    (row, key), (_, taken) = items.keys, totals.keys
    alone = ~among(key, taken)
    row, key = row[alone], key[alone]
    width = 1 + int(key.max(initial=0))
    _, number = np.unique(items.purse[row] * width + key, return_inverse=True)
    groups = int(number.max(initial=-1)) + 1
    every = _summed(items, row, number, groups)
    batch = np.flatnonzero((every.count > 1) & (every.count <= policy.group) & (every.total != 0))
    purse = np.zeros(groups, dtype=np.int64)
    purse[number] = items.purse[row]
    own, theirs = numbered(totals.purse, totals.amount, purse[batch], every.total[batch])
    low, high = (policy.earliest, policy.latest) if side == BANK else (-policy.latest, -policy.earliest)
    some = np.zeros(groups, dtype=np.int64)
    some[number] = row
    ends = replace(items.take(some[batch]), day=every.last[batch])
    blocks = Blocks((np.arange(len(batch)), theirs), (np.arange(len(totals)), own))
    place, _, total = between(ends, totals, blocks, low, high, MOST_RIVALS + 1)
    batch = batch[place]
    timely = within(totals.day[total] - every.first[batch], low, high)
    batch, total = batch[timely], total[timely]
    ways = np.maximum(*(np.bincount(used, minlength=1)[used] for used in (batch, total))) - 1
    held = np.argsort(number, kind="stable")
    owner, member = spread(*(np.searchsorted(number[held], batch, side=edge) for edge in ("left", "right")))
    return Groups(total, owner, row[held][member], ways, np.ones(len(total)))
