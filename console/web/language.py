"""Languages: the texts of pages in English, which is what stands in the source, and in the catalogs beside it.

A catalog is as many `.po` files as there are pages, read as they are when the console starts: nothing to compile. How
numbers, money, dates and ages are written comes from Unicode's CLDR, through Babel.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale, dates, negotiate_locale, numbers
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

FOLDER = Path(__file__).parent / "locale"
LANGUAGES: Mapping[str, str] = {"en": "English", "zh_Hans": "简体中文"}
"""Code to the language's own name."""


def po_files(code: str) -> list[Path]:
    """Return the catalogs of a language, one a page, in the order of their names."""
    return sorted((FOLDER / code).glob("*.po"))


@cache
def translations(code: str) -> NullTranslations:
    """Return the texts of a language; English needs none."""
    merged = Catalog(locale=code)
    for path in po_files(code):
        with path.open("rb") as file:
            for message in read_po(file, locale=code):
                if message.id and message.string:
                    merged.add(message.id, message.string, context=message.context)
    if not len(merged):
        return NullTranslations()
    compiled = io.BytesIO()
    write_mo(compiled, merged)
    compiled.seek(0)
    return GNUTranslations(compiled)


def chosen(wanted: str | None, accept: str) -> str:
    """Return the language of a page: the user's own choice, else the first that the browser asks for and we have."""
    if wanted in LANGUAGES:
        return str(wanted)
    asked = [part.partition(";")[0].strip().replace("-", "_") for part in accept.split(",")]
    known = {"en": "en", "zh": "zh_Hans", "zh_CN": "zh_Hans", "zh_SG": "zh_Hans", "zh_Hans": "zh_Hans"}
    return known.get(negotiate_locale(asked, list(known)) or "en", "en")


@dataclass(frozen=True)
class Writing:
    """How one person reads numbers and times."""

    code: str
    zone: ZoneInfo

    @property
    def locale(self) -> Locale:
        """Return the language's own rules."""
        return _locale(self.code)

    def number(self, value: float | Decimal) -> str:
        """Write a number."""
        return numbers.format_decimal(value, locale=self.locale)

    def money(self, value: Decimal, currency: str | None) -> str:
        """Write an amount; without a currency with its cents."""
        if currency is None:
            return numbers.format_decimal(value, "#,##0.00######", locale=self.locale, decimal_quantization=False)
        return numbers.format_currency(value, currency, locale=self.locale, decimal_quantization=False)

    def day(self, value: date) -> str:
        """Write a business date, which has no time zone."""
        return dates.format_date(value, "medium", locale=self.locale)

    def at(self, value: datetime) -> str:
        """Write an instant in the person's time zone, to the second."""
        return dates.format_datetime(value.astimezone(self.zone), "yyyy-MM-dd HH:mm:ss", locale=self.locale)

    def clock(self, value: datetime) -> str:
        """Write the time of day of an instant."""
        return dates.format_datetime(value.astimezone(self.zone), "HH:mm:ss", locale=self.locale)

    def age(self, passed: timedelta) -> str:
        """Write roughly how long something takes or took."""
        return dates.format_timedelta(max(passed, timedelta()), granularity="second", threshold=1.2, locale=self.locale)


@cache
def _locale(code: str) -> Locale:
    return Locale.parse(code)
