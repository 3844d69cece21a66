"""Typed values: what a field may hold, how applications write it, and when two values are the same.

A record is a plain dict of field name to value. Money and decimals are `Decimal`, dates are `date`, tables are lists of
records; nothing is ever a float. Payloads are stored as JSON through `encode` and `decode`, which are exact inverses.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Context, Decimal
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Scalar = str | int | Decimal | date | bool | None
Value = Scalar | list[dict[str, Scalar]]
Record = dict[str, Value]
FieldType = Literal["text", "integer", "decimal", "money", "date", "choice", "boolean", "table"]


class FieldSpec(BaseModel):
    """One field of the record contract, checked before a browser opens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: FieldType = Field(
        description="What the field holds; decides parsing, typing into the application, and comparison."
    )
    required: bool = Field(False, description="An empty value is a business exception.")
    pattern: str | None = Field(None, description="Regular expression that the whole text must match.")
    min: Decimal | date | None = Field(None, description="Smallest allowed number or date.")
    max: Decimal | date | None = Field(None, description="Largest allowed number or date.")
    max_length: int | None = Field(None, gt=0, description="Longest allowed text, in characters.")
    options: tuple[str, ...] | None = Field(None, description="Allowed texts of a choice.")
    currency: str | None = Field(None, description="ISO 4217 code of a money field, if it is always the same.")
    sensitive: bool = Field(False, description="Personal data: erasable by reference.")
    columns: dict[str, FieldSpec] | None = Field(None, description="The columns of a table field.")
    min_rows: int = Field(0, ge=0, description="Fewest rows of a table field.")


@dataclass(frozen=True)
class Formats:
    """How an application writes dates and numbers; the default is ISO 8601 with a decimal point."""

    date: str = "YYYY-MM-DD"
    decimal: str = "."
    thousands: str = ""

    def strptime(self) -> str:
        """Return the date pattern in the words of `datetime.strptime`."""
        return _DATE_PART.sub(lambda part: f"%{_DIRECTIVES[part[0]]}", self.date)


ISO = Formats()
_DATE_PART = re.compile("YYYY|YY|MM?|DD?")
_DIRECTIVES = {"YYYY": "Y", "YY": "y", "MM": "m", "M": "m", "DD": "d", "D": "d"}
_CENT = Decimal("0.01")
_MOST_DIGITS = 40
"""No business number is longer; a hostile page could otherwise make us compute one of a million digits."""
_EXACT = Context(prec=2 * _MOST_DIGITS)
_CURRENCY = re.compile(r"^(?P<before>[A-Z]{3})\s*|\s*(?P<after>[A-Z]{3})$|(?P<symbol>[€$£¥])")
_SYMBOLS = {
    "€": {"EUR"},
    "£": {"GBP"},
    "¥": {"JPY", "CNY"},
    "$": {"USD", "CAD", "AUD", "NZD", "SGD", "HKD", "TWD", "MXN", "BRL", "CLP", "COP", "ARS"},
}


@cache
def _number_pattern(decimal: str, thousands: str) -> re.Pattern[str]:
    """Return what a number must look like; a thousands separator only where one belongs."""
    separators = re.escape({"'": "'\u2019"}.get(thousands, thousands)) + "\u00a0\u202f\u2009"
    mark = re.escape(decimal)
    whole = rf"\d{{1,3}}(?:[{separators}]\d{{2,3}})*[{separators}]\d{{3}}|\d+|(?={mark}\d)"
    return re.compile(rf"(?P<sign>[+-]?)(?P<whole>{whole})(?:{mark}(?P<part>\d*))?(?P<power>[eE][+-]?\d+)?")


def _write_date(value: date, pattern: str) -> str:
    """Write a date by hand: `strftime` does not pad early years and cannot leave single digits alone."""
    numbers = {"Y": value.year, "M": value.month, "D": value.day}

    def written(part: re.Match[str]) -> str:
        number = numbers[part[0][0]] % (100 if part[0] == "YY" else 10000)
        return str(number).zfill(len(part[0]))

    return _DATE_PART.sub(written, pattern)


def clean_text(text: str) -> str:
    """Return NFC text with white space folded: what a person would call the same text."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFC", text)).strip()


def parse(raw: object, spec: FieldSpec, formats: Formats = ISO) -> Value:
    """Turn what a source or a page shows into a value of the field's type; an empty text is None.

    Raises:
        ValueError: the text is not of the type; the message is for the person who reads the report.
    """
    if spec.type == "table":
        return _parse_table(raw, spec, formats)
    if raw is None:
        return None
    if isinstance(raw, bool) and spec.type not in {"boolean", "text", "choice"}:
        raise ValueError(f"{raw!r} is not of the type {spec.type}")
    if isinstance(raw, bool):
        return raw if spec.type == "boolean" else str(raw).lower()
    text = clean_text(str(raw))
    if text == "":
        return None
    match spec.type:
        case "text" | "choice":
            return text
        case "date":
            return _parse_date(raw, text, formats)
        case "integer":
            return int(_parse_number(raw, formats, "a whole number", integral=True))
        case "decimal":
            return _parse_number(raw, formats, "a number")
        case "money":
            return _parse_money(raw, spec, formats)
        case "boolean":
            return _parse_boolean(text)
    raise ValueError(f"unknown field type {spec.type!r}")


def _parse_table(raw: object, spec: FieldSpec, formats: Formats) -> list[dict[str, Scalar]]:
    if raw is None or raw == "":
        return []
    if not isinstance(raw, list):
        raise ValueError(f"expected rows, got {type(raw).__name__}")
    columns = spec.columns or {}
    rows: list[dict[str, Scalar]] = []
    for number, row in enumerate(raw, start=1):
        if not isinstance(row, Mapping):
            raise ValueError(f"row {number}: expected columns, got {type(row).__name__}")
        try:
            rows.append({name: parse(row.get(name), column, formats) for name, column in columns.items()})  # type: ignore[misc]
        except ValueError as error:
            raise ValueError(f"row {number}: {error}") from error
    return rows


def _parse_date(raw: object, text: str, formats: Formats) -> date:
    if isinstance(raw, datetime):
        return raw.date()
    if isinstance(raw, date):
        return raw
    try:
        return datetime.strptime(text, formats.strptime()).date()  # noqa: DTZ007 - a business date has no zone
    except ValueError:
        raise ValueError(f"{text!r} is not a date of the form {formats.date}") from None


def _parse_number(raw: object, formats: Formats, kind: str, *, integral: bool = False) -> Decimal:
    """Read a number; one that came as a number (JSON, a spreadsheet) is written in no application's format."""
    text = str(raw).strip().replace("\u2212", "-")
    written = formats if isinstance(raw, str) else ISO
    match = _number_pattern(written.decimal, written.thousands).fullmatch(text)
    if match is None:
        raise ValueError(f"{clean_text(str(raw))!r} is not {kind}")
    whole = re.sub(r"\D", "", match["whole"])
    number = Decimal(f"{match['sign']}{whole or 0}.{match['part'] or 0}{match['power'] or ''}")
    if abs(number.adjusted()) > _MOST_DIGITS or (integral and number != number.to_integral_value()):
        raise ValueError(f"{clean_text(str(raw))!r} is not {kind}")
    return number


def _parse_money(raw: object, spec: FieldSpec, formats: Formats) -> Decimal:
    text = str(raw).strip()
    for match in _CURRENCY.finditer(text) if spec.currency else ():
        code = match["before"] or match["after"]
        if spec.currency not in ({code} if code else _SYMBOLS[match["symbol"]]):
            raise ValueError(f"{clean_text(text)!r} is not in {spec.currency}")
    bare = _CURRENCY.sub("", text) if isinstance(raw, str) else raw
    return _with_cents(_parse_number(bare, formats, "an amount of money"))


def _with_cents(amount: Decimal) -> Decimal:
    exact = amount.quantize(_CENT, context=_EXACT)
    return exact if exact == amount else amount


def _parse_boolean(text: str) -> bool:
    if text.lower() in {"true", "yes", "1", "on"}:
        return True
    if text.lower() in {"false", "no", "0", "off"}:
        return False
    raise ValueError(f"{text!r} is neither yes nor no")


def display(value: Scalar, formats: Formats = ISO, *, money: bool = False) -> str:
    """Write a value the way the application's users type it; money always shows its cents."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return _write_date(value, formats.date)
    if isinstance(value, Decimal):
        exact = _with_cents(value) if money else value
        return f"{exact:,f}".replace(",", "\0").replace(".", formats.decimal).replace("\0", formats.thousands)
    return str(value)


def equal(left: Value, right: Value) -> bool:
    """Say whether two values are the same: numbers to the cent, texts character by character after `clean_text`."""
    if isinstance(left, list) or isinstance(right, list):
        return _equal_rows([] if left in (None, "") else left, [] if right in (None, "") else right)
    if isinstance(left, bool) is not isinstance(right, bool):
        return False
    if isinstance(left, str) and isinstance(right, str):
        return clean_text(left) == clean_text(right)
    return (left if left != "" else None) == (right if right != "" else None)


def _equal_rows(left: Value, right: Value) -> bool:
    if not isinstance(left, list) or not isinstance(right, list) or len(left) != len(right):
        return False
    return all(
        equal(ours.get(name), theirs.get(name))
        for ours, theirs in zip(left, right, strict=True)
        for name in {*ours, *theirs}
    )


def encode(value: Any) -> Any:
    """Return a JSON-able copy: Decimals and dates become text, tables and records keep their shape."""
    if isinstance(value, Mapping):
        return {key: encode(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(part) for part in value]
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, date):
        return value.isoformat()
    return value


def decode(stored: Mapping[str, Any], fields: Mapping[str, FieldSpec]) -> Record:
    """Rebuild a record from what `encode` stored; names outside the contract stay text."""
    return {name: parse(raw, fields[name]) if name in fields else raw for name, raw in stored.items()}
