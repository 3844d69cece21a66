"""Bytes of a bank's file as text, whatever it was written in; nothing that was not understood is replaced."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


_LINE = re.compile(r"([^\r\n]*)(?:\r\n|\r|\n)|([^\r\n]+)\Z")
_NEARLY_ALL = 0.8
_FAR_MORE = 4


class Unreadable(ValueError):
    """Bytes that are no text, or a text that is none of its format."""


class NoBookings(Unreadable):
    """A table with headings and no row below them."""


class Unclear(Unreadable):
    """A file that can be read in more than one way, or in none, until something is declared."""

    def __init__(self, problem: str, key: str, choices: Sequence[str] = ()) -> None:
        super().__init__(problem)
        self.key = key
        """What has to be declared: a key of `TableSpec`."""
        self.choices = tuple(choices)
        """The values that are possible, where they are few."""


def decoded(data: bytes, declared: str | None = None, said: list[str] | None = None) -> str:
    """Return the text of a file: as declared, by its byte-order mark, as UTF-8, as GB 18030, as Windows-1252.

    Windows-1252 is what most older bank files are written in. What is neither declared nor marked nor UTF-8 is guessed,
    and the guess is added to `said`.

    Raises:
        Unreadable: it holds zero bytes, or is not written in what is declared.
    """
    for mark, name in _MARKS:
        if data.startswith(mark):
            return _as(data, name)
    if declared:
        return _as(data, declared)
    if b"\0" in data:
        return _as(data, _wide(data))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        _refuse_if_nearly_utf8(data, error.start)
        text, name = _chinese(data), "GB 18030"
    if text is None:
        text, name = _western(data)
    if said is not None:
        said.append(f"its letters are read as {name}: if names look wrong, declare the encoding")
    return text


def beginning(data: bytes, size: int = 4000) -> str:
    """Return the first bytes as text in which ASCII can be looked for."""
    head = data[:size]
    wide = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    return head.decode("utf-16" if wide else "latin-1", "ignore").lstrip("\ufeff\xef\xbb\xbf \r\n\t")


def _western(data: bytes) -> tuple[str, str]:
    try:
        return data.decode("cp1252"), "Windows-1252"
    except UnicodeDecodeError:
        return data.decode("latin-1"), "Latin-1"


def _wide(data: bytes) -> str:
    """Return which UTF-16 without a mark it is: every other byte of its ASCII signs is zero.

    Raises:
        Unreadable: it is none.
    """
    if len(data) % 2:
        raise Unreadable("it holds zero bytes: it is no text file")
    for first, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros = data[first:4000:2].count(0)
        if data[1 - first] and zeros > len(data[first:4000:2]) // 3:
            return name
    raise Unreadable("it holds zero bytes: it is no text file")


def lines_of(text: str) -> Iterator[str]:
    """Yield the lines of a text as editors count them; str.splitlines also cuts at signs that stand within texts."""
    return (match[1] or match[2] or "" for match in _LINE.finditer(text))


def _as(data: bytes, name: str) -> str:
    try:
        return data.decode(name)
    except (UnicodeDecodeError, LookupError) as error:
        raise Unreadable(f"it cannot be read as {name}: {error}") from error


def _refuse_if_nearly_utf8(data: bytes, at: int) -> None:
    """Refuse text that is UTF-8 but for a few bytes: read as anything else, all of its names would be garbled.

    Raises:
        Unreadable: far more characters beyond ASCII are UTF-8 than are not.
    """
    text = data.decode("utf-8", "replace")
    bad = text.count("\ufffd") - data.count("\ufffd".encode())
    good = len(text) - len(text.encode("ascii", "ignore")) - bad
    if good > _FAR_MORE * bad:
        line = data.count(b"\n", 0, at) + 1
        raise Unreadable(
            f"line {line} holds bytes that are no UTF-8, though {good} other characters are: it is damaged"
        )


def _chinese(data: bytes) -> str | None:
    """Return the text if nearly all beyond ASCII is everyday Chinese (GB 2312) under GB 18030.

    Western text often decodes too (the two bytes of `Üb` are a rare character), but never to everyday ones.
    """
    try:
        text = data.decode("gb18030")
    except UnicodeDecodeError:
        return None
    beyond = {sign: count for sign, count in Counter(text).items() if not sign.isascii()}
    everyday = sum(count for sign, count in beyond.items() if _everyday(sign))
    return text if beyond and everyday >= _NEARLY_ALL * sum(beyond.values()) else None


def _everyday(sign: str) -> bool:
    try:
        sign.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True
