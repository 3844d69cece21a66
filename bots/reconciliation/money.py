"""Amounts as integer minor units, exactly: no amount is rounded, ever."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

_NONE = frozenset(
    (
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "UYI",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    )
)
_THREE = frozenset(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"))
_FOUR = frozenset(("CLF", "UYW"))
_CURRENCY = re.compile(r"[A-Z]{3}")
_PLAIN = re.compile(r"([+-]?)(?=\.?\d)(\d*)(?:\.(\d+))?")
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:(?P<group>[ '\u00a0\u202f\u2019.,])\d{3})(?:(?P=group)\d{3})*(?P<rest>[.,]\d+)?")
_MOST = 18


class NoAmount(ValueError):
    """A text that is no amount of this currency."""


@lru_cache(maxsize=1024)
def exponent(currency: str) -> int:
    """Return how many decimals a currency has (ISO 4217:2015).

    Raises:
        NoAmount: it is no currency code.
    """
    if not _CURRENCY.fullmatch(currency):
        raise NoAmount(f"{currency!r} is no currency code")
    if currency in _NONE:
        return 0
    return 3 if currency in _THREE else 4 if currency in _FOUR else 2


def minor(amount: Decimal, currency: str) -> int:
    """Return an amount in minor units.

    Raises:
        NoAmount: it has more decimals than the currency, or is too large to be one.
    """
    scaled = amount.scaleb(exponent(currency))
    if scaled != scaled.to_integral_value():
        raise NoAmount(f"{amount} has more decimals than {currency} has")
    if abs(scaled) >= 10**_MOST:
        raise NoAmount(f"{amount} is too large")
    return int(scaled)


def plain(text: str, currency: str) -> int:
    """Read an amount with a decimal point and nothing else, as XML and OFX write it.

    Raises:
        NoAmount: it is none, or has more decimals than the currency.
    """
    match = _PLAIN.fullmatch(text.strip())
    if match is None:
        raise NoAmount(f"{text!r} is no amount")
    sign, whole, decimals = match.groups(default="")
    kept, places = decimals.rstrip("0"), exponent(currency)
    if len(kept) > places:
        raise NoAmount(f"{text.strip()} has more decimals than {currency} has")
    digits = (whole + kept.ljust(places, "0")).lstrip("0")
    if len(digits) > _MOST:
        raise NoAmount(f"{text.strip()} is too large")
    return -int(digits or 0) if sign == "-" else int(digits or 0)


def written(text: str, currency: str, decimal: str | None = None) -> int:
    """Read an amount as people write it: 1.234,56, 1 234.56, (12.00), 12.00-, with or without the currency.

    Args:
        text: the amount.
        currency: ISO 4217 code.
        decimal: the decimal sign, where it is declared; else it is told from the text.

    Raises:
        NoAmount: it is none, or could be two: 1,234 is one thousand or one and a bit.
    """
    stripped = (
        text.strip()
        .replace("\u2212", "-")
        .replace("\N{EN DASH}", "-")
        .removeprefix(currency)
        .removesuffix(currency)
        .strip()
    )
    negative = False
    if stripped.startswith("(") and stripped.endswith(")"):
        negative, stripped = True, stripped[1:-1].strip()
    elif stripped.endswith("-"):
        negative, stripped = True, stripped[:-1].strip()
    number = _number(stripped, currency, decimal)
    return -number if negative else number


def _number(text: str, currency: str, decimal: str | None) -> int:
    match = _GROUPED.fullmatch(text)
    if match is None:
        simple = text.replace(",", ".") if decimal != "." and text.count(",") == 1 and "." not in text else text
        if decimal == "," and "." in text:
            raise NoAmount(f"{text!r} is no amount with a decimal comma")
        return plain(simple, currency)
    group, rest = match["group"], match["rest"]
    if rest is not None and rest[0] == group:
        raise NoAmount(f"{text!r} is no amount")
    if decimal is not None and ((rest is not None and rest[0] != decimal) or (rest is None and group == decimal)):
        if rest is None and text.count(group) == 1 and exponent(currency) >= 3:  # noqa: PLR2004 - 1,234 with three decimals
            return plain(text.replace(group, "."), currency)
        raise NoAmount(f"{text!r} is no amount with the decimal sign {decimal!r}")
    if decimal is None and rest is None and group in ".," and text.count(group) == 1:
        raise NoAmount(f"{text!r} may be thousands or decimals: declare the decimal sign")
    digits = text[: match.start("rest")] if rest is not None else text
    return plain(digits.replace(group, "") + ("." + rest[1:] if rest is not None else ""), currency)
