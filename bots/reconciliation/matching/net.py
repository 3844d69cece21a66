"""Several lines against several (N-M) of one party, and one against several where some have the other sign."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from bots.reconciliation.matching import chance, odds
from bots.reconciliation.matching.candidates import MOST_RIVALS, Part, members, within
from bots.reconciliation.matching.pairs import CROWD, Blocks, combined, counted, numbered, seek
from bots.reconciliation.matching.runs import SPAN
from bots.reconciliation.matching.sums import Groups
from bots.reconciliation.matching.view import Flags, Ints, View, among, in_order, once, spread
from bots.reconciliation.policy import Policy

Rows = tuple[Ints, Ints]

_NEXT = 5
"""A line is combined with so many that follow it in its party at most."""


@dataclass(frozen=True)
class _Choices:
    """Choices of lines of one party and purse within a few days."""

    rows: Ints
    """C x k: rows of the view, -1 where there are fewer."""
    block: Ints
    total: Ints
    first: Ints
    last: Ints
    mixed: Flags
    """Some come in, some go out."""

    @property
    def many(self) -> Flags:
        """More than one line."""
        return np.asarray((self.rows >= 0).sum(axis=1) > 1)

    def take(self, chosen: Ints | Flags) -> _Choices:
        """Return some of the choices."""
        rows, block, total, first, last = (
            part[chosen] for part in (self.rows, self.block, self.total, self.first, self.last)
        )
        return _Choices(rows, block, total, first, last, self.mixed[chosen])


def net(bank: View, book: View, parties: tuple[Rows, Rows], policy: Policy) -> Part:
    """Return groups of 2 to `policy.net` lines on both sides that add up to the same, and no part of which does.

    Also one line against several of both signs, such as invoices less a credit note; without one it is a sum
    (`sums.py`). Lines are of one party and purse and, on each side, of `runs.SPAN` business days. `alternatives`
    counts the other such groups that want the same lines of one side.
    """
    (row, party), (column, other) = parties
    left, right, sought = _both(bank, book, (row, party), (column, other), policy)
    one, two = numbered(left.block, left.total, right.block, right.total)
    order = np.argsort(two, kind="stable")
    begin, end = seek(two[order], one), seek(two[order], one, "right")
    place, found = spread(begin, np.where(end - begin > CROWD, begin, end))
    pairs = np.stack((place, order[found]))
    many, more = left.many[pairs[0]], right.many[pairs[1]]
    pairs = pairs[:, (many & more) | (many & left.mixed[pairs[0]]) | (more & right.mixed[pairs[1]])]
    early, late = (left.first[pairs[0]] - right.last[pairs[1]]), (left.last[pairs[0]] - right.first[pairs[1]])
    timely = within(early, policy.earliest, policy.latest) & within(late, policy.earliest, policy.latest)
    pairs, days = pairs[:, timely], np.where(np.abs(early) > np.abs(late), early, late)[timely]
    least = _least(bank, book, left.rows[pairs[0]], right.rows[pairs[1]])
    pairs, days = pairs[:, least], days[least]
    rivals = np.maximum(*(np.bincount(used, minlength=1)[used] for used in pairs)) - 1
    accidents = _accidents(bank, book, (left, right), (pairs[0], pairs[1]))
    base = odds.of_sums(accidents, sought, rivals)
    score = odds.of(base, rivals, days)
    sides = [choices.rows[used] for choices, used in zip((left, right), pairs, strict=True)]
    from_bank, from_book = ((np.nonzero(rows >= 0)[0], rows[rows >= 0]) for rows in sides)
    none = np.zeros(len(days), dtype=np.int64)
    whole = Part("net_in_party", none, days, score, rivals, *members(bank, book, from_bank, from_book))
    return whole.only(rivals <= MOST_RIVALS, whole.kind)


def _both(bank: View, book: View, own: Rows, theirs: Rows, policy: Policy) -> tuple[_Choices, _Choices, int]:
    """Return the choices of both sides, of lines that have no single partner of their amount in their party.

    Also in how many parties both sides have such lines. Parties with a line on each side, or with one against several
    of one sign, are left out.
    """
    (row, party), (column, other) = own, theirs
    block, other_block = combined((party, other), (bank.purse[row], book.purse[column]))
    left, right = numbered(block, bank.amount[row], other_block, book.amount[column])
    alone = counted(bank, book, Blocks((row, left), (column, right)), -policy.latest, -policy.earliest) == 0
    other_alone = counted(book, bank, Blocks((column, right), (row, left)), policy.earliest, policy.latest) == 0
    keep, held = alone[row], other_alone[column]
    keep[keep] = among(block[keep], other_block[held])
    held[held] = among(other_block[held], block[keep])
    row, block, column, other_block = row[keep], block[keep], column[held], other_block[held]
    blocks = once(block)
    here, there = np.searchsorted(blocks, block), np.searchsorted(blocks, other_block)
    many, mixed = _several(here, bank.sign[row], len(blocks))
    more, both = _several(there, book.sign[column], len(blocks))
    able = (many & more) | mixed | both
    return (
        _choices(bank, row[able[here]], block[able[here]], policy.net),
        _choices(book, column[able[there]], other_block[able[there]], policy.net),
        len(blocks),
    )


def _several(block: Ints, sign: Ints, blocks: int) -> tuple[Flags, Flags]:
    """Say of each block whether it has more than one line, and whether it has lines of both signs."""
    lines, positive = np.bincount(block, minlength=blocks), np.bincount(block, weights=sign, minlength=blocks)
    return lines > 1, (positive > 0) & (positive < lines)


def _choices(view: View, row: Ints, block: Ints, most: int) -> _Choices:
    """Return all choices of 1 to `most` lines of a block within SPAN days, each begun by its first line."""
    order = in_order(block, view.day[row], view.line[row])
    row, block = row[order], block[order]
    day = view.day[row]
    follow = np.zeros(len(row), dtype=np.int64)
    for step in range(1, _NEXT + 1):
        there = np.zeros(len(row), dtype=bool)
        there[: max(len(row) - step, 0)] = (block[step:] == block[:-step]) & (day[step:] - day[:-step] <= SPAN)
        follow += there
    found = [np.zeros((0, most), dtype=np.int64)]
    for size in range(most):
        for steps in combinations(range(1, _NEXT + 1), size):
            start = np.flatnonzero(follow >= (steps[-1] if steps else 0))
            places = np.full((len(start), most), -1, dtype=np.int64)
            places[:, : size + 1] = start[:, None] + np.array((0, *steps))
            found.append(places)
    place = np.concatenate(found)
    rows = np.where(place >= 0, row[place], -1)
    amount = _amounts(view, rows)
    mixed = np.asarray((amount > 0).any(axis=1) & (amount < 0).any(axis=1))
    first, last = place[:, 0], place.max(axis=1, initial=0)
    every = _Choices(rows, block[first], amount.sum(axis=1), day[first], day[last], mixed)
    return every.take(every.total != 0)


def _amounts(view: View, rows: Ints) -> Ints:
    return np.where(rows >= 0, view.amount[rows], 0)


def _least(bank: View, book: View, left: Ints, right: Ints) -> Flags:
    """Say which groups have no part that adds up to the same on both sides, or to nothing on one."""
    sums = []
    for view, rows in ((bank, left), (book, right)):
        total, size = (np.zeros((len(rows), 1), dtype=np.int64) for _ in range(2))
        amount, real = _amounts(view, rows), rows >= 0
        for column in range(rows.shape[1]):
            total = np.hstack((total, total + amount[:, column, None]))
            size = np.hstack((size, size + real[:, column, None]))
        sums.append((total, size))
    equal = sums[0][0][:, :, None] == sums[1][0][:, None, :]
    size = sums[0][1][:, :, None] + sums[1][1][:, None, :]
    part = equal & (size > 0) & (size < size[:, -1:, -1:])
    return np.asarray(~part.any(axis=(1, 2)))


def _accidents(bank: View, book: View, choices: tuple[_Choices, _Choices], pairs: Rows) -> chance.Reals:
    """Return how many accidental groups are to be expected in the party of each, all choices against all."""
    left, right = choices
    blocks = once(np.concatenate((left.block, right.block)))
    where = [np.searchsorted(blocks, side.block) for side in choices]
    many = [np.bincount(place, minlength=len(blocks)) for place in where]
    tried = (many[0] * many[1])[where[0][pairs[0]]].astype(np.float64)
    rows = right.rows[pairs[1]]
    groups = Groups(np.arange(len(rows)), np.nonzero(rows >= 0)[0], rows[rows >= 0], pairs[0], tried)
    total = replace(bank.take(left.rows[pairs[0], 0]), amount=left.total[pairs[0]])
    return chance.expected(groups, total, book)
