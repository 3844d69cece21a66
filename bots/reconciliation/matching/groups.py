"""Candidates of more than one line, and single ones that differ by a fee or by a currency, from what is still open."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import numpy as np
import pandas as pd

from bots.reconciliation.matched import BANK, BOOK
from bots.reconciliation.matching import odds, runs, sums
from bots.reconciliation.matching.candidates import Candidates, Part, assemble
from bots.reconciliation.matching.claims import claims
from bots.reconciliation.matching.fees import with_fee
from bots.reconciliation.matching.pairs import Blocks, combined
from bots.reconciliation.matching.reversals import partners, reversals
from bots.reconciliation.matching.shared import by_key
from bots.reconciliation.matching.tied import Sought, parts
from bots.reconciliation.matching.view import Flags, Ints, View, Views, parties, views
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
        "run_of_party": "all that one party had open in some days adds up to a line that names no party",
        "common_run_of_party": "the same, with amounts that many lines have",
        "reversal_marked": "the same amount back on one side, marked as reversal or with the same reference",
        "reversal_in_party": "the same amount back on one side, from the same party",
        "reversal_by_amount": "the only same amount back on one side, the party not named",
        "fee_by_key": "same reference or id, the difference is a fee",
        "fee_in_party": "same party, the difference is a fee",
    }
)
"""Kinds of evidence of this module, in words."""

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
    return assemble([*found, *_fees(both, of_bank, of_book, policy)], cut)


def _sums(
    totals: View, items: View, party: tuple[Rows, Rows], side: int, claiming: Flags, policy: Policy
) -> tuple[list[Part], pd.DataFrame]:
    """Return the sums within a party, and the runs of totals that name none."""
    own, theirs = party
    problem, cut = sums.limited(sums.problem(totals, items, party, side, policy), "sum_in_party", policy)
    named = Sought(
        sums.solve(problem, cut["line"].to_numpy(), policy), totals, items, side, len(np.unique(problem.total))
    )
    nameless = np.setdiff1d(np.arange(len(totals)), own[0])
    of_runs = Sought(runs.runs(totals, nameless, items, theirs, side, policy), totals, items, side, len(nameless))
    return [
        *parts(named, claiming, "sum_in_party", "common_sum_in_party"),
        *parts(of_runs, claiming, "run_of_party", "common_run_of_party"),
    ], cut


def _fees(both: Views, of_bank: Rows, of_book: Rows, policy: Policy) -> list[Part]:
    found = []
    for kind, base, left, right in (
        ("fee_by_key", odds.FEE_KEY, both.bank.keys(), both.book.keys()),
        ("fee_in_party", odds.FEE_PARTY, of_bank, of_book),
    ):
        own, theirs = combined(
            (left[1], right[1]),
            (both.bank.purse[left[0]], both.book.purse[right[0]]),
            (both.bank.sign[left[0]], both.book.sign[right[0]]),
        )
        blocks = Blocks((left[0], own), (right[0], theirs))
        found.append(with_fee(both.bank, both.book, blocks, kind, base, policy))
    return found
