"""What the matcher gets and gives: columns, not objects, because a side may have ten million lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pandas as pd

SIDE: Final = {
    "account": "str",
    "currency": "str",
    "amount": "int64",
    "booked": "datetime64[s]",
    "valued": "datetime64[s]",
    "reference": "str",
    "text": "str",
    "name": "str",
    "bank_id": "str",
    "end_to_end": "str",
    "batch": "str",
    "counter_account": "str",
    "reversal": "bool",
}
"""Columns of one side and their types. A line is named by its position, 0 to n - 1, which is the index.

`amount` is in minor units of `currency`, positive where money came in, on both sides; `valued` may be NaT, then
`booked` counts; texts that are not there are empty. `account` is our own account, which both sides share.
"""

BANK: Final = 0
BOOK: Final = 1

MATCH: Final = {
    "kind": "category",
    "difference": "int64",
    "days": "int32",
    "score": "float64",
    "margin": "float64",
    "rivals": "int32",
    "alternatives": "int32",
    "runner_up": "int64",
    "closed": "bool",
}
"""Columns of matches, and of the candidates that lost.

kind: the kind of evidence, a name of `kinds.KINDS`. difference: bank minus book, minor units of the bank's currency (0
but for fees and exchange). days: business days from the books' day to the bank's, the farthest of a group. score: ln of
the odds that the lines belong together. margin: score of the best solution minus that of the best one without this
match, infinite where nothing rivals it. rivals: candidates that want one of its lines. alternatives: further sets of
lines that reach the same sum. runner_up: row in `lost` of its best rival, -1 if there is none. closed: True closes on
its own evidence, False is a suggestion that a person decides.
"""


@dataclass(frozen=True)
class Matched:
    """The solution: no line is in two matches."""

    matches: pd.DataFrame
    """Columns of MATCH; the index numbers the matches from 0."""
    members: pd.DataFrame
    """Columns match, side (BANK or BOOK), line; sorted by all three. A reversal has members on one side only."""
    lost: pd.DataFrame
    """Candidates that the solution does not hold; columns of MATCH."""
    lost_members: pd.DataFrame
    """Columns match (a row of `lost`), side, line."""
