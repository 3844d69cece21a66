"""The formats that can be read, and nothing else: a new one is one file and one line here."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bots.reconciliation.lines import Delivery, Found
from bots.reconciliation.readers.bai2 import read_bai2
from bots.reconciliation.readers.bot_rows import read_rows
from bots.reconciliation.readers.camt import read_camt
from bots.reconciliation.readers.csv_file import read_csv
from bots.reconciliation.readers.foreign import foreign
from bots.reconciliation.readers.mt940 import read_mt940
from bots.reconciliation.readers.ofx import read_ofx
from bots.reconciliation.readers.tables import TableSpec
from bots.reconciliation.readers.text import Unclear, Unreadable, beginning
from bots.reconciliation.readers.workbook import read_workbook
from bots.reconciliation.tie import tie_out
from engine.errors import UserError
from engine.values import encode

WORDS = {"date_order": "order of dates", "decimal": "decimal sign"}
"""What keys of `TableSpec` are called."""


class Undeclared(UserError):
    """A file that is read once something is declared."""

    def __init__(self, problem: str, key: str, choices: Sequence[str]) -> None:
        values = f" ({' or '.join(map(repr, choices))})" if choices else ""
        super().__init__(f"{problem}; declare its {WORDS.get(key, key)}{values}")
        self.key = key
        """What has to be declared: a key of `TableSpec`."""
        self.choices = tuple(choices)
        """The values that are possible, where they are few."""


Reader = Callable[[bytes, Found, TableSpec], None]
MOST_BYTES = 1 << 29
"""Bytes of a file that is read at once; its lines take five to eight times as much memory."""


def _without_spec(read: Callable[[bytes, Found], None]) -> Reader:
    return lambda data, found, _: read(data, found)


READERS: dict[str, Reader] = {
    "camt": _without_spec(read_camt),
    "mt940": _without_spec(read_mt940),
    "ofx": _without_spec(read_ofx),
    "bai2": _without_spec(read_bai2),
    "csv": read_csv,
    "workbook": read_workbook,
    "bot": read_rows,
}


def sniff(data: bytes) -> str:
    """Tell the format from the first bytes; what is nothing else is taken for CSV."""
    text = beginning(data)
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return "workbook"
    if "OFXHEADER" in text.upper() or "<OFX>" in text.upper():
        return "ofx"
    if text.startswith("<"):
        return "camt"
    if re.match(r"\[\s*[{\]]", text):
        return "bot"
    if text.startswith("01,"):
        return "bai2"
    if text.startswith("{1:") or re.search(r"^:(20|25|28C?|34F|6[0-5][FM]?|86|90[CD]):", text, re.MULTILINE):
        return "mt940"
    return "csv"


def read(path: Path, *, format: str | None = None, spec: TableSpec | None = None) -> Delivery:  # noqa: A002 - the word
    """Read one file whole.

    Args:
        path: the file.
        format: a name of `READERS`; default: told from the file.
        spec: how a table is to be read, where its headings do not tell.

    Returns:
        The statements that add up, and everything else, line by line, in the quarantine.

    Raises:
        UserError: the file cannot be read at all: it is missing, too large, of no format that is known.
    """
    if format is not None and format not in READERS:
        raise UserError(f"{path}: format {format!r} is not known; known: {', '.join(READERS)}")
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"{path}: it is no file; name the file itself")
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise UserError(f"{path}: {size} bytes are more than the {MOST_BYTES} that are read at once; split it")
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    return read_data(data, path, format=format, spec=spec)


def read_record(
    kept: object,
    folder: Path,
    name: str,
    *,
    format: str | None = None,  # noqa: A002 - the word
    spec: TableSpec | None = None,
) -> Delivery:
    """Read what a bot's step left in a record: a file that it downloaded, or rows that it read from a page.

    Args:
        kept: what the record holds: a download's one row (file, sha256, size), or a table.
        folder: the attempt's folder, where downloads are.
        name: name in the record, which a delivery of rows is called by.
        format: of a download; default: told from the file.
        spec: how a table is to be read.

    Raises:
        UserError: it is neither; the file is not the one that was downloaded; or it cannot be read.
    """
    if not isinstance(kept, list) or not all(isinstance(row, Mapping) for row in kept):
        raise UserError(f"{name}: the record holds no download and no table of that name")
    if len(kept) == 1 and set(kept[0]) == {"file", "sha256", "size"}:
        delivery = read(folder / Path(str(kept[0]["file"])).name, format=format, spec=spec)
        if delivery.sha256 != kept[0]["sha256"]:
            raise UserError(f"{delivery.path}: it is not the file that was downloaded: its hash is another")
        return delivery
    data = json.dumps(encode(kept), ensure_ascii=False, indent=0).encode()
    return read_data(data, folder / f"{name}.json", format="bot", spec=spec)


def read_data(
    data: bytes,
    path: Path,
    *,
    format: str | None = None,  # noqa: A002 - the word
    spec: TableSpec | None = None,
) -> Delivery:
    """Read the bytes of a file that is called `path`; see `read`."""
    if not data or data.isspace():
        raise UserError(f"{path}: the file is empty")
    if format is None and (other := foreign(data)):
        raise UserError(f"{path}: {other}")
    chosen = format or sniff(data)
    found = Found()
    try:
        READERS[chosen](data, found, spec or TableSpec())
    except Unclear as error:
        raise Undeclared(f"{path}: read as {chosen}: {error}", error.key, error.choices) from error
    except Unreadable as error:
        raise UserError(f"{path}: read as {chosen}: {error}") from error
    if not found.statements and not found.quarantined:
        raise UserError(f"{path}: read as {chosen}: it holds no statement")
    statements, loose = tie_out(found)
    digest = hashlib.sha256(data).hexdigest()
    return Delivery(path, digest, chosen, tuple(statements), tuple(found.quarantined), tuple(loose), tuple(found.said))
