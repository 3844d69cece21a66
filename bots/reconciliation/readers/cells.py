"""What the cells of a table say: dates, amounts and texts, told from whole columns and never guessed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from typing import Any, Literal

from bots.reconciliation.money import NoAmount

DateOrder = Literal["dmy", "mdy", "ymd"]
Cell = Any
_ORDERS: tuple[DateOrder, ...] = ("ymd", "dmy", "mdy")
_DIGITS = re.compile(r"(\d{1,4})([-./ ] ?)(\d{1,2})\2(\d{1,4})(?:[ T]\d.*)?")
_CENTURY = 2000


def text_of(value: Cell) -> str:
    """Return a cell as text on one line; a sheet's whole number has no decimals."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return " ".join(str(value).split())


def date_order(texts: Iterable[str]) -> DateOrder | None:
    """Return the only order that every date of a column can have.

    Raises:
        ValueError: two orders fit, and give other days.
    """
    dates = [text for text in dict.fromkeys(texts) if text and any(_fits(text, order) for order in _ORDERS)]
    fitting = [order for order in _ORDERS if all(_fits(text, order) for text in dates)]
    if len(fitting) < 2 or not dates:  # noqa: PLR2004 - nothing to choose
        return fitting[0] if fitting else None
    days = {tuple(day_of(text, order) for text in dates) for order in fitting}
    if len(days) > 1:
        raise ValueError(f"{dates[0]!r} may be day-month or month-day, and so may every date: declare the date order")
    return fitting[0]


def _fits(text: str, order: DateOrder) -> bool:
    try:
        day_of(text, order)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=1 << 14)
def day_of(text: str, order: DateOrder | None) -> date:
    """Read a date.

    Raises:
        NoAmount: it is none in this order.
        ValueError: there is no such day.
    """
    stripped = text.strip()
    if re.fullmatch(r"\d{8}", stripped):
        return date(int(stripped[:4]), int(stripped[4:6]), int(stripped[6:]))
    match = _DIGITS.fullmatch(stripped.replace("年", "-").replace("月", "-").replace("日", ""))
    if match is None or order is None:
        raise NoAmount(f"{text!r} is no date that is read here")
    parts = dict(zip(order, match.group(1, 3, 4), strict=True))
    if len(parts["y"]) not in {2, 4} or len(parts["d"]) > 2 or len(parts["m"]) > 2:  # noqa: PLR2004 - digits
        raise NoAmount(f"{text!r} is no date in the order {order}")
    year = int(parts["y"])
    return date(year + _CENTURY if len(parts["y"]) == 2 else year, int(parts["m"]), int(parts["d"]))  # noqa: PLR2004


def decimal_sign(texts: Iterable[str]) -> str | None:
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
