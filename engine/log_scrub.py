"""Takes what a person could be known by out of log files that other processes may be writing at the moment."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.logs import CONTEXT

_KEPT = frozenset({*CONTEXT, "time", "level", "logger"}) - {"reference"}
"""What a line may go on to say: when, how grave, and the numbers of run, item and attempt."""


def scrub_logs(folder: Path, references: Collection[str], item_ids: Collection[int]) -> int:
    """Blank every line about these items or that names these references; return how many.

    A line is overwritten where it stands, padded to its length, so that a process that has the file open goes on
    writing behind it.

    Raises:
        UserError: a file cannot be read or written.
    """
    needles = [json.dumps(reference, ensure_ascii=False)[1:-1].encode() for reference in references]
    needles += [f'"item": {item_id},'.encode() for item_id in item_ids]
    changed = 0
    for path in sorted(folder.glob("*.jsonl")) if folder.is_dir() else ():
        try:
            with path.open("r+b") as file:
                while line := file.readline():
                    end = file.tell()
                    if any(needle in line for needle in needles):
                        file.seek(end - len(line))
                        file.write(_blank(line))
                        file.seek(end)
                        changed += 1
        except OSError as error:
            raise UserError(f"{path}: cannot be scrubbed: {error.strerror or error}") from error
    return changed


def _blank(line: bytes) -> bytes:
    """Return a line of the same length that says no more than when, how grave and about which numbers."""
    try:
        said: dict[str, Any] = json.loads(line)
    except ValueError:
        said = {}
    kept = {key: value if key in _KEPT else None for key, value in said.items() if key in (*_KEPT, *CONTEXT)}
    text = json.dumps({**kept, "message": ""} if "message" in said else {}, ensure_ascii=False).encode()
    room = len(line) - 1
    return (text if len(text) <= room else b"{}"[:room]).ljust(room) + line[-1:]
