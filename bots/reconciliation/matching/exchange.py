"""Lines in two currencies: the books' amount times the rate of the day is about the bank's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bots.reconciliation.matching import days as business
from bots.reconciliation.matching import odds
from bots.reconciliation.matching.candidates import MOST_RIVALS, Part, members
from bots.reconciliation.matching.pairs import Blocks, combined, near
from bots.reconciliation.matching.view import Ints, Views
from bots.reconciliation.money import exponent
from bots.reconciliation.policy import Policy

Rows = tuple[Ints, Ints]
_STALE = 5
"""A rate is used so many business days after its own at most."""


def exchanged(both: Views, of_bank: Rows, of_book: Rows, policy: Policy) -> list[Part]:
    """Return pairs of one account in two currencies that a rate of the policy explains.

    The rate is that of the bank's day, or the last of the few business days before; the reciprocal of the opposite rate
    where the table has only that. What is left beside it within `policy.rate_tolerance` is the difference, in minor
    units of the bank's currency. `exchange_by_key`: one key. `exchange_in_party`: one party.
    """
    if not policy.rates:
        return []
    bank, book = both.bank, both.book
    found = []
    for kind, base, left, right in (
        ("exchange_by_key", odds.EXCHANGE_KEY, bank.keys, book.keys),
        ("exchange_in_party", odds.EXCHANGE_PARTY, of_bank, of_book),
    ):
        own, theirs = combined(
            (left[1], right[1]),
            (bank.account[left[0]], book.account[right[0]]),
            (bank.sign[left[0]], book.sign[right[0]]),
        )
        row, other = near(bank, book, Blocks((left[0], own), (right[0], theirs)), policy)
        foreign = bank.currency[row] != book.currency[other]
        row, other = row[foreign], other[foreign]
        rate = _rates(both.currencies, book.currency[other], bank.currency[row], bank.day[row], policy)
        expected = book.amount[other] * rate
        off = bank.amount[row] - expected
        fits = np.abs(off) <= np.abs(expected) * float(policy.rate_tolerance) + 1
        row, other, off = row[fits], other[fits], np.rint(off[fits]).astype(np.int64)
        rivals = np.maximum(np.bincount(row, minlength=1)[row], np.bincount(other, minlength=1)[other]) - 1
        few = rivals <= MOST_RIVALS
        row, other, off, rivals = row[few], other[few], off[few], rivals[few]
        apart, owner = bank.day[row] - book.day[other], np.arange(len(row))
        score = odds.of(base, rivals, apart)
        found.append(Part(kind, off, apart, score, rivals, *members(bank, book, (owner, row), (owner, other))))
    return found


def _rates(names: Sequence[str], source: Ints, target: Ints, day: Ints, policy: Policy) -> NDArray[np.float64]:
    """Return minor units of `target` for one of `source` on each day; NaN where there is no rate."""
    found = np.full(len(day), np.nan)
    table = _table(policy)
    for pair in np.unique(np.stack((source, target)), axis=1).T:
        here = (source == pair[0]) & (target == pair[1])
        one, other = names[pair[0]], names[pair[1]]
        scale = 10.0 ** (exponent(other) - exponent(one))
        for first, second, power in ((other, one, -1), (one, other, 1)):
            rates = table[(table["source"] == first) & (table["target"] == second)]
            if len(rates):
                when = rates["day"].to_numpy()
                place = np.searchsorted(when, day[here], side="right") - 1
                fresh = (place >= 0) & (day[here] - when[place] <= _STALE)
                value = rates["rate"].to_numpy()[place] ** power * scale
                found[here] = np.where(fresh, value, found[here])
    return found


def _table(policy: Policy) -> pd.DataFrame:
    rows = [(source, target, day, float(rate)) for (source, target, day), rate in policy.rates.items()]
    table = pd.DataFrame(rows, columns=["source", "target", "on", "rate"])
    table["day"] = business.ordinals(table["on"].to_numpy(dtype="datetime64[D]"), policy.calendar)
    return table.sort_values(["source", "target", "on"], ignore_index=True)
