"""Figures and foreign texts as people read them: the same on the terminal, in the report and in spreadsheets."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal

from bots.reconciliation.money import NoAmount, exponent

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
"""Signs that move, hide or turn round what stands beside them."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""Beginnings that spreadsheets take for a formula (OWASP, CSV injection), full-width ones too."""
_WITHIN = re.compile(rf"""([;\t\r\n]["'\s]*)(?=[{re.escape("".join(_FORMULA))}])""")
"""The same behind a sign that cuts cells elsewhere: a program set to semicolons reads a;=1+1 as two cells."""

_LEAST = Decimal("0.0001")


def money(minor: int, currency: str) -> str:
    """Write an amount: 1,234.50; a minus is a minus sign, not a hyphen."""
    digits = exponent(currency)
    whole, rest = divmod(abs(minor), 10**digits)
    sign = "\N{MINUS SIGN}" if minor < 0 else ""
    return f"{sign}{whole:,}.{rest:0{digits}d}" if digits else f"{sign}{whole:,}"


def signed(minor: int, currency: str) -> str:
    """Write what an amount adds: with its sign, also where it is a plus."""
    return f"+{money(minor, currency)}" if minor > 0 else money(minor, currency)


def decimal(minor: int, currency: str) -> str:
    """Write an amount for another program: -1234.50."""
    digits = exponent(currency)
    whole, rest = divmod(abs(minor), 10**digits)
    sign = "-" if minor < 0 else ""
    return f"{sign}{whole}.{rest:0{digits}d}" if digits else f"{sign}{whole}"


def stated(minor: int, currency: str) -> str:
    """Write an amount in a sentence about a file, whose currency may be none: 1234.50 EUR."""
    try:
        return f"{decimal(minor, currency)} {currency}"
    except NoAmount:
        return f"{minor} minor units"


def visible(value: object) -> str:
    """Return a foreign text on one line, with nothing in it that hides or moves what stands beside it."""
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", re.sub(r"\s+", " ", str(value)).strip())


def inert(value: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    safe = _WITHIN.sub(r"\1'", value)
    return f"'{safe}" if safe.startswith(_FORMULA) else safe


def counted(count: int, word: str, plural: str = "") -> str:
    """Write a number with its noun: 1 line, 2 lines."""
    return f"{count:,} {word if count == 1 else plural or word + 's'}"


def share(value: float) -> str:
    """Write a share as a percentage; one that is not 0 or 1 never rounds to it."""
    shown = 100 * value
    if shown in {0, 100}:
        return f"{shown:.0f} %"
    text = f"{shown:.1f}"
    return f"{text} %" if 0 < float(text) < 100 else ("< 0.1 %" if shown < 1 else "> 99.9 %")  # noqa: PLR2004


def bound(value: float) -> str:
    """Write an upper error bound with two digits that count, rounded up: 0.0043 %."""
    shown = 100 * Decimal(repr(value))
    if shown <= _LEAST:
        return f"under {_LEAST} %"
    digits = Decimal(1).scaleb(shown.adjusted() - 1)
    return f"{shown.quantize(digits, ROUND_CEILING).normalize():f} %"
