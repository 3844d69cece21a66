"""Rows of a table that are no bookings: totals, opening and closing balances, notes; and what they tie."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from bots.reconciliation.lines import Line, Statement
from bots.reconciliation.wording import stated as shown

Kind = Literal["total", "opening", "closing", "note", ""]
_TOTALS = re.compile(
    r"(grand |sub|sub |zwischen|sous )?(total|totals|totaux|sum|summe|gesamt|gesamtsumme|somme|totale|totaal|suma|"
    r"合计|总计|小计|合計|總計|小計|本页合计|本月合计)\b.*"
)
_OPENING = re.compile(
    r"(opening|starting|beginning|previous|old) balance\b.*|(balance )?(brought forward|b/?f)\b.*|"
    r"(anfangs|eröffnungs|anfangs-)(saldo|bestand)\b.*|saldovortrag\b.*|(alter saldo|alter kontostand)\b.*|"
    r"(ancien solde|solde (initial|précédent|d'ouverture))\b.*|saldo (inicial|anterior|iniziale|precedente)\b.*|"
    r"beginsaldo\b.*|(期初|上期|上月|上日)(余额|结余|餘額)\b.*|承前页\b.*"
)
_CLOSING = re.compile(
    r"(closing|ending|final|new) balance\b.*|(balance )?(carried forward|c/?f)\b.*|"
    r"(end|schluss|schluß)(saldo|bestand)\b.*|(neuer saldo|neuer kontostand)\b.*|"
    r"(nouveau solde|solde (final|de clôture))\b.*|saldo (final|finale|actual)\b.*|eindsaldo\b.*|"
    r"(期末|本期|本月)(余额|结余|餘額)\b.*|过次页\b.*"
)
_FIGURE = re.compile(r"\d[.,:]\d|\d[-/年]\d|\d{4}")
"""What a date or an amount has, and a note has not."""


def kind_of(texts: Sequence[str], *, dated: bool, paid: bool) -> Kind:
    """Say what a row is from its texts, the date's and the amounts' too; empty: a booking.

    Args:
        texts: the row's cells.
        dated: whether it has a date.
        paid: whether it has an amount that is more than a balance.
    """
    if dated and paid:
        return ""
    said = [text.casefold().strip(" :*-=") for text in texts if text.strip()]
    for name, words in (("opening", _OPENING), ("closing", _CLOSING)):
        if any(words.fullmatch(text) for text in said):
            return name  # type: ignore[return-value]
    if dated:
        return ""
    if said and _TOTALS.fullmatch(said[0]):
        return "total"
    figures = any(_FIGURE.search(text) for text in said)
    digits = any(sign.isdigit() for text in said for sign in text)
    return "note" if not paid and not figures and (not digits or len(said) == 1) else ""


def has_figure(text: str) -> bool:
    """Say whether a text holds what a date or an amount has."""
    return _FIGURE.search(text) is not None


@dataclass
class Sums:
    """What the rows of one statement add up to, by column, minor units."""

    of: dict[str, int]
    last: dict[str, int]
    """The same up to the last row of totals."""

    @classmethod
    def none(cls) -> Sums:
        """Begin."""
        return cls({}, {})

    def add(self, amounts: dict[str, int]) -> None:
        """Add a row."""
        for role, amount in amounts.items():
            self.of[role] = self.of.get(role, 0) + amount

    def since(self) -> list[dict[str, int]]:
        """Return what a total that stands here may be about: all rows so far, those since the last total."""
        so_far = dict(self.of)
        part = {role: amount - self.last.get(role, 0) for role, amount in so_far.items()}
        self.last = so_far
        return [so_far, part]


def with_total(
    statement: Statement, number: int, stated: dict[str, int], parts: Sequence[dict[str, int]], whole: dict[str, int]
) -> Statement:
    """Hold a row of totals against what the rows add up to.

    Args:
        statement: its rows.
        number: of the row.
        stated: role to total.
        parts: what else than all rows it may be about.
        whole: what all rows add up to.
    """
    if not stated:
        return statement
    if all(whole.get(role, 0) == total for role, total in stated.items()):
        if not ("amount" in stated or {"debit", "credit"} <= stated.keys()):
            return statement
        amounts = [line.amount for line in statement.lines]
        incoming, outgoing = sum(one for one in amounts if one > 0), -sum(one for one in amounts if one < 0)
        return replace(statement, incoming=incoming, outgoing=outgoing, untied="")
    if any(all(part.get(role, 0) == total for role, total in stated.items()) for part in parts):
        return statement
    ccy = statement.currency
    role = next(role for role, total in stated.items() if whole.get(role, 0) != total)
    said = f"the {role} total in row {number} is {shown(stated[role], ccy)}"
    return replace(statement, unreadable=f"{said}, the rows add up to {shown(whole.get(role, 0), ccy)}")


def with_balance(statement: Statement, number: int, kind: Kind, stated: int) -> Statement:
    """Hold a row that states the opening or the closing balance against the running one, or take it where none runs."""
    ccy = statement.currency
    known = statement.opening if kind == "opening" else statement.closing
    if known is not None and known != stated:
        said = f"the {kind} balance in row {number} is {shown(stated, ccy)}, the bookings lead to {shown(known, ccy)}"
        return replace(statement, unreadable=said)
    if kind == "opening":
        return replace(statement, opening=stated, untied="")
    return replace(statement, closing=stated)


def balanced(statement: Statement, balances: Sequence[int | None]) -> Statement:
    """Add opening and closing from a running balance, whichever way the table runs."""
    if not balances or any(balance is None for balance in balances):
        return statement
    amounts = [line.amount for line in statement.lines]
    known = [balance or 0 for balance in balances]
    if all(after - before == amount for (before, after), amount in zip(pairwise(known), amounts[1:], strict=True)):
        return _opened(statement, known[0] - amounts[0], known[-1], statement.lines[0])
    if all(before - after == amount for (before, after), amount in zip(pairwise(known), amounts, strict=False)):
        return _opened(statement, known[-1] - amounts[-1], known[0], statement.lines[-1])
    at = next(n for n in range(1, len(known)) if known[n] - known[n - 1] != amounts[n])
    said = f"the balance of row {statement.lines[at].number} does not follow from the row before"
    return replace(statement, unreadable=said)


def _opened(statement: Statement, opening: int, closing: int, first: Line) -> Statement:
    """Add balances that the table states but for the first, which follows from the first amount itself."""
    said = f"line {first.number}: its amount is the first under a running balance; no opening balance checks it"
    return replace(statement, opening=opening, closing=closing, untied=said)
