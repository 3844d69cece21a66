"""How figures and values of a table are put into words, for terminals and pages alike.

Data come from elsewhere and are hostile until shown by `visible`: nothing in them can style, move or hide text, and
what the eye would miss (blanks at the ends, tabs, line breaks) is drawn.
"""

from __future__ import annotations

import re

_LONGEST = 60
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_BLANKS = re.compile(r"^ +| +$| {2,}")


def rows(count: int) -> str:
    """Return a number of rows in words, e.g. `1 row`, `1,204 rows`."""
    return counted(count, "row")


def counted(count: int, thing: str) -> str:
    """Return a number of things in words; the plural is the word with an s."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def edits(count: int) -> str:
    """Return a distance between two texts in words."""
    return "one sign away" if count == 1 else f"{count} signs away"


def visible(value: str, longest: int | None = None) -> str:
    """Return a value as a person should see it, cut to a length where one is given; `(empty)` for nothing."""
    if longest is not None and len(value) > longest:
        value = value[: longest - 1] + "…"
    value = _BLANKS.sub(lambda match: "␣" * len(match[0]), value)
    value = value.replace("\r\n", "⏎").replace("\n", "⏎").replace("\t", "⇥")
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", value) or "(empty)"


def short(value: str) -> str:
    """Return a value as `visible` does, cut to what a sentence bears."""
    return visible(value, _LONGEST)


def plain(text: str) -> str:
    """Return a sentence that holds data, without what could style, move or hide it."""
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text)
