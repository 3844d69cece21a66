"""Candidates of more than one line, and single ones that differ by a fee or by a currency, from what is still open."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from bots.reconciliation.matched import BANK, BOOK
from bots.reconciliation.matching import chance, rests, runs, sums
from bots.reconciliation.matching.candidates import Candidates, Part, assemble
from bots.reconciliation.matching.claims import elsewhere, quoting
from bots.reconciliation.matching.exchange import exchanged
from bots.reconciliation.matching.fees import with_fee
from bots.reconciliation.matching.listed import listed
from bots.reconciliation.matching.net import net
from bots.reconciliation.matching.pairs import distinct
from bots.reconciliation.matching.reversals import opposed, partners, reversals
from bots.reconciliation.matching.ruled import ruled
from bots.reconciliation.matching.shared import batches, by_key
from bots.reconciliation.matching.tied import Names, Sought, parts
from bots.reconciliation.matching.view import Flags, Ints, View, Views, parties, spread, views, without
from bots.reconciliation.policy import Policy

_IN_PARTY = Names("sum_in_party", tied="sum_by_key")
_RUN = Names("sum_in_party")
_BATCH = Names("batch_total")
_REST = Names("sum_by_key")

Rows = tuple[Ints, Ints]


def group_candidates(
    bank: pd.DataFrame, book: pd.DataFrame, open_bank: Ints, open_book: Ints, policy: Policy
) -> Candidates:
    """Return the candidates of several lines among the open lines of both sides (columns of `matched.SIDE`).

    Args:
        bank: the bank's side, whole.
        book: the books' side, whole.
        open_bank: positions of the bank's lines that are still open.
        open_book: positions of the books' lines that are still open.
        policy: limits.

    Nothing is decided here: candidates overlap, and a solver chooses. Work grows with the lines and with what shares a
    party and a window, never with the square of a side.
    """
    sides = (bank.iloc[open_bank], book.iloc[open_book])
    both = views(*sides, policy)
    said = quoting(sides[0], book)
    of_bank, of_book = parties(both)
    free = _rows(of_bank, ~elsewhere(both.bank, both.book, said)), of_book
    silent = _rows(of_bank, ~said), of_book
    found = by_key(both.bank, both.book, policy)
    found += [net(both.bank, both.book, silent, policy), with_fee(both.bank, both.book, silent, policy)]
    found += exchanged(both, of_bank, of_book, policy)
    found += _listed(both, sides, policy)
    found += ruled(bank, book, both.bank.line, both.book.line, policy)
    cut = []
    for side, totals, items, party in (
        (BANK, both.bank, both.book, free),
        (BOOK, both.book, both.bank, (free[1], free[0])),
    ):
        nameless = np.zeros(len(totals), dtype=bool)
        nameless[without(len(totals), of_bank[0] if side == BANK else of_book[0])] = True
        nameless &= ~said if side == BANK else True
        more, gone = _sums(totals, items, party, np.flatnonzero(nameless), side, said, policy)
        found += more
        cut.append(gone)
    return assemble([*found, *_reversals(both, of_bank, of_book, policy)], cut)


def _renumbered(party: Rows, kept: Flags) -> Rows:
    """Return the parties of those lines alone."""
    row, code = _rows(party, kept)
    return (np.cumsum(kept) - 1)[row], code


def _rows(party: Rows, kept: Flags) -> Rows:
    return party[0][kept[party[0]]], party[1][kept[party[0]]]


def _listed(both: Views, sides: tuple[pd.DataFrame, pd.DataFrame], policy: Policy) -> list[Part]:
    bank, book = sides
    found = listed(both.bank, both.book, [bank["text"], bank["reference"]], book["reference"], BANK, policy)
    return found + listed(both.book, both.bank, [book["text"], book["reference"]], bank["reference"], BOOK, policy)


def _reversals(both: Views, of_bank: Rows, of_book: Rows, policy: Policy) -> list[Part]:
    found = []
    for side, own, other, party, others, low, high in (
        (BANK, both.bank, both.book, of_bank, of_book, -policy.latest, -policy.earliest),
        (BOOK, both.book, both.bank, of_book, of_bank, policy.earliest, policy.latest),
    ):
        lines = opposed(own, policy)
        some, named = own.take(lines), _renumbered(party, lines)
        found += reversals(some, named, partners(some, other, named, others, low, high), side, policy)
    return found


def _sums(
    totals: View, items: View, party: tuple[Rows, Rows], nameless: Ints, side: int, said: Flags, policy: Policy
) -> tuple[list[Part], pd.DataFrame]:
    """Return the sums within a party, the runs of totals that name none, and what completes the lines of a key."""
    searched = sums.search(totals, items, party, side, policy, sums.KEPT)
    named, cut = searched.groups, searched.told("sum_in_party", totals, side, policy)
    of_days = runs.runs(totals, nameless, items, party[1], side, policy)
    of_days = _doubted(of_days, totals, items, party[1], side, policy)
    mute = said if side == BOOK else np.zeros(len(items), dtype=bool)
    lacking = rests.rests(totals, items, party, mute, side, policy)
    one = chance.of_one(lacking.groups.tried, lacking.missing, lacking.pool, items)
    whole = batches(totals, items, side, policy)
    found = []
    for groups, searches, accidents, names in (
        (named, searched.searches, chance.expected(named, totals, items), _IN_PARTY),
        (of_days, len(nameless), chance.expected(of_days, totals, items), _RUN),
        (lacking.groups, lacking.searches, one, _REST),
        (whole, len(whole.total), chance.expected(whole, totals, items), _BATCH),
    ):
        found += parts(Sought(groups, totals, items, side, searches, accidents), said, names)
    return found, cut


def _doubted(groups: sums.Groups, totals: View, items: View, party: Rows, side: int, policy: Policy) -> sums.Groups:
    """Count what else of its party would add up to the total of a run: with the party known, any choice counts."""
    first = np.flatnonzero(np.diff(groups.owner, prepend=-1))
    order = np.argsort(party[0], kind="stable")
    low, high = (np.searchsorted(party[0][order], groups.item[first], side=edge) for edge in ("left", "right"))
    place, found = spread(low, high)
    suspected = distinct(groups.total[place], party[1][order][found])
    ways = sums.search(totals, items, (suspected, party), side, policy, 0).ways[groups.total]
    return replace(groups, alternatives=np.maximum(groups.alternatives, ways - 1))
