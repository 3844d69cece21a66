"""Worker processes for `benchmarks.chaos`: started ahead, killed, frozen and woken with their browsers, never left."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from benchmarks.process_tree import Process, send, tree

ROOT = Path(__file__).resolve().parents[1]


@dataclass(eq=False)
class Stranger:
    """One worker process; its identity is never used again."""

    process: subprocess.Popen[bytes]
    clock: Path
    log: Path
    asleep: bool = False
    leaving: bool = False
    """Woken, and about to be asked to stop; a stranger has its place."""
    family: list[Process] = field(default_factory=list)
    """Worker, driver and browser, as they were when last looked for."""

    @property
    def pid(self) -> int:
        """Return the worker's process id."""
        return self.process.pid

    @property
    def alive(self) -> bool:
        """Say whether the process still runs."""
        return self.process.poll() is None

    def stop(self) -> None:
        """Ask the worker to end in good order."""
        if self.alive:
            self.process.terminate()

    def freeze(self) -> None:
        """Stop worker, driver and browser, as a machine does that is suspended."""
        self.family = tree(self.pid)
        send(self.family, signal.SIGSTOP)
        self.asleep = True

    def wake(self) -> None:
        """Let all of them go on."""
        send(self.family, signal.SIGCONT)
        self.asleep = False

    def kill(self, *, alone: bool = False) -> None:
        """Send SIGKILL to worker, driver and browser, and wait until the worker is gone.

        `alone` kills the worker only: what its driver had in hand may still leave, until driver and browser notice.
        """
        family = tree(self.pid)
        self.family = family or self.family  # a worker that ended by itself may have left some
        send(self.family[:1] if alone else self.family, signal.SIGKILL)
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
    spares: int = 2
    """How many stand by, loaded and waiting."""
    working: list[Stranger] = field(default_factory=list)
    spare: list[Stranger] = field(default_factory=list)
    died: list[int] = field(default_factory=list)
    """Exit codes of workers that ended by themselves while there was work."""
    ended: list[Stranger] = field(default_factory=list)
    """Workers that ended by themselves with nothing left to do."""
    dead: list[Stranger] = field(default_factory=list)
    _started: int = 0

    def __enter__(self) -> Self:
        """Make the folder of logs and clocks."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        """Kill whatever is left, by id."""
        for stranger in (*self.working, *self.spare):
            stranger.kill()
        for stranger in self.dead:
            send(stranger.family, signal.SIGKILL)

    def fill(self) -> None:
        """See that as many work as shall, and that others stand by."""
        for stranger in [one for one in self.working if not one.alive]:
            self.working.remove(stranger)
            stranger.kill()
            code = stranger.process.returncode
            self.died.append(code) if code else self.ended.append(stranger)
        while sum(not (one.asleep or one.leaving) for one in self.working) < self.size:
            self.relieve()
        while len(self.spare) < self.spares:
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

    def kill(self, stranger: Stranger, *, alone: bool) -> None:
        """Kill one that works, with its browser or alone."""
        self.working.remove(stranger)
        self.dead.append(stranger)
        stranger.kill(alone=alone)

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
