"""Between typed values and what a page shows: how a value is typed in, and whether a field kept it."""

from __future__ import annotations

import unicodedata
from datetime import date
from decimal import Decimal
from typing import cast

from engine.template import Scope, references
from engine.values import ISO, FieldSpec, Formats, Scalar, Value, clean_text, display, equal, parse

_NUMBER = FieldSpec(type="decimal")
_MONEY = FieldSpec(type="money")
_DATE = FieldSpec(type="date")
_INTEGER = FieldSpec(type="integer")
_BOOLEAN = FieldSpec(type="boolean")


def spec_of(template: str, scope: Scope, columns: dict[str, FieldSpec] | None = None) -> FieldSpec | None:
    """Return the contract of the one field that a template stands for, if it stands for one."""
    found = references(template)
    if len(found) != 1:
        return None
    if found[0].namespace == "row":
        return (columns or {}).get(found[0].name)
    return scope.fields.get(found[0].name) if found[0].namespace == "item" else None


def entry(value: Value, formats: Formats, spec: FieldSpec | None) -> dict[str, str]:
    """Return what the page script types: `text` as the application's users write it, `iso` for native widgets."""
    scalar = cast("Scalar", value)
    money = spec is not None and spec.type == "money"
    return {"text": display(scalar, formats, money=money), "iso": display(scalar, ISO, money=money)}


def kept(expected: Value, observed: str, formats: Formats) -> bool:
    """Say whether a field holds what was put in, as the application normalised it.

    Numbers and dates are compared typed, texts with white space left aside (an IBAN in groups of four is kept).
    """
    if isinstance(expected, str):
        return _squeezed(expected) == _squeezed(observed) or _same_number(expected, observed, formats)
    return any(equal(expected, reading) for reading in _readings(expected, observed, formats))


def same(expected: Value, observed: str, formats: Formats) -> bool:
    """Say whether a table cell shows this value; texts must be equal but for folded white space."""
    if isinstance(expected, str):
        return equal(expected, observed)
    return any(equal(expected, reading) for reading in _readings(expected, observed, formats))


def nearly(expected: Value, observed: str, formats: Formats) -> bool:
    """Say whether a cell shows this value but for its writing: capitals, width, spaces and marks left aside."""
    if isinstance(expected, str):
        return _bones(expected) == _bones(observed) != ""
    return same(expected, observed, formats)


def reading(like: Value, observed: str, formats: Formats) -> Value:
    """Return what a shown text means if it is of the kind of `like`; the text itself if it is not."""
    if isinstance(like, str):
        return clean_text(observed)
    found = _readings(like, observed, formats)
    return found[0] if found else observed


def read_value(raw: object, spec: FieldSpec, formats: Formats) -> Value:
    """Return the typed value of what a page shows; what cannot be read stays text, so that comparisons fail visibly."""
    try:
        return parse(raw, spec, formats)
    except ValueError:
        return cast("Value", raw)


def _bones(text: str) -> str:
    return "".join(sign for sign in unicodedata.normalize("NFKC", text).casefold() if sign.isalnum())


def _squeezed(text: str) -> str:
    return clean_text(text).replace(" ", "")


def _same_number(expected: str, observed: str, formats: Formats) -> bool:
    if expected.startswith("0") or not expected.isascii():
        return False  # a code with leading zeros is no number
    try:
        return parse(expected, _NUMBER, formats) == parse(observed, _NUMBER, formats)
    except ValueError:
        return False


def _readings(expected: Value, observed: str, formats: Formats) -> list[Value]:
    """Return what the text may mean to the application, and in the ISO form that native widgets give."""
    if expected is None:
        return [None if clean_text(observed) == "" else observed]
    spec = _spec_for(expected)
    readings: list[Value] = []
    for style in (formats, ISO):
        try:
            readings.append(parse(observed, spec, style))
        except ValueError:
            continue
    # with "1,234" a format with thousands reads 1234 and the plain one nothing: the application's own wins
    return readings[:1]


def _spec_for(value: Value) -> FieldSpec:
    if isinstance(value, bool):
        return _BOOLEAN
    if isinstance(value, date):
        return _DATE
    if isinstance(value, Decimal):
        return _MONEY
    return _INTEGER
