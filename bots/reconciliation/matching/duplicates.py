"""The same line twice on one side: never a match, but the reason why one of them has no partner."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bots.reconciliation.matching import days
from bots.reconciliation.policy import Policy

SAME = ("account", "currency", "amount", "reference", "end_to_end", "name", "counter_account")
"""What a copy has in common with its original."""
APART = 2
"""Business days between a line and its copy, at most."""


def duplicates(side: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """Return the lines of a side that may be copies of an earlier one, sorted by line.

    Columns: `line`; `of`, the line before it that looks the same, no more than APART business days earlier; `sure`:
    True if both carry a reference, an end-to-end id or a bank's id, or else a person may well pay the same twice. Lines
    that the bank gave ids of its own are no copies unless these are the same. All lines count, matched ones too: which
    of the two is the copy is the matcher's to say.
    """
    day = days.of(side, policy.calendar)
    code = side.groupby(list(SAME), sort=False).ngroup().to_numpy()
    order = np.lexsort((np.arange(len(side)), day, code))
    one, other = order[:-1], order[1:]
    own = side["bank_id"].to_numpy(dtype=object)
    copies = (code[one] == code[other]) & (day[other] - day[one] <= APART)
    copies &= (own[one] == own[other]) | (own[one] == "") | (own[other] == "")
    keyed = (side["reference"] != "") | (side["end_to_end"] != "")
    sure = keyed.to_numpy()[other] | ((own[one] == own[other]) & (own[other] != ""))
    found = pd.DataFrame({"line": other[copies], "of": one[copies], "sure": sure[copies]})
    return found.sort_values("line", ignore_index=True)
