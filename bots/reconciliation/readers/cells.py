"""What the cells of a table say: dates, amounts and texts, told from whole columns and never guessed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, Literal

from bots.reconciliation.money import NoAmount
from bots.reconciliation.readers.text import Unclear

DateOrder = Literal["dmy", "mdy", "ymd"]
Cell = Any
_ORDERS: tuple[DateOrder, ...] = ("ymd", "dmy", "mdy")
_DIGITS = re.compile(r"(\d{1,4})([-./ ] ?)(\d{1,2})\2(\d{1,4})(?:[ T]\d.*)?")
_TIME = r"(?:[ T]\d\d?:.*)?"
_DAY_FIRST = re.compile(r"(\d{1,2})[-. /]{0,2}([^\W\d_]{3,10})\.?[-. /,]{0,2}(\d{4}|\d{2})" + _TIME)
_MONTH_FIRST = re.compile(r"([^\W\d_]{3,10})\.? (\d{1,2}),? (\d{4})" + _TIME)
_MONTHS = (
    ("jan", "ene", "gen"),
    ("feb", "fev"),
    ("mar", "mrt", "mae"),
    ("apr", "avr", "abr"),
    ("may", "mai", "mag", "mei", "maj"),
    ("jun", "juin", "giu"),
    ("jul", "juil", "lug"),
    ("aug", "aou", "ago"),
    ("sep", "set"),
    ("oct", "okt", "ott"),
    ("nov",),
    ("dec", "dez", "dic"),
)
"""How the months begin in the languages of `columns`, without accents."""
_CENTURY = 2000
_FIRST_YEAR, _LAST_YEAR = 1900, 2199
_SERIALS = range(14_000, 110_000)
"""Days that a workbook may count to: 1938 to 2201."""
EPOCH = date(1899, 12, 30)
"""The day that most workbooks count from (ECMA-376, 18.17.4.1); others count from 1904-01-01."""


def text_of(value: Cell) -> str:
    """Return a cell as text on one line; a sheet's whole number has no decimals."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return " ".join(str(value).split())


def date_order(dates: Iterable[str]) -> DateOrder | None:
    """Return the only order that every date of a column can have.

    Raises:
        Unclear: two orders fit, and give other days.
    """
    known = [text for text in dict.fromkeys(dates) if text and any(_fits(text, order) for order in _ORDERS)]
    fitting = [order for order in _ORDERS if all(_fits(text, order) for text in known)]
    if len(fitting) < 2 or not known:  # noqa: PLR2004 - nothing to choose
        return fitting[0] if fitting else None
    readings = {tuple(day_of(text, order) for text in known): order for order in fitting}
    if len(readings) > 1:
        text = next(text for text in known if len({day_of(text, order) for order in fitting}) > 1)
        days = " or ".join(f"{day_of(text, order)} ({order})" for order in readings.values())
        raise Unclear(f"{text!r} may be {days}, and every date of the column can be read so", "date_order", fitting)
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
        return _day(int(stripped[:4]), int(stripped[4:6]), int(stripped[6:]))
    match = _DIGITS.fullmatch(stripped.replace("年", "-").replace("月", "-").replace("日", ""))
    if match is None:
        return _named(stripped)
    if order is None:
        raise NoAmount(f"{text!r} is no date that is read here")
    parts = dict(zip(order, match.group(1, 3, 4), strict=True))
    if len(parts["y"]) not in {2, 4} or len(parts["d"]) > 2 or len(parts["m"]) > 2:  # noqa: PLR2004 - digits
        raise NoAmount(f"{text!r} is no date in the order {order}")
    return _day(_year(parts["y"]), int(parts["m"]), int(parts["d"]))


def _named(text: str) -> date:
    """Read a date whose month is written out: 5 Mar 2026, 05-MAR-26, 5. März 2026, Mar 5, 2026."""
    if match := _DAY_FIRST.fullmatch(text):
        day, name, year = match.groups()
    elif match := _MONTH_FIRST.fullmatch(text):
        name, day, year = match.groups()
    else:
        raise NoAmount(f"{text!r} is no date that is read here")
    bare = "".join(sign for sign in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(sign))
    for month, begins in enumerate(_MONTHS, start=1):
        if bare.startswith(begins):
            return _day(_year(year), month, int(day))
    raise NoAmount(f"{text!r} is no date that is read here: {name!r} is no month")


def serial_day(number: float, epoch: date) -> date:
    """Return the day of a sheet's number: 20260302 as it is written, 46083 as many days after `epoch`.

    Raises:
        ValueError: it is neither.
    """
    whole = int(number)
    if whole in _SERIALS:
        return epoch + timedelta(whole)
    text = str(whole)
    if whole != number or len(text) != 8:  # noqa: PLR2004 - YYYYMMDD
        raise NoAmount(f"the number {number:g} is no date")
    return day_of(text, None)


def _year(digits: str) -> int:
    return int(digits) + (_CENTURY if len(digits) == 2 else 0)  # noqa: PLR2004


def _day(year: int, month: int, day: int) -> date:
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise NoAmount(f"a booking of the year {year}")
    return date(year, month, day)


class DecimalSign:
    """What the amounts of a column tell of its decimal sign."""

    def __init__(self) -> None:
        self.shown: dict[str, str] = {}
        """Decimal sign to the first amount that can have no other."""
        self.grouped: dict[str, str] = {}
        """The same of what only groups thousands, in a currency of at most two decimals."""
        self.perhaps: dict[str, str] = {}
        """The same of what does so in a currency without decimals: 1,000."""

    def see(self, text: str) -> None:
        """Look at one amount."""
        last = max(text.rfind("."), text.rfind(","))
        if last < 0:
            return
        sign = text[last]
        after = re.sub(r"\D", "", text[last + 1 :])
        if ("." in text and "," in text) or len(after) in {1, 2} or re.match(r"\D*0[.,]\d", text):
            if text.count(sign) == 1:
                self.shown.setdefault(sign, text)
        elif len(after) == 3:  # noqa: PLR2004 - a group of thousands
            several = text.count(sign) > 1 or after[-1] != "0"
            (self.grouped if several else self.perhaps).setdefault(sign, text)

    def told(self, places: int) -> str | None:
        """Return the sign of a table whose currencies have at most so many decimals; None where nothing tells it.

        Raises:
            Unclear: some amounts show a point, some a comma.
        """
        if len(self.shown) > 1:
            some = " and ".join(repr(text) for text in self.shown.values())
            raise Unclear(f"some amounts have a decimal point, some a decimal comma ({some})", "decimal", (".", ","))
        if self.shown:
            return next(iter(self.shown))
        groups = {} if places > 2 else self.grouped if places else self.grouped | self.perhaps  # noqa: PLR2004
        if len(groups) == 1:
            return "," if "." in groups else "."
        unclear = next(iter({**self.grouped, **self.perhaps}.values()), None)
        if unclear is not None:
            raise Unclear(f"{unclear!r} may be thousands or decimals, and so may every amount", "decimal", (".", ","))
        return None
