"""Deliveries as one table a side: the matcher's columns, and where each line came from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Final

import pandas as pd

from bots.reconciliation.lines import Delivery, Line, Statement
from bots.reconciliation.matched import SIDE
from bots.reconciliation.wording import stated

ORIGIN: Final = {
    "file": "str",
    "sha256": "str",
    "statement": "int64",
    "number": "int64",
    "own_account": "str",
}
"""Where a line came from: the file's name and hash, the line on which its statement begins, its own line (for a sheet:
its row), both from 1, and our account as the file writes it, whatever `account` became."""
_TEXTS = ("currency", "reference", "text", "name", "bank_id", "end_to_end", "batch", "counter_account")


@dataclass(frozen=True)
class Balance:
    """What one side's statements say of one account in one currency, minor units."""

    account: str
    currency: str
    opening: int | None
    """Before the first line; None where it is not stated, or does not lead to the later statements."""
    closing: int | None
    opened: date | None
    closed: date | None
    gap: str = ""
    """Why balances that are stated cannot be used: a statement is missing between two, or is there twice."""


def side(deliveries: Sequence[Delivery]) -> pd.DataFrame:
    """Return every line that may go on, in the order of the files.

    Returns:
        Columns of `SIDE`, then of `ORIGIN`; the index counts from 0. What is in quarantine is not among them.
    """
    found = [
        (delivery, statement, line)
        for delivery in deliveries
        for statement in delivery.statements
        for line in statement.lines
    ]
    lines = [line for _, _, line in found]
    columns: dict[str, list[object]] = {name: [getattr(line, name) for line in lines] for name in _TEXTS}
    columns |= {
        "account": [statement.account for _, statement, _ in found],
        "amount": [line.amount for line in lines],
        "booked": [line.booked for line in lines],
        "valued": [line.valued for line in lines],
        "reversal": [line.reversal for line in lines],
        "file": [delivery.path.name for delivery, _, _ in found],
        "sha256": [delivery.sha256 for delivery, _, _ in found],
        "statement": [statement.number for _, statement, _ in found],
        "number": [line.number for line in lines],
        "own_account": [statement.account for _, statement, _ in found],
    }
    types = SIDE | ORIGIN
    return pd.DataFrame({name: pd.Series(columns[name], dtype=kind) for name, kind in types.items()})


def balances(deliveries: Sequence[Delivery]) -> list[Balance]:
    """Return each account's opening and closing balance over all its statements, by account and currency.

    A chain that is broken (a closing balance is not the next opening one) has neither, and says where.
    """
    by_account: dict[tuple[str, str], list[Statement]] = {}
    for delivery in deliveries:
        for statement in delivery.statements:
            by_account.setdefault((statement.account, statement.currency), []).append(statement)
    return [_balance(account, currency, found) for (account, currency), found in sorted(by_account.items())]


def _balance(account: str, currency: str, statements: Sequence[Statement]) -> Balance:
    chain = sorted(statements, key=_first_day)
    opened = min(filter(None, map(_first, chain)), default=None)
    closed = max(filter(None, map(_last, chain)), default=None)
    if any(one.opening is None or one.closing is None for one in chain):
        return Balance(account, currency, None, None, opened, closed)
    gap = next(_gaps(chain), "")
    opening, closing = (None, None) if gap else (chain[0].opening, chain[-1].closing)
    return Balance(account, currency, opening, closing, opened, closed, gap)


def _gaps(chain: Sequence[Statement]) -> Iterator[str]:
    for before, after in pairwise(chain):
        if before.closing != after.opening:
            yield (
                f"statement {before.id or before.number} closes with {_told(before.closing, before.currency)}, "
                f"{after.id or after.number} opens with {_told(after.opening, after.currency)}"
            )


def _told(balance: int | None, currency: str) -> str:
    return "no balance" if balance is None else stated(balance, currency)


def _first_day(statement: Statement) -> date:
    return _first(statement) or date.max


def _first(statement: Statement) -> date | None:
    return statement.opened or min(map(_day, statement.lines), default=statement.closed)


def _last(statement: Statement) -> date | None:
    return statement.closed or max(map(_day, statement.lines), default=statement.opened)


def _day(line: Line) -> date:
    return line.booked
