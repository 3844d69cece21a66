"""Groups that were found by their sum, sorted into kinds by what else speaks for them or against them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bots.reconciliation.matched import BANK
from bots.reconciliation.matching import odds
from bots.reconciliation.matching.candidates import MOST_RIVALS, Part, farthest, members
from bots.reconciliation.matching.claims import against
from bots.reconciliation.matching.sums import Groups
from bots.reconciliation.matching.view import Flags, Ints, View, among


@dataclass(frozen=True)
class Sought:
    """Groups that were found by their sum, and how likely such sums are accidents."""

    groups: Groups
    totals: View
    items: View
    side: int
    """Side of the totals."""
    searches: int
    """How many totals were looked at."""
    accidents: NDArray[np.float64]
    """Accidental hits to be expected of one search, for each group."""


@dataclass(frozen=True)
class Names:
    """What a group is called."""

    by_sum: str
    tied: str = ""
    """A bank line and a line of the books share a key; empty where that is no kind of its own."""


def parts(sought: Sought, quoting: Flags, names: Names) -> list[Part]:
    """Return the groups by kind, without those in which a bank line quotes a document that is not in the group.

    `quoting` is `claims.quoting` of the bank's lines.
    """
    groups, totals, items = sought.groups, sought.totals, sought.items
    count = len(groups.total)
    single, many = (np.arange(count), groups.total), (groups.owner, groups.item)
    bank, book = (totals, items) if sought.side == BANK else (items, totals)
    from_bank, from_book = (single, many) if sought.side == BANK else (many, single)
    contra = against(bank, book, quoting, from_bank, from_book, count)
    tied = _share_key(bank, book, from_bank, from_book, count) & bool(names.tied)
    apart = (totals.day[groups.total[groups.owner]] - items.day[groups.item]) * (1 if sought.side == BANK else -1)
    days = farthest(groups.owner, apart, count)
    base = odds.of_sums(sought.accidents, sought.searches, groups.alternatives)
    base = np.where(tied, np.minimum(base + odds.TIE, odds.KEY), base)
    score = odds.of(base, groups.alternatives, days)
    held = members(bank, book, from_bank, from_book)
    whole = Part("", np.zeros(count, dtype=np.int64), days, score, groups.alternatives, *held)
    kept = ~contra & (groups.alternatives <= MOST_RIVALS)
    return [whole.only(chosen & kept, kind) for kind, chosen in ((names.tied, tied), (names.by_sum, ~tied)) if kind]


def _share_key(bank: View, book: View, from_bank: tuple[Ints, Ints], from_book: tuple[Ints, Ints], count: int) -> Flags:
    """Say which groups hold a bank line and a line of the books with one reference or end-to-end id."""
    found = np.zeros(count, dtype=bool)
    width = 2 + max(int(code.max(initial=0)) for view in (bank, book) for code in (view.reference, view.end_to_end))
    for one in (bank.reference, bank.end_to_end):
        for other in (book.reference, book.end_to_end):
            owner, row = from_bank
            given = one[row] >= 0
            there = from_book[0] * width + other[from_book[1]]
            found[owner[given][among(owner[given] * width + one[row[given]], there)]] = True
    return found
