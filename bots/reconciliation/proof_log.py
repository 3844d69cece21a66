"""A log in which every entry is chained to the one before: nothing can be changed without the head changing.

The form is for anybody to re-implement (docs/reference/proof.md): JSON as RFC 8785 writes it, no fractions, SHA-256.
The file is one JSON document and at the same time one entry a line, so that it is written and read as a stream.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

FORMAT = "countersign-reconciliation-proof/1"


def canonical(value: Any) -> str:
    """Return JSON with sorted keys and no blanks; texts as they are, whole numbers of any size, no fractions."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


class ChainedLog:
    """Writes entries one after the other; `head` is the hash of the last one, and thereby of all of them."""

    def __init__(self, target: IO[bytes]) -> None:
        self.head = hashlib.sha256(FORMAT.encode()).hexdigest()
        self._written: Counter[str] = Counter()
        self._target = target
        target.write(f'{{"format":"{FORMAT}","log":['.encode())

    def add(self, kind: str, body: Mapping[str, Any]) -> None:
        """Write one entry, numbered within its kind: `[hash, {"entry": kind, "n": 0, …}]`.

        The hash covers the hash before it and the entry.
        """
        text = canonical({"entry": kind, "n": self._written[kind], **body}).encode("utf-8", "replace")
        self.head = hashlib.sha256(self.head.encode() + b"\n" + text).hexdigest()
        self._target.write(b'%s\n["%s",%s]' % (b"," if self._written else b"", self.head.encode(), text))
        self._written[kind] += 1

    def close(self) -> None:
        """Write the end of the document."""
        self._target.write(f'\n],"head":"{self.head}"}}\n'.encode())


def head_of(path: Path) -> str:
    """Return the head of a log, computed anew from its entries.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no such log, or an entry does not have the hash that it should.
    """
    head = hashlib.sha256(FORMAT.encode()).hexdigest()
    with path.open("rb") as file:
        if not file.readline().startswith(f'{{"format":"{FORMAT}"'.encode()):
            raise ValueError(f"it is no {FORMAT}")
        for number, raw in enumerate(file, start=1):
            if not raw.startswith(b"["):
                break
            text = raw[68:].rstrip(b",\n")[:-1]
            head = hashlib.sha256(head.encode() + b"\n" + text).hexdigest()
            if raw[:68] != b'["%s",' % head.encode():
                raise ValueError(f"the chain breaks at entry {number}: it was changed there")
    return head


def entries(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the entries of a log, one at a time; whether the chain holds is the verifier's business.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no such log.
    """
    with path.open("rb") as file:
        if not file.readline().startswith(f'{{"format":"{FORMAT}"'.encode()):
            raise ValueError(f"{path} is no {FORMAT}")
        for raw in file:
            if not raw.startswith(b"["):
                return
            yield json.loads(raw.rstrip(b",\n"))[1]
