"""Small sides and solutions, written by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from bots.reconciliation.matched import BANK, BOOK, MATCH, SIDE, Matched

PLAIN: dict[str, Any] = dict.fromkeys(SIDE, "") | {
    "account": "OURS",
    "currency": "EUR",
    "valued": None,
    "reversal": False,
    "booked": "2026-03-02",
}


def side(*rows: dict[str, Any]) -> pd.DataFrame:
    """Return a side of lines, each given by what is not plain about it."""
    return pd.DataFrame([PLAIN | row for row in rows], columns=list(SIDE)).astype(SIDE)


def solved(
    *groups: tuple[Sequence[int], Sequence[int]],
    lost: Iterable[tuple[Sequence[int], Sequence[int]]] = (),
    **columns: Any,
) -> Matched:
    """Return a solution: the bank's and the books' lines of each match, and of each candidate that lost."""
    made = [_frame(groups, columns), _frame(tuple(lost), {"score": 1.0, "closed": False})]
    return Matched(made[0][0], made[0][1], made[1][0], made[1][1])


def _frame(
    groups: Sequence[tuple[Sequence[int], Sequence[int]]], columns: dict[str, Any]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    plain: dict[str, Any] = dict.fromkeys(MATCH, 0) | {
        "kind": "reference",
        "score": 9.0,
        "margin": float("inf"),
        "runner_up": -1,
        "closed": True,
    }
    matches = pd.DataFrame([plain | columns for _ in groups], columns=list(MATCH)).astype(MATCH)
    members = [
        (number, one, line)
        for number, both in enumerate(groups)
        for one, lines in ((BANK, both[0]), (BOOK, both[1]))
        for line in lines
    ]
    return matches, pd.DataFrame(members, columns=["match", "side", "line"]).astype("int64")
