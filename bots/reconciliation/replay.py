"""What a changed definition would do to the history of a reconciliation: every line that stands, matched twice.

Matches of people stay whatever a definition says; they are named where the definitions would not agree with them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import pandas as pd

from bots.reconciliation.matched import BANK, BOOK, SIDE
from bots.reconciliation.ports import OpenItems
from bots.reconciliation.reading import Side, Sides
from bots.reconciliation.sides import ORIGIN
from bots.reconciliation.what_if import Lines
from engine.errors import UserError
from engine.open_items import OpenLine


def history(items: OpenItems) -> tuple[Sides, list[Lines]]:
    """Return every line that stands, by day, and the lines of each closed match that a person made or accepted.

    Raises:
        UserError: it has no lines yet.
    """
    standing = items.lines(everything=True)
    if not standing:
        raise UserError(f"{items.name} has no lines yet: take in a delivery with `runner.py reconciliation receive`")
    by_side = {side: [line for line in standing if line.side == side] for side in (BANK, BOOK)}
    people = {match.id for match in items.matches(["closed"]) if match.manual}
    confirmed: dict[int, set[tuple[int, int]]] = defaultdict(set)
    for side, lines in by_side.items():
        for at, line in enumerate(lines):
            if line.match_id in people:
                confirmed[line.match_id or 0].add((side, at))
    bank, book = (Side((), _frame(by_side[side]), ()) for side in (BANK, BOOK))
    said = f"{items.name}: {len(bank.lines):,} lines of the bank and {len(book.lines):,} of the books, matched twice"
    return Sides(bank, book, (said,)), [frozenset(lines) for lines in confirmed.values()]


def _frame(lines: Iterable[OpenLine]) -> pd.DataFrame:
    rows = [
        {name: getattr(line.facts, name) for name in SIDE}
        | {
            "file": f"delivery {line.delivery}",
            "sha256": "",
            "statement": line.delivery,
            "number": line.number,
            "own_account": line.facts.account,
        }
        for line in lines
    ]
    return pd.DataFrame(rows, columns=[*SIDE, *ORIGIN]).astype(SIDE | ORIGIN)
