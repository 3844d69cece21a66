"""The forms in which a secret travels, and one fast search for all of them.

A secret rarely travels as it was typed: it stands in a JSON string, a URL, a form body, HTML, a Python representation,
in base64 (at any of the three alignments, so also inside `user:password`), or in one of these inside another, as a
trace holds a form body inside JSON.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

MARK = "***"
"""What stands where a secret stood; shorter than any secret, so that it can never contain one."""

_NEVER = r"(?!)"
_BROWSER_KEEPS = "!'()*~"
_ADDRESS_KEEPS = "!$&'()*+,/:;=?@[]^`{|}~\\%#"


def _json_ascii(text: str) -> str:
    return json.dumps(text)[1:-1]


def _json_upper(text: str) -> str:
    return re.sub(r"(?<=\\u)[0-9a-f]{4}", lambda match: match[0].upper(), _json_ascii(text))


def _json_in_script(escaped: str) -> str:
    return re.sub("[<>&']", lambda match: f"\\u{ord(match[0]):04x}", escaped)


def _percent(text: str, safe: str) -> str:
    return quote(text, safe=safe, errors="surrogatepass")


_ENCODERS: tuple[Callable[[str], str], ...] = (
    _json_ascii,
    _json_upper,
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    lambda text: _json_ascii(text).replace("/", "\\/"),
    lambda text: _json_in_script(_json_ascii(text)),
    lambda text: _json_ascii(text).replace("<", "\\u003c"),
    lambda text: _json_in_script(json.dumps(text, ensure_ascii=False)[1:-1]),
    lambda text: _percent(text, ""),
    lambda text: _percent(text, "/"),
    lambda text: _percent(text, _BROWSER_KEEPS),
    lambda text: _percent(text, _ADDRESS_KEEPS),
    lambda text: re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), _percent(text, "")),
    lambda text: quote_plus(text, errors="surrogatepass"),
    lambda text: quote_plus(text, safe="*", errors="surrogatepass"),
    lambda text: html.escape(text, quote=False),
    html.escape,
    lambda text: html.escape(text, quote=False).replace('"', "&#34;").replace("'", "&#39;"),
    lambda text: html.escape(text, quote=False).replace('"', "&quot;"),
    lambda text: text.replace("&", "&amp;").replace('"', "&quot;"),
    lambda text: repr(text)[1:-1],
    lambda text: ascii(text)[1:-1],
    lambda text: repr(text)[1:-1].replace("\\'", "'").replace("'", "\\'"),
    lambda text: repr(as_bytes(text))[2:-1],
)


def as_bytes(text: str) -> bytes:
    """Return UTF-8, also of the lone surrogates that the environment may hold."""
    return text.encode("utf-8", "surrogatepass")


def _base64(text: str) -> Iterator[str]:
    """Yield the characters that base64 of anything around `text` must show, for its three alignments."""
    data = as_bytes(text)
    for before in range(3):
        bits = 8 * (before + len(data))
        fragment = base64.b64encode(bytes(before) + data)[-(-8 * before // 6) : bits // 6].decode()
        yield fragment
        yield fragment.replace("+", "-").replace("/", "_")
        yield quote(fragment, safe="")
    yield base64.b64encode(data).decode()


def forms(value: str) -> set[str]:
    """Return every text in which `value` is known to travel, itself included."""
    once = {value} | {encode(value) for encode in _ENCODERS}
    twice = {encode(form) for form in once for encode in _ENCODERS}
    packed = {fragment for form in once for fragment in _base64(form)}
    return once | twice | packed


def _pattern(needles: Iterable[str]) -> str:
    """Return a regular expression that finds the longest needle; shared beginnings are tried once.

    With a plain alternation the time grows with the number of needles; so it is the same for one and for a thousand.
    """
    root: dict[str, Any] = {}
    for needle in needles:
        node = root
        for letter in needle:
            node = node.setdefault(letter, {})
        node[""] = {}
    return _branch(root)


def _branch(node: dict[str, Any]) -> str:
    choices = []
    for letter, below in node.items():
        if letter:
            run, rest = [letter], below
            while len(rest) == 1 and "" not in rest:
                ((next_letter, rest),) = rest.items()
                run.append(next_letter)
            choices.append(re.escape("".join(run)) + _branch(rest))
    if not choices:
        return ""
    return f"(?:{'|'.join(choices)})" + ("?" if "" in node else "")


class Needles:
    """The compiled forms of all values; never changes, so that threads may share it."""

    def __init__(self, texts: Iterable[str]) -> None:
        texts = set(texts)
        self._text = re.compile(_pattern(texts) or _NEVER)
        letters = _pattern(as_bytes(text).decode("latin-1") for text in texts)
        self._raw = re.compile((letters or _NEVER).encode("latin-1"))

    def in_text(self, text: str) -> bool:
        """Say whether any needle stands in `text`."""
        return self._text.search(text) is not None

    def in_bytes(self, data: bytes) -> bool:
        """Say whether any needle stands in `data`, as UTF-8."""
        return self._raw.search(data) is not None

    def out_of_text(self, text: str) -> str:
        """Return `text` with a mark for each needle; the same object if there was none."""
        # What is left around a mark may be a secret again; each round makes the text shorter, so this ends.
        while self.in_text(text):
            text = self._text.sub(MARK, text)
        return text

    def out_of_bytes(self, data: bytes) -> bytes:
        """Return `data` with a mark for each needle; the same object if there was none."""
        while self.in_bytes(data):
            data = self._raw.sub(MARK.encode(), data)
        return data
