"""Tables of bookings: CSV, XLSX, XLS and ODS, with declared columns or ones told from their headings.

How dates and decimals are written is told from the whole column; a column that can be read in two ways is refused with
the question that has to be answered. A row of totals is checked, not skipped; a running balance must run.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from python_calamine import CalamineError, CalamineWorkbook

from bots.reconciliation.lines import Found, Line, Statement
from bots.reconciliation.money import NoAmount, minor, written
from bots.reconciliation.readers.columns import is_heading, roles_of
from bots.reconciliation.readers.text import Unreadable, decoded

DateOrder = Literal["dmy", "mdy", "ymd"]
Cell = Any
_HEAD = 40
"""Rows within which the headings are looked for."""
_TOTALS = re.compile(r"^(grand )?(total|totals|sum|summe|gesamt|somme|totale|suma|合计|总计|小计)\b.*", re.IGNORECASE)
_DIGITS = re.compile(r"(\d{1,4})\D+(\d{1,2})\D+(\d{1,4})(?:[ T].*)?")
_DEBIT = frozenset({"d", "dr", "debit", "s", "soll", "af", "out", "-", "借", "支", "dbit"})
_CREDIT = frozenset({"c", "cr", "credit", "h", "haben", "bij", "in", "+", "贷", "收", "crdt"})
_CENTURY = 2000


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
class _Row:
    number: int
    cells: tuple[Cell, ...]


def read_csv(data: bytes, found: Found, spec: TableSpec) -> None:
    """Read a CSV file.

    Raises:
        Unreadable: it is no text, or has no headings that tell of dates and amounts.
    """
    text = decoded(data, spec.encoding)
    delimiter = spec.delimiter or _delimiter(text)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    rows: list[_Row] = []
    try:
        rows.extend(_Row(reader.line_num, tuple(cells)) for cells in reader)
    except csv.Error as error:
        raise Unreadable(f"line {reader.line_num} is no CSV: {error}") from error
    _table(rows, found, spec)


def read_workbook(data: bytes, found: Found, spec: TableSpec) -> None:
    """Read the one sheet of a workbook that holds bookings.

    Raises:
        Unreadable: it is no workbook, or no sheet has headings that tell of dates and amounts.
    """
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        names = [spec.sheet] if spec.sheet else book.sheet_names
        sheets = {name: book.get_sheet_by_name(name).to_python(skip_empty_area=False) for name in names}
    except (CalamineError, OSError, ValueError) as error:
        raise Unreadable(f"the workbook cannot be read: {error}") from error
    for cells in sheets.values():
        rows = [_Row(number, tuple(row)) for number, row in enumerate(cells, start=1)]
        if spec.columns or any(is_heading([str(cell) for cell in row.cells]) for row in rows[:_HEAD]):
            _table(rows, found, spec)
            return
    raise Unreadable(f"no sheet has headings that tell of dates and amounts ({', '.join(names)}): declare the columns")


def _delimiter(text: str) -> str:
    """Return the delimiter that cuts the most lines into the same number of cells."""
    lines = [line for line in text.splitlines()[:200] if line.strip()]
    best = max(";\t|,", key=lambda sign: (_regular(lines, sign), ";\t|,".index(sign) * -1))
    return best if _regular(lines, best) else ","


def _regular(lines: Sequence[str], sign: str) -> int:
    counts = [len(next(csv.reader([line], delimiter=sign), [])) for line in lines]
    usual = max((count for count in counts if count > 1), key=counts.count, default=0)
    return counts.count(usual) * (usual > 1) * 100 + usual


def _table(rows: Sequence[_Row], found: Found, spec: TableSpec) -> None:
    head = next((at for at, row in enumerate(rows[:_HEAD]) if _is_head(row, spec)), None)
    if head is None:
        raise Unreadable("no row has headings that tell of dates and amounts: declare the columns")
    try:
        roles = roles_of([str(cell).strip() for cell in rows[head].cells], spec.columns)
        body = [row for row in rows[head + 1 :] if any(str(cell).strip() for cell in row.cells)]
        table = _Table(roles, spec, body)
    except ValueError as error:
        raise Unreadable(str(error)) from error
    table.read(found, rows[head].number)


def _is_head(row: _Row, spec: TableSpec) -> bool:
    cells = [str(cell).strip() for cell in row.cells]
    if spec.columns:
        return all(heading in cells for heading in spec.columns.values())
    return is_heading(cells)


class _Table:
    """The rows under the headings, with what the whole column tells of each cell."""

    def __init__(self, roles: Mapping[str, int], spec: TableSpec, rows: Sequence[_Row]) -> None:
        self.roles, self.spec, self.rows = roles, spec, rows
        self.order = spec.date_order or _date_order(
            [self.text(row, role) for row in rows for role in ("booked", "valued")]
        )
        self.decimal = spec.decimal or _decimal(
            [self.text(row, role) for row in rows for role in ("amount", "debit", "credit", "balance")]
        )

    def cell(self, row: _Row, role: str) -> Cell:
        """Return a cell, "" where the row ends before it or the table has no such column."""
        at = self.roles.get(role)
        return row.cells[at] if at is not None and at < len(row.cells) else ""

    def text(self, row: _Row, role: str) -> str:
        """Return a cell's text; what is no text already is left out."""
        value = self.cell(row, role)
        return value.strip() if isinstance(value, str) else ""

    def read(self, found: Found, number: int) -> None:
        """Read the rows into one statement an account and currency."""
        lines: dict[tuple[str, str], list[Line]] = {}
        balances: dict[tuple[str, str], list[int | None]] = {}
        totals: list[_Row] = []
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
                shown = " | ".join(str(cell) for cell in row.cells if str(cell).strip())
                found.refuse(row.number, "row", shown, str(error))
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
                found.refuse(row.number, "total", " | ".join(map(str, row.cells)), "a total over several accounts", 0)
        found.statements += statements

    def line(self, row: _Row) -> Line:
        """Read one row.

        Raises:
            NoAmount: it has no date or amount, or one that cannot be read.
        """
        currency = (self.text(row, "currency") or self.spec.currency or "").upper()
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
            bank_id=_text_of(self.cell(row, "bank_id")),
            end_to_end=_text_of(self.cell(row, "end_to_end")),
            reference=_text_of(self.cell(row, "reference")),
            text=_text_of(self.cell(row, "text")),
            name=_text_of(self.cell(row, "name")),
            counter_account=_text_of(self.cell(row, "counter_account")),
        )

    def signed(self, row: _Row, currency: str) -> int:
        """Return the amount of a row, positive where money came in."""
        if "amount" in self.roles:
            amount = self.amount(row, "amount", currency)
            if amount is None:
                raise NoAmount("it has no amount")
            sign = self.text(row, "sign").casefold()
            if sign in _DEBIT:
                amount = -abs(amount)
            elif sign and sign not in _CREDIT and "sign" in self.spec.columns:
                raise NoAmount(f"{sign!r} is neither debit nor credit")
        else:
            debit, credit = self.amount(row, "debit", currency), self.amount(row, "credit", currency)
            if (debit or 0) and (credit or 0):
                raise NoAmount("it has a debit and a credit")
            if debit is None and credit is None:
                raise NoAmount("it has neither a debit nor a credit")
            amount = (credit or 0) - abs(debit or 0)
        return -amount if self.spec.negate else amount

    def amount(self, row: _Row, role: str, currency: str) -> int | None:
        """Return a cell's amount in minor units; None for an empty one."""
        value = self.cell(row, role)
        if isinstance(value, bool) or value is None or value == "":
            return None
        if isinstance(value, int | float):
            return minor(Decimal(repr(value)), currency)  # a sheet's 0.1 is 0.1, not its nearest double
        return written(str(value), currency, self.decimal) if str(value).strip() else None

    def day(self, row: _Row, role: str) -> date | None:
        """Return a cell's day; None for an empty one."""
        value = self.cell(row, role)
        if isinstance(value, datetime):
            return value.date()
        if isinstance(value, date):
            return value
        return _day(str(value), self.order) if str(value).strip() else None

    def _is_total(self, row: _Row) -> bool:
        dated = str(self.cell(row, "booked")).strip() or str(self.cell(row, "valued")).strip()
        first = next((str(cell).strip() for cell in row.cells if str(cell).strip()), "")
        return _TOTALS.match(first) is not None and (not dated or _TOTALS.match(dated) is not None)

    def _with_totals(self, statement: Statement, totals: Sequence[_Row], found: Found) -> Statement:
        for row in totals:
            try:
                if "amount" in self.roles:
                    total = self.amount(row, "amount", statement.currency)
                    wanted = sum(line.amount for line in statement.lines)
                    if total is not None and (-total if self.spec.negate else total) != wanted:
                        said = f"the total in row {row.number} is {total}, the rows add up to {wanted}"
                        return replace(statement, unreadable=said)
                else:
                    debit, credit = (self.amount(row, role, statement.currency) for role in ("debit", "credit"))
                    statement = replace(
                        statement,
                        outgoing=abs(debit) if debit is not None else None,
                        incoming=credit,
                    )
            except ValueError as error:
                found.refuse(row.number, "total", " | ".join(map(str, row.cells)), str(error), 0)
        return statement


def _balanced(statement: Statement, balances: Sequence[int | None]) -> Statement:
    """Add opening and closing from a running balance, whichever way the table runs."""
    if not balances or any(balance is None for balance in balances):
        return statement
    amounts = [line.amount for line in statement.lines]
    known = [balance or 0 for balance in balances]
    if all(after - before == amount for (before, after), amount in zip(pairwise(known), amounts[1:], strict=True)):
        return replace(statement, opening=known[0] - amounts[0], closing=known[-1])
    if all(before - after == amount for (before, after), amount in zip(pairwise(known), amounts, strict=False)):
        return replace(statement, opening=known[-1] - amounts[-1], closing=known[0])
    at = next(n for n in range(1, len(known)) if known[n] - known[n - 1] != amounts[n])
    said = f"the balance of row {statement.lines[at].number} does not follow from the row before"
    return replace(statement, unreadable=said)


def _text_of(value: Cell) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return " ".join(str(value).split())


def _date_order(texts: Sequence[str]) -> DateOrder | None:
    """Return the only order that every date of a column can have.

    Raises:
        ValueError: two orders fit, and give other days.
    """
    orders: tuple[DateOrder, ...] = ("ymd", "dmy", "mdy")
    dates = [text for text in texts if text and any(_fits(text, order) for order in orders)]
    fitting = [order for order in orders if all(_fits(text, order) for text in dates)]
    if len(fitting) < 2 or not dates:  # noqa: PLR2004 - nothing to choose
        return fitting[0] if fitting else None
    days = {tuple(_day(text, order) for text in dates) for order in fitting}
    if len(days) > 1:
        raise ValueError(f"{dates[0]!r} may be day-month or month-day, and so may every date: declare the date order")
    return fitting[0]


def _fits(text: str, order: DateOrder) -> bool:
    try:
        _day(text, order)
    except ValueError:
        return False
    return True


def _day(text: str, order: DateOrder | None) -> date:
    stripped = text.strip()
    if re.fullmatch(r"\d{8}", stripped):
        return date(int(stripped[:4]), int(stripped[4:6]), int(stripped[6:]))
    match = _DIGITS.fullmatch(stripped.replace("年", "-").replace("月", "-").replace("日", ""))
    if match is None or order is None:
        raise NoAmount(f"{text!r} is no date that is read here")
    parts = dict(zip(order, match.groups(), strict=True))
    if len(parts["y"]) not in {2, 4} or len(parts["d"]) > 2 or len(parts["m"]) > 2:  # noqa: PLR2004 - digits
        raise NoAmount(f"{text!r} is no date in the order {order}")
    year = int(parts["y"])
    return date(year + _CENTURY if len(parts["y"]) == 2 else year, int(parts["m"]), int(parts["d"]))  # noqa: PLR2004


def _decimal(texts: Sequence[str]) -> str | None:
    """Return the decimal sign that a column's unambiguous amounts show; None where none does.

    Raises:
        ValueError: some show a point, some a comma.
    """
    shown = set()
    for text in texts:
        last = max(text.rfind("."), text.rfind(","))
        digits = re.sub(r"\D", "", text[last + 1 :]) if last >= 0 else ""
        both = "." in text and "," in text
        if both or (last >= 0 and len(digits) in {1, 2}):
            shown.add(text[last])
    if len(shown) > 1:
        raise ValueError("some amounts have a decimal point, some a decimal comma: declare the decimal sign")
    return shown.pop() if shown else None
