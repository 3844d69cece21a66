"""ln of the odds that the lines of a candidate belong together, on one scale for all kinds.

The scale is ln((1 - p) / p), p the chance that lines which do not belong together show the evidence. Where a kind rests
on a key, p is the 95 % upper bound (Clopper and Pearson, Biometrika 26, 1934; three in n where no error was seen) of
that evidence's errors on generated data with known truth. Where it rests on a sum, p is estimated from the data
themselves: the accidental sums that are to be expected, against the sums that were found (the local false discovery
rate of Efron, Statistical Science 23, 2008). Each further way to reach a sum is as good as the first: a ways leave odds
of 1 to a. Days between decide between equals.
"""

from __future__ import annotations

from math import log

import numpy as np
from numpy.typing import NDArray

from bots.reconciliation.matching.view import Ints

Reals = NDArray[np.float64]

KEY = log(12_682 / 3)
"""Sums by reference: no error among 12,682 generated groups."""
SUM = log(55_593 / 10)
"""The only sum in a party: 4 errors among 55,593 generated pairs; at most 10 by the bound."""
KEY_FEE = log(1)
"""Sums by reference but for a fee: a part may be missing instead, as it was in all 652 generated ones."""
FLAGGED = log(1_000)
"""The bank marks the line as a reversal, or both carry one key: a guess, until reviews say better."""
REVERSED = log(100)
"""The same amount back, from the same party, the only one: 17 of 4,841 generated ones were none."""
AMOUNT = log(5)
"""The same amount back, the only one, and a party not named: 141 of 979 generated ones were none."""
EXCHANGE_KEY = log(1_000)
"""Same reference in two currencies, the rate fits: a guess, until reviews say better."""
EXCHANGE_PARTY = log(10)
"""Same party in two currencies, the rate fits: a guess, until reviews say better."""
TIE = log(100)
"""What a shared key adds to a sum: another line's key is rarely there by accident."""
A_DAY = 0.05


def of(base: float | Reals, alternatives: Ints, days: Ints) -> Reals:
    """Return scores: `base` for a single way on the same day, less for further ways and for days between."""
    chance = np.exp(-np.asarray(base, dtype=np.float64)) + alternatives
    return np.asarray(-np.log(chance) - A_DAY * np.abs(days), dtype=np.float64)


def of_sums(accidents: Reals, sought: int, alternatives: Ints) -> Reals:
    """Return ln of the odds of sums, at most SUM.

    Args:
        accidents: expected accidental hits of one search, for each sum that was found (`chance.expected`).
        sought: number of searches.
        alternatives: further ways to reach each sum.
    """
    found = max(1, int(np.count_nonzero(alternatives == 0)))
    rate = min(1.0, found / max(1, sought))
    return np.asarray(np.minimum(np.log(rate) - np.log(np.maximum(accidents, 1e-12)), SUM), dtype=np.float64)
