"""Small sides and solutions, written by hand."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from bots.reconciliation.lines import Delivery, Line, Statement
from bots.reconciliation.matched import MATCH, Matched
from bots.reconciliation.reading import Side
from bots.reconciliation.sides import balances, side

DAY = date(2026, 3, 2)


def delivery(
    *amounts: int, account: str = "A", opening: int | None = None, name: str = "bank.csv", text: str = "", who: str = ""
) -> Delivery:
    """Return a delivery of one statement in EUR, one line an amount, a day each."""
    lines = tuple(
        Line(
            number=at + 2, amount=amount, currency="EUR", booked=DAY.replace(day=2) + timedelta(at), text=text, name=who
        )
        for at, amount in enumerate(amounts)
    )
    closing = None if opening is None else opening + sum(amounts)
    statement = Statement(account, "EUR", 1, lines, opening=opening, closing=closing)
    return Delivery(Path(name), "0" * 64, "csv", (statement,), ())


def read(*given: Delivery) -> Side:
    """Return a side of deliveries."""
    return Side(given, side(given), tuple(balances(given)))


def solution(*found: tuple[str, bool, list[int], list[int], int]) -> Matched:
    """Return a solution: kind, closed, lines of the bank, lines of the books, difference."""
    rows = [
        {
            "kind": kind,
            "difference": difference,
            "days": 1,
            "score": 5.0,
            "margin": np.inf,
            "rivals": 0,
            "alternatives": 0,
            "runner_up": -1,
            "closed": closed,
        }
        for kind, closed, _, _, difference in found
    ]
    members = [
        (at, side, line)
        for at, (_, _, *sides, _) in enumerate(found)
        for side, lines in enumerate(sides)
        for line in lines
    ]
    matches = pd.DataFrame(rows, columns=list(MATCH)).astype(MATCH)
    frame = pd.DataFrame(members, columns=["match", "side", "line"], dtype="int64")
    return Matched(matches, frame, matches.iloc[:0], frame.iloc[:0])
