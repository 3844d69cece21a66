"""How a field is written: the views of a value that a source's format decides, without the value itself."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from datetime import date
from itertools import groupby
from typing import Any

_SHOWN = 24


def flat(record: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the fields of an encoded record as text, None for missing; of a table the cells of its first row."""
    found: dict[str, str | None] = {}
    for name, value in record.items():
        if isinstance(value, list):
            first = value[0] if value and isinstance(value[0], Mapping) else {}
            found |= {f"{name}[].{key}": _text(part) for key, part in first.items()}
            found[name] = str(len(value)) if value else None
        else:
            found[name] = _text(value)
    return found


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)


def written(text: str) -> str:
    """Return how a text is written, character by character: 9 a digit, A and a letters, x a letter without case."""
    return "".join(_class(char) for char in text[:_SHOWN]) + ("…" if len(text) > _SHOWN else "")


def pattern(text: str) -> str:
    """Return how a text is written with runs of one class put together: what stays the same between values."""
    return "".join(key for key, _ in groupby(_class(char) for char in text[:200]))[:60]


def _class(char: str) -> str:
    if char.isdigit():
        return "9"
    if char.isalpha():
        return "A" if char.isupper() else "a" if char.islower() else "x"
    return " " if unicodedata.category(char) == "Zs" else char


def token(text: str) -> str:
    """Return what stands for a value in the ledger's memory: it can be recognised, not read."""
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:12]


def number(text: str, today: date) -> float | None:
    """Return a number, or the days from today to a date; None for what is neither."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return float((date.fromisoformat(text) - today).days)
    except ValueError:
        return None
