"""Tables of bookings, whatever they came in, with declared columns or ones told from their headings.

How dates and decimals are written is told from the whole column; a column that can be read in two ways is refused with
the question that has to be answered. A row of totals is checked, not skipped; a running balance must run.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from bots.reconciliation.lines import Found, Line, Statement
from bots.reconciliation.money import NoAmount, exponent, minor, written
from bots.reconciliation.readers.cells import EPOCH, Cell, DateOrder, day_of, serial_day, text_of
from bots.reconciliation.readers.columns import MONEY, columns_of, currency_in
from bots.reconciliation.readers.heads import HEAD, Body, Row, head_of, shown
from bots.reconciliation.readers.survey import Survey, way
from bots.reconciliation.readers.text import NoBookings, Unclear
from bots.reconciliation.readers.totals import Kind, Sums, balanced, has_figure, kind_of, with_balance, with_total

_SHOWN = 5
_ORDER = {"dmy": "day, month, year", "mdy": "month, day, year", "ymd": "year, month, day"}
_USUAL = 2
"""Decimals of a currency that is not known yet."""
_DIGITS = 15
"""Decimal digits that a spreadsheet computes with: its 0.30000000000000004 is 0.3."""


class TableSpec(BaseModel):
    """How a table is to be read, where its headings do not tell."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: dict[str, str] = Field(default_factory=dict, description="Role to heading.")
    decimal: Literal[".", ","] | None = Field(None, description="Decimal sign; default: told from the column.")
    date_order: DateOrder | None = Field(None, description="Order of day, month, year; default: told from the column.")
    currency: str | None = Field(None, pattern="^[A-Z]{3}$", description="Currency of a table without such a column.")
    otherwise: str | None = Field(None, pattern="^[A-Z]{3}$", description="Currency where nothing else tells one.")
    delimiter: str | None = Field(None, min_length=1, max_length=1, description="Default: told from the file.")
    encoding: str | None = Field(None, description="Default: told from the file.")
    sheet: str | None = Field(None, description="Sheet of a workbook; default: the first with headings.")
    account: str = Field("", description="Account of a table without such a column.")
    negate: bool = Field(False, description="Whether money that came in is written as negative.")


def read_table(rows: Iterable[Row], found: Found, spec: TableSpec, epoch: date = EPOCH) -> None:
    """Read a table; `rows` can be gone through more than once, `epoch` is the day from which its numbers count days.

    Raises:
        Unclear: no row has headings that tell of dates and amounts, or a column can be read in two ways.
    """
    top = list(islice(rows, HEAD))
    head = head_of(top, spec.columns)
    if head is None:
        raise Unclear("no row has headings that tell of dates and amounts", "columns")
    at, names, height = head
    while names and not names[-1]:
        names.pop()
    table = _Table(names, spec, Body(rows, at + height), epoch)
    for row in top[:at]:
        if table.could_be_booking(row):
            found.refuse(row.number, "row", shown(row), "it stands above the headings")
    table.read(found, top[at].number)


class _Table:
    """The rows under the headings, with what the whole column tells of each cell."""

    def __init__(self, names: Sequence[str], spec: TableSpec, rows: Iterable[Row], epoch: date) -> None:
        self.names, self.spec, self.rows, self.width, self.epoch = names, spec, rows, len(names), epoch
        columns = columns_of(names, spec.columns)
        told = spec.currency or columns.currency or spec.otherwise or ""
        least = exponent(told) if told else 0 if "currency" in columns.roles else _USUAL
        survey = Survey(columns, names, (row.cells for row in rows), least)
        self.roles: Mapping[str, int] = survey.roles
        named = currency_in(names[self.roles["amount"]]) if columns.rivals else columns.currency
        self.currency = spec.currency or named or spec.otherwise or ""
        if not self.currency and "currency" not in self.roles:
            raise Unclear("neither a column nor a heading tells its currency", "currency")
        self.order = spec.date_order or survey.order()
        self.dated_in_text = bool(survey.dates)
        self.decimal = spec.decimal or survey.decimal()
        self.signed_by_column = "sign" in spec.columns or survey.signed_by_column
        self.turned = {role: survey.turned(role) for role in ("debit", "credit")}
        self.side_turned = {side: survey.turned("amount", side) for side in ("debit", "credit")}

    def told(self) -> str:
        """Say what each column was taken for, and how its cells were read."""
        roles = sorted((at, role) for role, at in self.roles.items() if role != "sign" or self.signed_by_column)
        of = ", ".join(f"{role} = {self.names[at]}" for at, role in roles)
        unread = [name for at, name in enumerate(self.names) if name and at not in dict(roles)]
        said = [of, *([f"not read: {', '.join(unread)}"] if unread else [])]
        if self.order and self.dated_in_text:
            said.append(f"dates are {_ORDER[self.order]}")
        if self.decimal:
            said.append(f"decimal {'comma' if self.decimal == ',' else 'point'}")
        if "currency" not in self.roles:
            said.append(f"all in {self.currency}")
        said += [f"{role}s are written with a minus" for role, turned in self.turned.items() if turned]
        return "; ".join(said)

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
        """Return a cell as a text."""
        value = self.cell(row, role)
        return "" if value == "" else text_of(value)

    def read(self, found: Found, number: int) -> None:
        """Read the rows into one statement an account and currency."""
        lines: dict[tuple[str, str], list[Line]] = {}
        balances: dict[tuple[str, str], list[int | None]] = {}
        ties, sums, notes = list[_Tie](), Sums.none(), list[Row]()
        held = len(found.quarantined)
        for row in self.rows:
            try:
                line, parts = self.line(row)
                key = self.text(row, "account") or self.spec.account, line.currency
                balance = self.amount(row, "balance", line.currency)
            except ValueError as error:
                kind = self.kind(row)
                if kind == "note":
                    notes.append(row)
                elif kind:
                    ties.append(_Tie(kind, row, sums.since() if kind == "total" else []))
                else:
                    found.refuse(row.number, "row", shown(row), str(error), 1 + row.swallowed)
                continue
            sums.add(parts)
            lines.setdefault(key, []).append(line)
            balances.setdefault(key, []).append(balance)
        statements = [
            balanced(Statement(account, currency, number, tuple(rows)), balances[account, currency])
            for (account, currency), rows in lines.items()
        ]
        if not statements and not ties and len(found.quarantined) == held:
            raise NoBookings("it has headings, and no booking below them")
        found.said.append(self.told())
        found.said += [f"line {row.number} is a note: {shown(row)[:80]}" for row in notes[:_SHOWN]]
        if len(notes) > _SHOWN:
            found.said.append(f"and {len(notes) - _SHOWN} more notes")
        found.statements += self._tied(statements, ties, sums, found, whole=len(found.quarantined) == held)

    def kind(self, row: Row) -> Kind:
        """Say whether a row is a booking or something else."""
        dated = any(self.is_dated(self.cell(row, role)) for role in ("booked", "valued"))
        paid = any(self.text(row, role) for role in MONEY)
        return "" if dated and paid else kind_of([str(cell) for cell in row.cells], dated=dated, paid=paid)

    def is_dated(self, cell: Cell) -> bool:
        """Say whether a cell is a date, or looks like one that cannot be read."""
        if not isinstance(cell, str):
            return isinstance(cell, date | int | float)
        try:
            return has_figure(cell) or (bool(cell.strip()) and day_of(cell, self.order) is not None)
        except ValueError:
            return False

    def line(self, row: Row) -> tuple[Line, dict[str, int]]:
        """Read one row: the booking, and what it adds to the totals of the columns of amounts.

        Raises:
            NoAmount: it has no date or amount, or one that cannot be read.
        """
        if row.swallowed:
            raise NoAmount(f"a quote seems to swallow the {row.swallowed} rows that follow")
        if len(row.cells) < self.width or any(str(cell).strip() for cell in row.cells[self.width :]):
            raise NoAmount(f"it has {len(row.cells)} cells, the headings are {self.width}")
        currency = sys.intern(self.text(row, "currency").upper() or self.currency)
        if not currency:
            raise NoAmount("its currency is not told: declare it")
        booked = self.day(row, "booked")
        valued = self.day(row, "valued")
        if booked is None and valued is None:
            raise NoAmount("it has no date")
        amount, parts = self.signed(row, currency)
        line = Line(
            number=row.number,
            amount=amount,
            currency=currency,
            booked=booked or valued or date.min,
            valued=valued,
            bank_id=self.text(row, "bank_id"),
            end_to_end=self.text(row, "end_to_end"),
            reference=self.text(row, "reference"),
            text=self.text(row, "text"),
            name=sys.intern(self.text(row, "name")),  # the same parties come again and again
            counter_account=sys.intern(self.text(row, "counter_account")),
        )
        return line, parts

    def signed(self, row: Row, currency: str) -> tuple[int, dict[str, int]]:
        """Return the amount of a row, positive where money came in, and what its columns of amounts say."""
        way_in = -1 if self.spec.negate else 1
        if "amount" not in self.roles:
            debit, credit = self.sided(row, "debit", currency), self.sided(row, "credit", currency)
            if debit and credit:
                raise NoAmount("it has a debit and a credit")
            if debit is None and credit is None:
                raise NoAmount("it has neither a debit nor a credit")
            parts = {"debit": debit or 0, "credit": credit or 0}
            return way_in * (parts["credit"] - parts["debit"]), parts
        amount = self.amount(row, "amount", currency)
        if amount is None:
            raise NoAmount("it has no amount")
        parts = {"written": amount}
        if self.signed_by_column:
            told = self.text(row, "sign")
            side = way(told)
            if not side:
                raise NoAmount(f"{told!r} is neither debit nor credit")
            amount = -amount if self.side_turned[side] else amount
            amount = -amount if side == "debit" else amount
        return way_in * amount, parts | {"amount": way_in * amount}

    def sided(self, row: Row, role: str, currency: str) -> int | None:
        """Return a debit or a credit, positive unless it takes back another; None for an empty cell."""
        amount = self.amount(row, role, currency)
        return -amount if amount is not None and self.turned[role] else amount

    def amount(self, row: Row, role: str, currency: str) -> int | None:
        """Return a cell's amount in minor units; None for an empty one."""
        value = self.cell(row, role)
        if isinstance(value, bool) or value is None or value == "":
            return None
        if isinstance(value, int):
            return minor(Decimal(value), currency)
        if isinstance(value, float):
            return minor(Decimal(f"{value:.{_DIGITS}g}"), currency)
        return written(str(value), currency, self.decimal) if str(value).strip() else None

    def day(self, row: Row, role: str) -> date | None:
        """Return a cell's day; None for an empty one."""
        value = self.cell(row, role)
        if isinstance(value, datetime):
            return value.date()
        if isinstance(value, date):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return serial_day(value, self.epoch)
        return day_of(str(value), self.order) if str(value).strip() else None

    def _tied(
        self, statements: list[Statement], ties: Sequence[_Tie], sums: Sums, found: Found, *, whole: bool
    ) -> list[Statement]:
        """Hold totals and balances that rows state against the bookings; where some are held back, totals cannot be."""
        for tie in ties:
            named = self.text(tie.row, "account")
            about = [at for at, one in enumerate(statements) if not named or one.account == named]
            if len(about) != 1:
                if len(statements) > 1:
                    found.refuse(tie.row.number, tie.kind, shown(tie.row), f"a {tie.kind} over several accounts", 0)
                continue
            at = about[0]
            if tie.kind == "total" and (len(statements) > 1 or not whole):
                continue
            try:
                statements[at] = self._held_against(statements[at], tie, sums)
            except ValueError as error:
                found.refuse(tie.row.number, tie.kind, shown(tie.row), str(error), 0)
        return statements

    def _held_against(self, statement: Statement, tie: _Tie, sums: Sums) -> Statement:
        row, currency = tie.row, statement.currency
        if tie.kind != "total":
            balance = self.amount(row, "balance", currency)
            return with_balance(
                statement, row.number, tie.kind, self.signed(row, currency)[0] if balance is None else balance
            )
        if "amount" not in self.roles:
            both = {role: self.sided(row, role, currency) for role in ("debit", "credit")}
            known = {role: total for role, total in both.items() if total is not None}
            return with_total(statement, row.number, known, tie.parts, sums.of)
        total = self.amount(row, "amount", currency)
        if total is None:
            return statement
        if total == sums.of.get("written") and self.signed_by_column:
            return with_total(
                statement, row.number, {"written": total, "amount": sums.of["amount"]}, tie.parts, sums.of
            )
        stated = {"amount": -total if self.spec.negate else total}
        return with_total(statement, row.number, stated, tie.parts, sums.of)


@dataclass(frozen=True)
class _Tie:
    """A row that states a total or a balance."""

    kind: Kind
    row: Row
    parts: list[dict[str, int]]
    """For a total: what the rows before it add up to."""
