"""Screenshots of flagged items for a report: checked against their seal, embedded as they are, capped in all."""

from __future__ import annotations

import base64
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from engine.evidence import EvidenceFile, EvidenceStore
from engine.ledger.rows import EvidenceRow

MAX_PICTURES = 24
MAX_EACH = 400_000
MAX_TOTAL = 2_400_000
"""Bytes before base64, which adds a third: the page stays well under 5 MB."""
_JPEG = b"\xff\xd8"


@dataclass(frozen=True)
class Picture:
    """One screenshot: `data` to embed it, else `link` to find it; `problem` says why it cannot be shown."""

    name: str
    sha256: str
    data: str | None = None
    link: str | None = None
    problem: str | None = None


def pictures_of(rows: Sequence[EvidenceRow], store: EvidenceStore, page: Path) -> Mapping[int, Sequence[Picture]]:
    """Return the screenshots by item; what does not fit into the page is linked from it."""
    shown: dict[int, list[Picture]] = defaultdict(list)
    embedded = room = 0
    for row in _newest_of_each_first(rows):
        fits = embedded < MAX_PICTURES and row.size <= min(MAX_EACH, MAX_TOTAL - room)
        picture = _picture(row, store, page, embed=fits)
        if picture.data is not None:
            embedded, room = embedded + 1, room + row.size
        shown[row.item_id].append(picture)
    return shown


def _newest_of_each_first(rows: Sequence[EvidenceRow]) -> list[EvidenceRow]:
    """Order rows so that every item shows its newest picture before any shows an older one."""
    seen: Counter[int] = Counter()
    ranked = []
    for row in sorted(rows, key=lambda row: -row.id):
        ranked.append((seen[row.item_id], row))
        seen[row.item_id] += 1
    return [row for _, row in sorted(ranked, key=lambda pair: pair[0])]


def _picture(row: EvidenceRow, store: EvidenceStore, page: Path, *, embed: bool) -> Picture:
    file = EvidenceFile(row.kind, row.path, row.sha256, row.size)
    if not store.verify(file):
        return Picture(row.path, row.sha256, problem="the file is missing or is no longer what was sealed")
    path = store.path(file)
    if not embed:
        return Picture(row.path, row.sha256, link=_link(path, page))
    data = path.read_bytes()
    if not data.startswith(_JPEG):
        return Picture(row.path, row.sha256, link=_link(path, page))
    return Picture(row.path, row.sha256, data="data:image/jpeg;base64," + base64.b64encode(data).decode("ascii"))


def _link(path: Path, page: Path) -> str:
    relative = os.path.relpath(path.resolve(), page.resolve().parent)
    return quote(Path(relative).as_posix())
