"""Damage to statement files, and counts of their bookings that know nothing of the readers."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

_MT940_CORE = re.compile(r"^\s*:?\w{0,2}:?\d{6}(\d{4})?R?[CD][A-Z]?\d+,\d*[A-Z]\w{3}")
_BAI2_CORE = re.compile(r"(?:^|/)\s*(?:16,|\w{0,2},(?=\d{3},\d+,[SVDZ012]?,))")
_DATE = re.compile(r"\d{1,4}[-./年]\d{1,2}[-./月]\d{1,4}|\b20\d{6}\b")
_AMOUNT = re.compile(r"\d[.,]\d{2}\b|(?<=[;,|\t])-?\d+(?=[;,|\t\r\n]|$)")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


def text_of(data: bytes) -> str:
    """Return the text of a file, whatever became of it."""
    wide = data[:4] if data[1::2].count(0) > len(data) // 8 else b"<\0"
    marks = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (wide, "utf-16-le"))
    names = (*marks, (b"", "utf-8"), (b"", "gb18030"))
    for mark, name in names:
        if data.startswith(mark):
            try:
                return data.decode(name)
            except UnicodeDecodeError:
                continue
    return data.decode("latin-1")


def _rows(text: str) -> list[str]:
    return re.split(r"\r\n|\r|\n", text)


def marks_mt940(text: str) -> int:
    """Count what begins like a booking, with its tag or without."""
    return sum(line.lstrip().startswith(":61:") or _MT940_CORE.match(line) is not None for line in _rows(text))


def marks_camt(text: str) -> int:
    """Count entries, by the tag that opens them."""
    return len(re.findall(r"<(?:[\w.-]+:)?Ntry[\s/>]", _COMMENT.sub("", text)))


def marks_ofx(text: str) -> int:
    """Count transactions, by whichever of their tags occurs most."""
    return max(len(re.findall(rf"<{tag}\s*>", text, re.IGNORECASE)) for tag in ("STMTTRN", "TRNAMT"))


def _continued(line: str) -> str:
    """Return a line without the record that it continues."""
    return line.partition("/")[1] + line.partition("/")[2] if line.lstrip().startswith("88,") else line


def marks_bai2(text: str) -> int:
    """Count transaction records, by their code or by what follows it."""
    return sum(len(_BAI2_CORE.findall(_continued(line))) for line in _rows(text))


def marks_csv(text: str) -> int:
    """Count lines with a date and an amount."""
    return sum(bool(_DATE.search(line) and _AMOUNT.search(line)) for line in _rows(text))


MARKS: dict[str, Callable[[str], int]] = {
    "mt940": marks_mt940,
    "camt": marks_camt,
    "ofx": marks_ofx,
    "bai2": marks_bai2,
    "csv": marks_csv,
}


def _bytes_dropped(data: bytes, rng: random.Random) -> bytes:
    at, length = rng.randrange(len(data)), rng.choice([1, 1, 1, 2, 5, 20])
    return data[:at] + data[at + length :]


def _lines(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True)


def _line_dropped(data: bytes, rng: random.Random) -> bytes:
    rows = _lines(data)
    del rows[rng.randrange(len(rows))]
    return b"".join(rows)


def _line_doubled(data: bytes, rng: random.Random) -> bytes:
    rows = _lines(data)
    at = rng.randrange(len(rows))
    return b"".join([*rows[: at + 1], rows[at], *rows[at + 1 :]])


def _lines_swapped(data: bytes, rng: random.Random) -> bytes:
    rows = _lines(data)
    one, other = rng.randrange(len(rows)), rng.randrange(len(rows))
    rows[one], rows[other] = rows[other], rows[one]
    return b"".join(rows)


def _digit_changed(data: bytes, rng: random.Random) -> bytes:
    digits = [match.start() for match in re.finditer(rb"\d", data)]
    if not digits:
        return data
    at = rng.choice(digits)
    other = (data[at] - 48 + rng.randrange(1, 10)) % 10 + 48
    return data[:at] + bytes([other]) + data[at + 1 :]


def _cut_off(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(1, len(data))]


def _other_encoding(data: bytes, rng: random.Random) -> bytes:
    name = rng.choice(["utf-16", "utf-16-le", "latin-1", "cp1252", "gb18030", "utf-8-sig", "utf-8", "big5"])
    return text_of(data).encode(name, "replace")


def _byte_changed(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]


_TAGS = re.compile(rb"</?[\w:.]+|^:\d\d\w?:|(?:^|/)\d\d,|^[^\r\n]{1,12}", re.MULTILINE)


def _tag_damaged(data: bytes, rng: random.Random) -> bytes:
    tags = list(_TAGS.finditer(data))
    if not tags:
        return data
    tag = rng.choice(tags)
    at = rng.randrange(tag.start(), tag.end())
    return data[:at] + bytes([rng.choice(b"XxQ0 ")]) + data[at + 1 :]


_MORE = ((b"/", b","), (b":", b";"), (b'"', b"'"), (b"\n", b"\n\n"), (b"-", b"/"), (b" ", b"\t"))


def _separator_changed(data: bytes, rng: random.Random) -> bytes:
    one, other = rng.choice(
        [
            (b",", b"."),
            (b".", b","),
            (b";", b","),
            (b",", b";"),
            (b"\r\n", b"\n"),
            (b"\n", b"\r"),
            (b"\n", b"\r\n"),
            *_MORE,
        ]
    )
    places = [match.start() for match in re.finditer(re.escape(one), data)]
    if not places:
        return data
    if rng.random() < 0.5:
        return data.replace(one, other)
    at = rng.choice(places)
    return data[:at] + other + data[at + len(one) :]


def _quote_put_in(data: bytes, rng: random.Random) -> bytes:
    for _ in range(rng.randint(1, 2)):
        at = rng.randrange(len(data) + 1)
        data = data[:at] + b'"' + data[at:]
    return data


MUTATIONS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "bytes dropped": _bytes_dropped,
    "line dropped": _line_dropped,
    "line doubled": _line_doubled,
    "lines swapped": _lines_swapped,
    "digit changed": _digit_changed,
    "cut off": _cut_off,
    "other encoding": _other_encoding,
    "byte changed": _byte_changed,
    "tag damaged": _tag_damaged,
    "separator changed": _separator_changed,
    "quote put in": _quote_put_in,
}
