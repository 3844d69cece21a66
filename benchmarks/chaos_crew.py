"""Worker processes for `benchmarks.chaos`: started ahead, killed, frozen and woken by group, never left over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parents[1]
_SPARES = 2


@dataclass(eq=False)
class Stranger:
    """One process of its own session, browser included; its identity is never used again."""

    process: subprocess.Popen[bytes]
    clock: Path
    log: Path
    asleep: bool = False
    leaving: bool = False
    """Woken, and about to be asked to stop; a stranger has its place."""

    @property
    def pid(self) -> int:
        """Return the process id, which is the group's as well."""
        return self.process.pid

    @property
    def alive(self) -> bool:
        """Say whether the process still runs."""
        return self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the whole group; one that is gone is no error."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL to worker, driver and browser, and wait until the worker is gone."""
        self.send(signal.SIGKILL)
        self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()

    def set_clock(self, seconds: float) -> None:
        """Put the wall clock off by this much, at once."""
        fresh = self.clock.with_suffix(".new")
        fresh.write_text(str(seconds), encoding="ascii")
        fresh.replace(self.clock)


@dataclass
class Crew:
    """Use as a context manager: whatever was started is gone at its end."""

    folder: Path
    command: Sequence[str]
    env: Mapping[str, str]
    size: int
    working: list[Stranger] = field(default_factory=list)
    spare: list[Stranger] = field(default_factory=list)
    died: list[int] = field(default_factory=list)
    """Exit codes of workers that ended by themselves while there was work."""
    ended: list[Stranger] = field(default_factory=list)
    """Workers that ended by themselves with nothing left to do."""
    _started: int = 0

    def __enter__(self) -> Self:
        """Make the folder of logs and clocks."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        """Kill whatever is left, by id."""
        for stranger in (*self.working, *self.spare):
            stranger.kill()

    def fill(self) -> None:
        """See that as many work as shall, and that others stand by."""
        for stranger in [one for one in self.working if not one.alive]:
            self.working.remove(stranger)
            stranger.kill()  # its browser may be left
            code = stranger.process.returncode
            self.ended.append(stranger) if code in {0, 1} else self.died.append(code)
        while sum(not (one.asleep or one.leaving) for one in self.working) < self.size:
            self.relieve()
        while len(self.spare) < _SPARES:
            self.spare.append(self._start())

    def relieve(self) -> Stranger:
        """Send a stranger to work."""
        stranger = self.spare.pop(0) if self.spare else self._start()
        if stranger.process.stdin:
            with suppress(BrokenPipeError):
                stranger.process.stdin.write(b"\n")
                stranger.process.stdin.flush()
        self.working.append(stranger)
        return stranger

    def kill(self, stranger: Stranger) -> None:
        """Kill one that works."""
        self.working.remove(stranger)
        stranger.kill()

    def _start(self) -> Stranger:
        self._started += 1
        clock, log = (self.folder / f"{self._started:04d}.{kind}" for kind in ("clock", "log"))
        clock.write_text("0", encoding="ascii")
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.chaos_worker", *self.command],
                cwd=ROOT,
                env={**self.env, "CHAOS_CLOCK": str(clock)},
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        return Stranger(process, clock, log)
