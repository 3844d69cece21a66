"""Tables of bookings, whatever they came in, with declared columns or ones told from their headings.

How dates and decimals are written is told from the whole column; a column that can be read in two ways is refused with
the question that has to be answered. A row of totals is checked, not skipped; a running balance must run.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from itertools import islice, pairwise
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from bots.reconciliation.lines import Found, Line, Statement
from bots.reconciliation.money import NoAmount, minor, written
from bots.reconciliation.readers.cells import Cell, DateOrder, date_order, day_of, decimal_sign, text_of
from bots.reconciliation.readers.columns import is_heading, roles_of
from bots.reconciliation.readers.text import Unreadable

HEAD = 40
"""Rows within which the headings are looked for."""
_TOTALS = re.compile(r"^(grand )?(total|totals|sum|summe|gesamt|somme|totale|suma|合计|总计|小计)\b.*", re.IGNORECASE)
_DEBIT = frozenset({"d", "dr", "debit", "s", "soll", "af", "out", "-", "借", "支", "dbit"})
_CREDIT = frozenset({"c", "cr", "credit", "h", "haben", "bij", "in", "+", "贷", "收", "crdt"})
_SIGNS = _DEBIT | _CREDIT


class TableSpec(BaseModel):
    """How a table is to be read, where its headings do not tell."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: dict[str, str] = Field(default_factory=dict, description="Role to heading.")
    decimal: Literal[".", ","] | None = Field(None, description="Decimal sign; default: told from the column.")
    date_order: DateOrder | None = Field(None, description="Order of day, month, year; default: told from the column.")
    currency: str | None = Field(None, pattern="^[A-Z]{3}$", description="Currency of a table without such a column.")
    delimiter: str | None = Field(None, min_length=1, max_length=1, description="Default: told from the file.")
    encoding: str | None = Field(None, description="Default: told from the file.")
    sheet: str | None = Field(None, description="Sheet of a workbook; default: the first with headings.")
    account: str = Field("", description="Account of a table without such a column.")
    negate: bool = Field(False, description="Whether money that came in is written as negative.")


@dataclass(frozen=True)
class Row:
    """One row of a table."""

    number: int
    """Line of the file on which it begins, from 1; for a sheet its row."""
    cells: tuple[Cell, ...]
    swallowed: int = 0
    """Rows that seem to stand within its quotes."""


def read_table(rows: Iterable[Row], found: Found, spec: TableSpec) -> None:
    """Read a table; `rows` can be gone through more than once.

    Raises:
        Unreadable: no row has headings that tell of dates and amounts, or a column can be read in two ways.
    """
    top = list(islice(rows, HEAD))
    head = next((at for at, row in enumerate(top) if _is_head(row, spec)), None)
    if head is None:
        raise Unreadable("no row has headings that tell of dates and amounts: declare the columns")
    headings = [str(cell).strip() for cell in top[head].cells]
    while headings and not headings[-1]:
        headings.pop()
    try:
        table = _Table(roles_of(headings, spec.columns), spec, _Body(rows, head), len(headings))
    except ValueError as error:
        raise Unreadable(str(error)) from error
    for row in top[:head]:
        if table.could_be_booking(row):
            found.refuse(row.number, "row", _shown(row), "it stands above the headings")
    table.read(found, top[head].number)


class _Body:
    """The rows below the headings that hold anything."""

    def __init__(self, rows: Iterable[Row], head: int) -> None:
        self.rows, self.head = rows, head

    def __iter__(self) -> Iterator[Row]:
        return (row for row in islice(self.rows, self.head + 1, None) if any(str(cell).strip() for cell in row.cells))


def _shown(row: Row) -> str:
    return " | ".join(str(cell) for cell in row.cells if str(cell).strip())


def _is_head(row: Row, spec: TableSpec) -> bool:
    cells = [str(cell).strip() for cell in row.cells]
    if spec.columns:
        return all(heading in cells for heading in spec.columns.values())
    return is_heading(cells)


class _Table:
    """The rows under the headings, with what the whole column tells of each cell."""

    def __init__(self, roles: Mapping[str, int], spec: TableSpec, rows: Iterable[Row], width: int) -> None:
        self.roles, self.spec, self.rows, self.width = roles, spec, rows, width
        self.order = spec.date_order or date_order(self._texts("booked", "valued"))
        self.decimal = spec.decimal or decimal_sign(self._texts("amount", "debit", "credit", "balance"))
        self.signed_by_column = "sign" in spec.columns or any(
            text.casefold() in _SIGNS for text in set(self._texts("sign"))
        )

    def _texts(self, *names: str) -> Iterator[str]:
        here = [name for name in names if name in self.roles]
        return (self.text(row, name) for row in (self.rows if here else ()) for name in here)

    def could_be_booking(self, row: Row) -> bool:
        """Say whether a row can be read as a booking."""
        try:
            self.line(row)
        except ValueError:
            return False
        return True

    def cell(self, row: Row, role: str) -> Cell:
        """Return a cell, "" where the row ends before it or the table has no such column."""
        at = self.roles.get(role)
        return row.cells[at] if at is not None and at < len(row.cells) else ""

    def text(self, row: Row, role: str) -> str:
        """Return a cell's text; what is no text already is left out."""
        value = self.cell(row, role)
        return value.strip() if isinstance(value, str) else ""

    def read(self, found: Found, number: int) -> None:
        """Read the rows into one statement an account and currency."""
        lines: dict[tuple[str, str], list[Line]] = {}
        balances: dict[tuple[str, str], list[int | None]] = {}
        totals: list[Row] = []
        held = len(found.quarantined)
        for row in self.rows:
            if self._is_total(row):
                totals.append(row)
                continue
            try:
                line = self.line(row)
                key = self.text(row, "account") or self.spec.account, line.currency
                balance = self.amount(row, "balance", line.currency)
            except ValueError as error:
                found.refuse(row.number, "row", _shown(row), str(error), 1 + row.swallowed)
                continue
            lines.setdefault(key, []).append(line)
            balances.setdefault(key, []).append(balance)
        statements = [
            _balanced(Statement(account, currency, number, tuple(rows)), balances[account, currency])
            for (account, currency), rows in lines.items()
        ]
        if len(statements) == 1 and len(found.quarantined) == held:
            statements = [self._with_totals(statements[0], totals, found)]
        elif totals and len(statements) > 1:
            for row in totals:
                found.refuse(row.number, "total", _shown(row), "a total over several accounts", 0)
        found.statements += statements

    def line(self, row: Row) -> Line:
        """Read one row.

        Raises:
            NoAmount: it has no date or amount, or one that cannot be read.
        """
        if row.swallowed:
            raise NoAmount(f"a quote seems to swallow the {row.swallowed} rows that follow")
        if len(row.cells) < self.width or any(str(cell).strip() for cell in row.cells[self.width :]):
            raise NoAmount(f"it has {len(row.cells)} cells, the headings are {self.width}")
        currency = sys.intern((self.text(row, "currency") or self.spec.currency or "").upper())
        if not currency:
            raise NoAmount("its currency is not told: declare it")
        booked = self.day(row, "booked")
        valued = self.day(row, "valued")
        if booked is None and valued is None:
            raise NoAmount("it has no date")
        return Line(
            number=row.number,
            amount=self.signed(row, currency),
            currency=currency,
            booked=booked or valued or date.min,
            valued=valued,
            bank_id=text_of(self.cell(row, "bank_id")),
            end_to_end=text_of(self.cell(row, "end_to_end")),
            reference=text_of(self.cell(row, "reference")),
            text=text_of(self.cell(row, "text")),
            name=sys.intern(text_of(self.cell(row, "name"))),  # the same parties come again and again
            counter_account=sys.intern(text_of(self.cell(row, "counter_account"))),
        )

    def signed(self, row: Row, currency: str) -> int:
        """Return the amount of a row, positive where money came in."""
        if "amount" in self.roles:
            amount = self.amount(row, "amount", currency)
            if amount is None:
                raise NoAmount("it has no amount")
            sign = self.text(row, "sign").casefold()
            if sign in _DEBIT:
                amount = -abs(amount)
            elif sign not in _CREDIT and self.signed_by_column:
                raise NoAmount(f"{sign!r} is neither debit nor credit")
        else:
            debit, credit = self.amount(row, "debit", currency), self.amount(row, "credit", currency)
            if (debit or 0) and (credit or 0):
                raise NoAmount("it has a debit and a credit")
            if debit is None and credit is None:
                raise NoAmount("it has neither a debit nor a credit")
            amount = (credit or 0) - abs(debit or 0)
        return -amount if self.spec.negate else amount

    def amount(self, row: Row, role: str, currency: str) -> int | None:
        """Return a cell's amount in minor units; None for an empty one."""
        value = self.cell(row, role)
        if isinstance(value, bool) or value is None or value == "":
            return None
        if isinstance(value, int | float):
            return minor(Decimal(repr(value)), currency)  # a sheet's 0.1 is 0.1, not its nearest double
        return written(str(value), currency, self.decimal) if str(value).strip() else None

    def day(self, row: Row, role: str) -> date | None:
        """Return a cell's day; None for an empty one."""
        value = self.cell(row, role)
        if isinstance(value, datetime):
            return value.date()
        if isinstance(value, date):
            return value
        return day_of(str(value), self.order) if str(value).strip() else None

    def _is_total(self, row: Row) -> bool:
        dated = str(self.cell(row, "booked")).strip() or str(self.cell(row, "valued")).strip()
        first = next((str(cell).strip() for cell in row.cells if str(cell).strip()), "")
        return _TOTALS.match(first) is not None and (not dated or _TOTALS.match(dated) is not None)

    def _with_totals(self, statement: Statement, totals: Sequence[Row], found: Found) -> Statement:
        for row in totals:
            try:
                if "amount" in self.roles:
                    total = self.amount(row, "amount", statement.currency)
                    wanted = sum(line.amount for line in statement.lines)
                    if total is not None and (-total if self.spec.negate else total) != wanted:
                        said = f"the total in row {row.number} is {total}, the rows add up to {wanted}"
                        return replace(statement, unreadable=said)
                    if total is not None:
                        statement = replace(statement, untied="")
                else:
                    debit, credit = (self.amount(row, role, statement.currency) for role in ("debit", "credit"))
                    statement = replace(
                        statement,
                        outgoing=abs(debit) if debit is not None else None,
                        incoming=credit,
                        untied="" if None not in (debit, credit) else statement.untied,
                    )
            except ValueError as error:
                found.refuse(row.number, "total", _shown(row), str(error), 0)
        return statement


def _balanced(statement: Statement, balances: Sequence[int | None]) -> Statement:
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
    said = f"line {first.number}: its amount is the first under a running balance; no opening balance ties it"
    return replace(statement, opening=opening, closing=closing, untied=said)
