"""What the whole of a table tells of each of its cells, in one look at its rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Literal

from bots.reconciliation.money import NoAmount, exponent
from bots.reconciliation.readers.cells import Cell, DateOrder, DecimalSign, date_order, day_of
from bots.reconciliation.readers.columns import Columns
from bots.reconciliation.readers.text import Unclear

_DEBIT = frozenset({"d", "dr", "debit", "s", "soll", "af", "out", "-", "借", "支", "dbit", "支出", "出"})
_CREDIT = frozenset({"c", "cr", "credit", "h", "haben", "bij", "in", "+", "贷", "收", "crdt", "收入", "入"})
_NOUGHT = re.compile(r"[\s0.,()+-]*")
_MINUS = ("-", "(", "\u2212", "\N{EN DASH}")
_LAST_MONTH = 12
Way = Literal["debit", "credit", ""]


def way(text: str) -> Way:
    """Say which way a row's money went, as a column of signs says it; empty where it does not."""
    said = text.casefold()
    return "debit" if said in _DEBIT else "credit" if said in _CREDIT else ""


class Survey:
    """How the dates, amounts and signs of a table are written."""

    def __init__(self, columns: Columns, headings: Sequence[str], rows: Iterable[Sequence[Cell]], places: int) -> None:
        self.columns, self.headings = columns, headings
        self.roles = dict(columns.roles)
        self.decimals = DecimalSign()
        self.dates: dict[str, None] = {}
        self.days: set[date] = set()
        self.signed_by_column = False
        self._places = places
        self._filled: Counter[int] = Counter()
        self._rows = 0
        self._signs: Counter[tuple[int, Way, bool]] = Counter()
        for cells in rows:
            self._see(cells)
        for role, rivals in columns.rivals.items():
            self.roles[role] = self._one_of(role, rivals)

    def _see(self, cells: Sequence[Cell]) -> None:
        roles, dated = self.roles, False
        for role in ("booked", "valued"):
            value = _at(cells, roles.get(role))
            if isinstance(value, str):
                if value.strip():
                    self.dates[value.strip()] = None
                    dated = True
            elif isinstance(value, date):
                self.days.add(value)
                dated = True
        currency = _at(cells, roles.get("currency"))
        if isinstance(currency, str) and currency.strip():
            self._places = max(self._places, _places(currency.strip().upper()))
        told = _at(cells, roles.get("sign"))
        side = way(told.strip()) if isinstance(told, str) else ""
        self.signed_by_column = self.signed_by_column or side != ""
        self._rows += dated
        for role in ("amount", "debit", "credit"):
            for at in self.columns.rivals.get(role, (roles.get(role, -1),)):
                self._see_amount(at, _at(cells, at), side, dated)
        balance = _at(cells, roles.get("balance"))
        if isinstance(balance, str):
            self.decimals.see(balance)

    def _see_amount(self, at: int, value: Cell, side: Way, dated: bool) -> None:
        if isinstance(value, str):
            text = value.strip()
            if not text:
                return
            self.decimals.see(text)
            if not _NOUGHT.fullmatch(text):
                self._signs[at, side, text.startswith(_MINUS) or text.endswith("-")] += dated
        elif isinstance(value, int | float) and value:
            self._signs[at, side, value < 0] += dated
        self._filled[at] += dated

    def _one_of(self, role: str, rivals: tuple[int, ...]) -> int:
        """Return the only column that has an amount in every row.

        Raises:
            Unclear: there is none, or there are several.
        """
        full = [at for at in rivals if self._filled[at] == self._rows]
        if role == "amount" and len(full) == 1:
            return full[0]
        names = " or ".join(repr(self.headings[at]) for at in rivals)
        raise Unclear(f"the {role} may be in the column {names}", "columns")

    def order(self) -> DateOrder | None:
        """Return how the dates that are texts are written.

        Raises:
            Unclear: two orders fit, or some dates were read month first when the table was opened in a spreadsheet.
        """
        order = date_order(self.dates)
        texts = [text for text in self.dates if _is_date(text, order)]
        if order in {"dmy", "mdy"} and self.days and texts:
            swapped = all(day.day <= _LAST_MONTH for day in self.days)
            if swapped and all(day_of(text, order).day > _LAST_MONTH for text in texts):
                raise Unclear(
                    f"dates up to the {_LAST_MONTH}th of a month are dates, later ones are texts ({texts[0]!r}): a "
                    "spreadsheet took days for months where it could; mend the column, or say that it did not",
                    "date_order",
                    ("dmy", "mdy"),
                )
        return order

    def decimal(self) -> str | None:
        """Return the decimal sign of the amounts that are texts; see `DecimalSign.told`."""
        return self.decimals.told(self._places)

    def turned(self, role: str, side: Way = "") -> bool:
        """Say whether the amounts of a column, or those of one side in it, are written with a minus as a rule.

        Where only some are, those are reversals: a debit of -5 gives 5 back.
        """
        at = self.roles.get(role, -1)
        return self._signs[at, side, True] > self._signs[at, side, False]


def _at(cells: Sequence[Cell], at: int | None) -> Cell:
    return cells[at] if at is not None and 0 <= at < len(cells) else ""


def _is_date(text: str, order: DateOrder | None) -> bool:
    try:
        day_of(text, order)
    except ValueError:
        return False
    return True


def _places(currency: str) -> int:
    try:
        return exponent(currency)
    except NoAmount:
        return 0
