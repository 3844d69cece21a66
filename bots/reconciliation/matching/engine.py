"""The smallest matcher that is true: a reference that both sides carry once, with the same amount."""

from __future__ import annotations

import math

import pandas as pd

from bots.reconciliation.matched import BANK, BOOK, MATCH, Matched
from bots.reconciliation.policy import Policy

_KEY = ["account", "currency", "reference", "amount"]


def match(bank: pd.DataFrame, book: pd.DataFrame, policy: Policy, closing: frozenset[str]) -> Matched:
    """Match lines whose reference and amount are on both sides exactly once."""
    del policy
    sides = [side[side["reference"].ne("") & ~side.duplicated(_KEY, keep=False)][_KEY] for side in (bank, book)]
    both = sides[0].reset_index(names="bank").merge(sides[1].reset_index(names="book"), on=_KEY).sort_values("bank")
    kind = "reference"
    row = {"kind": kind, "difference": 0, "days": 0, "score": 10.0, "margin": math.inf, "rivals": 0}
    row |= {"alternatives": 0, "runner_up": -1, "closed": kind in closing}
    matches = pd.DataFrame([row] * len(both), columns=list(MATCH)).astype(MATCH)
    members = pd.DataFrame(
        [
            {"match": n, "side": side, "line": line}
            for n, pair in enumerate(both.itertuples())
            for side, line in ((BANK, pair.bank), (BOOK, pair.book))
        ],
        columns=["match", "side", "line"],
    )
    empty = pd.DataFrame(columns=list(MATCH)).astype(MATCH)
    return Matched(matches, members, empty, members.iloc[:0])
