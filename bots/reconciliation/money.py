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
CURRENCIES = frozenset(
    re.findall(
        "[A-Z]{3}",
        """
        AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF
        CLF CLP CNH CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD
        HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD
        MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR
        RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS
        UAH UGX USD UYI UYU UYW UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG
        """,
    )
)
"""ISO 4217, the codes in use; an amount may be in an older one all the same."""
_CURRENCY = re.compile(r"[A-Z]{3}")
_PLAIN = re.compile(r"([+-]?)(?=\.?\d)(\d*)(?:\.(\d+))?")
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:(?P<group>[ '\u00a0\u202f\u2019.,])\d{3})(?:(?P=group)\d{3})*(?P<rest>[.,]\d+)?")
_INDIAN = re.compile(r"[+-]?\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?")
"""Lakhs and crores: 12,34,567.89."""
_BOOKED = re.compile(r"(.*[\d)])\s*(CR|DR)\.?", re.IGNORECASE)
_MOST = 18
SYMBOLS = {
    "€": ("EUR",),
    "£": ("GBP", "EGP", "GIP", "LBP", "SHP", "SYP", "FKP"),
    "¥": ("JPY", "CNY"),
    "￥": ("CNY", "JPY"),
    "₹": ("INR",),
    "₩": ("KRW", "KPW"),
    "₽": ("RUB",),
    "₺": ("TRY",),
    "₪": ("ILS",),
    "₫": ("VND",),
    "฿": ("THB",),
    "₴": ("UAH",),
    "₦": ("NGN",),
    "₱": ("PHP",),
    "₸": ("KZT",),
    "zł": ("PLN",),
    "$": (),
}
"""Signs of currencies; the dollar sign is that of any currency without one of its own."""
_OWN_SIGN = frozenset(code for codes in SYMBOLS.values() for code in codes)


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
    """Read an amount as people write it: 1.234,56, 1 234.56, (12.00), 12.00-, €5, 5.00 DR, 5 EUR.

    Args:
        text: the amount.
        currency: ISO 4217 code.
        decimal: the decimal sign, where it is declared; else it is told from the text.

    Raises:
        NoAmount: it is none, is of another currency, or could be two: 1,234 is one thousand or one and a bit.
    """
    stripped = text.strip()
    if not _PLAIN.fullmatch(stripped):  # most are plain
        stripped = _bare(stripped, currency)
    booked = _BOOKED.fullmatch(stripped)
    if booked:
        stripped = booked[1]
    negative = False
    if stripped.startswith("(") and stripped.endswith(")"):
        negative, stripped = True, stripped[1:-1].strip()
    elif stripped.endswith("-"):
        negative, stripped = True, stripped[:-1].strip()
    if negative and stripped.startswith(("+", "-")):
        raise NoAmount(f"{text!r} has two signs")
    number = _number(stripped, currency, decimal)
    if booked and booked[2].upper() == "DR":
        if number < 0 or negative:
            raise NoAmount(f"{text!r} is a negative debit: say in which direction the money went")
        negative = True
    return -number if negative else number


def _bare(text: str, currency: str) -> str:
    """Return an amount without its currency.

    Raises:
        NoAmount: it shows the sign of another one.
    """
    bare = text.replace("\u2212", "-").replace("\N{EN DASH}", "-")
    for sign, codes in SYMBOLS.items():
        if sign in bare:
            if currency not in codes and (codes or currency in _OWN_SIGN):
                raise NoAmount(f"{text!r} is not in {currency}")
            bare = bare.replace(sign, "", 1)
            break
    else:
        bare = bare.removeprefix(currency).removesuffix(currency)
    return re.sub(r"^([-+(]?)\s+", r"\1", bare.strip())


def _number(text: str, currency: str, decimal: str | None) -> int:
    match = _GROUPED.fullmatch(text)
    if match is None and decimal != "," and _INDIAN.fullmatch(text):
        return plain(text.replace(",", ""), currency)
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
