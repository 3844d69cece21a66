"""What a pair of two amounts lacks, once other lines were found that make it up."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bots.reconciliation.matching import odds
from bots.reconciliation.matching.candidates import Candidates
from bots.reconciliation.matching.coding import Ints

Reals = NDArray[np.float64]
_WHOLE = "group_by_key"
"""All that carries the key adds up: nothing of it is left to be an accident."""


def against(pairs: tuple[Ints, Ints], lines: int, found: Candidates, of_both: Ints) -> Reals:
    """Return what exact groups take from the scores of pairs that are a part of them.

    A fee and a missing line explain the same pair. Where lines are found that make up the difference to the cent, and
    no others do, the fee is left with what the odds say that this is an accident. A key that the group shares is the
    pair's as well, and says nothing between the two.

    Args:
        pairs: lines of the pairs that differ in amount: the bank's, the books'; both sides numbered together.
        lines: how many lines there are.
        found: groups.
        of_both: line of each member of the groups, numbered like that.
    """
    taken = np.zeros(len(pairs[0]))
    rows, owner = found.rows, found.members["candidate"].to_numpy()
    exact = (rows["difference"].to_numpy() == 0) & (rows["alternatives"].to_numpy() == 0)
    asked = np.zeros(lines, bool)
    asked[pairs[0]] = asked[pairs[1]] = True
    member = np.flatnonzero(exact[owner] & asked[of_both])
    if not len(member) or not len(taken):
        return taken
    worth = rows["score"].to_numpy() - np.where((rows["kind"] == _WHOLE).to_numpy(), 0.0, odds.TIE)
    of_bank = found.members["side"].to_numpy()[member] == 0
    held = pd.DataFrame({"candidate": owner[member], "line": of_both[member]})
    both = held[of_bank].merge(held[~of_bank], on="candidate")
    both = both.assign(key=both["line_x"] * lines + both["line_y"], worth=np.maximum(worth[both["candidate"]], 0.0))
    best = both.groupby("key")["worth"].max()
    return np.asarray(best.reindex(pairs[0] * lines + pairs[1]).fillna(0.0), dtype=np.float64)
