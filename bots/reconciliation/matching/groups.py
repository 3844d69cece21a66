"""Candidates of more than one line, and single ones that differ by a fee or by a currency, from what is still open."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Final

import numpy as np
import pandas as pd

from bots.reconciliation.matched import BANK, BOOK
from bots.reconciliation.matching import chance, odds, rests, runs, sums
from bots.reconciliation.matching.candidates import Candidates, Part, assemble
from bots.reconciliation.matching.claims import claims
from bots.reconciliation.matching.fees import with_fee
from bots.reconciliation.matching.pairs import Blocks, combined
from bots.reconciliation.matching.reversals import partners, reversals
from bots.reconciliation.matching.shared import by_key
from bots.reconciliation.matching.tied import Names, Sought, parts
from bots.reconciliation.matching.view import Flags, Ints, View, Views, parties, spread, views
from bots.reconciliation.policy import Policy

KINDS: Final = MappingProxyType(
    {
        "group_by_key": "all lines that carry one reference or id add up to the other side's line with it",
        "net_by_key": "all lines of both sides that carry one reference or id add up to the same",
        "group_by_key_less_fee": "all lines that carry one reference or id add up to the same but for a fee",
        "sum_tied_by_key": "lines of one party add up to a line, and one of them carries its reference",
        "sum_in_party": "lines of one party add up to a line, where an accident is hardly to be expected",
        "common_sum_in_party": "lines of one party add up to a line, with amounts that many lines have",
        "contradicted_sum": "lines of one party add up to a line, and a reference names another document",
        "rest_by_key": "lines with a line's reference and one that says nothing of itself add up to it",
        "common_rest_by_key": "the same, with an amount that many lines have",
        "run_of_party": "all that one party had open in some days adds up to a line that names no party",
        "common_run_of_party": "the same, with amounts that many lines have",
        "reversal_marked": "the same amount back on one side, marked as reversal or with the same reference",
        "reversal_in_party": "the same amount back on one side, from the same party",
        "reversal_by_amount": "the only same amount back on one side, the party not named",
        "fee_in_party": "same party, the difference is a fee",
    }
)
"""Kinds of evidence of this module, in words."""

_IN_PARTY = Names("sum_in_party", "common_sum_in_party", "sum_tied_by_key")
_RUN = Names("run_of_party", "common_run_of_party")
_REST = Names("rest_by_key", "common_rest_by_key")

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
    both = views(bank, book, np.asarray(open_bank, dtype=np.int64), np.asarray(open_book, dtype=np.int64), policy)
    claiming = claims(bank.iloc[open_bank], book)
    of_bank, of_book = parties(both)
    found = by_key(both.bank, both.book, policy)
    cut = []
    for side, totals, items, own, theirs in (
        (BANK, both.bank, both.book, of_bank, of_book),
        (BOOK, both.book, both.bank, of_book, of_bank),
    ):
        more, gone = _sums(totals, items, (own, theirs), side, claiming, policy)
        found += more
        cut.append(gone)
        low, high = (-policy.latest, -policy.earliest) if side == BANK else (policy.earliest, policy.latest)
        found += reversals(totals, own, partners(totals, items, own, theirs, low, high), side, policy)
    return assemble([*found, _fees(both, of_bank, of_book, policy)], cut)


def _sums(
    totals: View, items: View, party: tuple[Rows, Rows], side: int, claiming: Flags, policy: Policy
) -> tuple[list[Part], pd.DataFrame]:
    """Return the sums within a party, the runs of totals that name none, and what completes the lines of a key."""
    own, theirs = party
    problem, cut = sums.limited(sums.problem(totals, items, party, side, policy), "sum_in_party", policy)
    named = sums.solve(problem, cut["line"].to_numpy(), policy)
    nameless = np.setdiff1d(np.arange(len(totals)), own[0])
    of_days = _doubted(runs.runs(totals, nameless, items, theirs, side, policy), totals, items, theirs, side, policy)
    mute = np.flatnonzero(claiming) if side == BOOK else np.zeros(0, dtype=np.int64)
    lacking = rests.rests(totals, items, party, mute, side, policy)
    one = chance.of_one(lacking.groups.tried, lacking.missing, lacking.pool, items)
    found = []
    for groups, searches, accidents, names in (
        (named, len(np.unique(problem.total)), chance.expected(named, totals, items), _IN_PARTY),
        (of_days, len(nameless), chance.expected(of_days, totals, items), _RUN),
        (lacking.groups, lacking.searches, one, _REST),
    ):
        found += parts(Sought(groups, totals, items, side, searches, accidents), claiming, names)
    return found, cut


def _doubted(groups: sums.Groups, totals: View, items: View, party: Rows, side: int, policy: Policy) -> sums.Groups:
    """Count what else of its party would add up to the total of a run: with the party known, any choice counts."""
    first = np.flatnonzero(np.diff(groups.owner, prepend=-1))
    order = np.argsort(party[0], kind="stable")
    low, high = (np.searchsorted(party[0][order], groups.item[first], side=edge) for edge in ("left", "right"))
    place, found = spread(low, high)
    suspected = np.unique(np.stack((groups.total[place], party[1][order][found])), axis=1)
    problem = sums.problem(totals, items, ((suspected[0], suspected[1]), party), side, policy)
    problem, cut = sums.limited(problem, "run_of_party", policy)
    ways = sums.ways(problem, policy)[groups.total] - 1 + np.isin(totals.line[groups.total], cut["line"].to_numpy())
    return replace(groups, alternatives=np.maximum(groups.alternatives, ways))


def _fees(both: Views, of_bank: Rows, of_book: Rows, policy: Policy) -> Part:
    own, theirs = combined(
        (of_bank[1], of_book[1]),
        (both.bank.purse[of_bank[0]], both.book.purse[of_book[0]]),
        (both.bank.sign[of_bank[0]], both.book.sign[of_book[0]]),
    )
    blocks = Blocks((of_bank[0], own), (of_book[0], theirs))
    return with_fee(both.bank, both.book, blocks, "fee_in_party", odds.FEE_PARTY, policy)
