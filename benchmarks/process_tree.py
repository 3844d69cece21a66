"""A process and all it started, found in /proc: browsers have sessions of their own, which no group signal hits."""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """One process; `born` (clock ticks after boot) tells it from a later one with the same id."""

    pid: int
    born: int


def tree(pid: int) -> list[Process]:
    """Return a process and its descendants, parents first; empty if it is gone. Linux only."""
    found: dict[int, tuple[Process, int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (seen := _stat(int(entry.name))):
            found[seen[0].pid] = seen
    children: dict[int, list[Process]] = defaultdict(list)
    for process, parent in found.values():
        children[parent].append(process)
    family = [found[pid][0]] if pid in found else []
    for member in family:
        family.extend(children[member.pid])
    return family


def send(family: Iterable[Process], number: signal.Signals) -> None:
    """Send a signal to each process that is still the one it was."""
    for process in family:
        seen = _stat(process.pid)
        if seen and seen[0] == process:
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)


def _stat(pid: int) -> tuple[Process, int] | None:
    """Return a process and its parent's id."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, parent, *rest = text.rpartition(")")[2].split()
    return None if state == "Z" else (Process(pid, int(rest[17])), int(parent))
