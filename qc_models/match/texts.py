"""References and names as both sides of a match write them: folded, so that equal things are equal texts."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_CACHE = 200_000
_DIGITS = re.compile(r"\d{3,}")
_TOKEN = re.compile(r"[^\W_]+")
_WORD = re.compile(r"(?:[^\W_]|[\u0900-\u0dff\u0e00-\u0eff\u3099\u309a])+")
"""Letters and digits; vowel signs of Indic scripts and of Thai are parts of a word, though no letters to `re`."""
_SPLIT_DIGITS = re.compile(r"(?<=\d)[\s./-](?=\d)")
_LEGAL = frozenset(
    (
        "ab",
        "ag",
        "as",
        "asa",
        "bv",
        "bvba",
        "co",
        "corp",
        "corporation",
        "cv",
        "eg",
        "ev",
        "gbr",
        "gmbh",
        "inc",
        "incorporated",
        "kft",
        "kg",
        "kgaa",
        "kk",
        "limited",
        "llc",
        "llp",
        "lp",
        "ltd",
        "ltda",
        "mbh",
        "nv",
        "ohg",
        "oy",
        "oyj",
        "plc",
        "pte",
        "pty",
        "sa",
        "sarl",
        "sas",
        "se",
        "sl",
        "spa",
        "srl",
        "sro",
        "ug",
        "and",
        "the",
        "und",
    )
)
"""Legal forms and little words, which one side leaves out."""
_CHINESE_FORMS = ("股份有限公司", "有限责任公司", "有限公司", "株式会社", "合同会社")
_PLACES = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
}
LEAST_SIGNS = 4
"""A reference shorter than this stands in any text by chance."""


@lru_cache(_CACHE)
def reference_key(text: str) -> str:
    """Return a reference as letters and digits alone, upper case: `inv-2026/017` and `INV 2026 017` are one."""
    return "".join(_TOKEN.findall(unicodedata.normalize("NFKC", text).upper()))


@lru_cache(_CACHE)
def digit_runs(text: str) -> frozenset[str]:
    """Return the runs of at least three digits in a text, without leading zeros; one also joins `2026 0017`."""
    plain = unicodedata.normalize("NFKC", text)
    found = (*_DIGITS.findall(plain), *_DIGITS.findall(_SPLIT_DIGITS.sub("", plain)))
    return frozenset(run.lstrip("0") or "0" for run in found)


@lru_cache(_CACHE)
def name_key(text: str) -> str:
    """Return a party's name folded: no case, accents, punctuation or legal form. Names in other scripts stay whole."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    plain = unicodedata.normalize("NFC", "".join(sign for sign in plain if not _accent(sign)))
    for form in _CHINESE_FORMS:
        plain = plain.replace(form, " ")
    tokens = _WORD.findall(plain.replace(".", ""))
    kept = [token for token in tokens if token not in _LEGAL]
    return " ".join(kept or tokens)


@lru_cache(_CACHE)
def initials(name: str) -> str:
    """Return the first letters of a folded name of several words; empty for one word."""
    words = name.split()
    return "".join(word[0] for word in words) if len(words) > 1 else ""


@lru_cache(_CACHE)
def check_digits(key: str) -> bool | None:
    """Say whether the check digits of a folded reference or account hold; None if it carries none that we know.

    IBAN: ISO 13616; creditor reference `RF..`: ISO 11649; both modulo 97 (ISO 7064). Long bare numbers: Luhn
    (ISO/IEC 7812), which one number in ten passes by chance, so that it only ever speaks for a reference.
    """
    if re.fullmatch(r"RF\d{2}[A-Z0-9]{1,21}|[A-Z]{2}\d{2}[A-Z0-9]{11,30}", key):
        return int("".join(str(int(sign, 36)) for sign in key[4:] + key[:4])) % 97 == 1
    if re.fullmatch(r"\d{12,27}", key) and _luhn(key):
        return True
    return None


def money(amount: int, currency: str) -> str:
    """Return an amount in minor units as people write it: `1,234.50 EUR`, `1,234 JPY` (decimals of ISO 4217)."""
    places = next((places for places, listed in _PLACES.items() if currency in listed), 2)
    return f"{amount / 10**places:,.{places}f} {currency}"


def _luhn(digits: str) -> bool:
    doubled = (int(sign) * (2 if place % 2 else 1) for place, sign in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0  # noqa: PLR2004 - of two digits


def _accent(sign: str) -> bool:
    """Say whether a mark may be left out: on Latin, Greek or Cyrillic letters; elsewhere it makes another letter."""
    return "\u0300" <= sign <= "\u036f"
