"""Each slot one run: `python -m benchmarks.schedules [--quick] [--json] [--slots 10000] [--seed 1]`.

Two scheduler processes live on one ledger, first SQLite, then PostgreSQL, and read one simulated clock from a file. It
is moved through 2026 by minutes to hours, over the clock changes of Berlin, New York and Lord Howe; again and again one
or both processes are killed with SIGKILL while they decide, and started again while the clock goes on.

`slots` are the planned starts, counted by a plain calendar and not by the product's arithmetic; `missing` are those
without exactly one run, `surplus` runs that belong to none. `catch_up` is `all`, so every slot must become a run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from engine.definition import Frozen
from engine.ledger import tables as t
from engine.ledger.database import Database
from engine.ports import Registry, StepKind
from engine.scheduler import Scheduler
from fixtures.postgres import PostgresServer

BEGIN = datetime(2026, 2, 20, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
DAILY = {
    "berlin": ("Europe/Berlin", 2, 30),
    "new-york": ("America/New_York", 1, 45),
    "lord-howe": ("Australia/Lord_Howe", 1, 50),
}
"""Named times that clock changes repeat or skip: zone, hour, minute."""
COMMON = "catch_up: all, late_after: 2d"
SCHEDULES = {
    **{name: f'cron: "{minute} {hour} * * *", timezone: {zone}' for name, (zone, hour, minute) in DAILY.items()},
    "hourly": 'cron: "15 * * * *", timezone: America/New_York',
    "distance": "every: 2h, timezone: Europe/Berlin",
}
PER_DAY = 39
SETTLED = 0.25
"""How often the clock waits for the schedulers before it goes on; otherwise they are late."""
PATIENCE = 240.0
"""Seconds within which schedulers that live must have decided what is due."""


class Open(Frozen):
    """The one step that the definitions have."""

    url: str


class Nothing(Frozen):
    """What the application profile says to bots."""


class FileClock:
    """The time that stands in a file; its owner moves it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> datetime:
        """Return what the file says."""
        return datetime.fromisoformat(self._path.read_text(encoding="ascii"))

    def monotonic(self) -> float:
        """Return real seconds."""
        return time.monotonic()

    def set(self, instant: datetime) -> None:
        """Move the time for every process at once."""
        new = self._path.with_suffix(".new")
        new.write_text(instant.isoformat(), encoding="ascii")
        new.replace(self._path)


@dataclass(frozen=True)
class Outcome:
    """What the ledger held in the end."""

    slots: int
    runs: int
    missing: int
    surplus: int
    kills: int
    incidents: int
    seconds: float


def expected(begin: datetime, end: datetime) -> set[tuple[str, str]]:
    """Return workflow and key of every slot with begin < time <= end; named times only where both are midnights."""
    found: set[tuple[str, str]] = set()
    days = [begin.date() + n * DAY for n in range((end - begin).days + 2)]
    for name, (_, hour, minute) in DAILY.items():
        found |= {(name, f"{day}T{hour:02}:{minute:02}") for day in days if _in(name, day, begin, end)}
    hours = [begin + n * HOUR for n in range(1, (end - begin) // HOUR + 1)]
    found |= {("hourly", f"{hour - timedelta(minutes=45):%Y-%m-%dT%H:%M}Z") for hour in hours}
    found |= {("distance", f"{hour:%Y-%m-%dT%H:%M}Z") for hour in hours if hour.hour % 2 == 0}
    return found


def _in(name: str, day: date, begin: datetime, end: datetime) -> bool:
    """Say whether a local time's day counts: begin and end are midnights UTC, far from all three times."""
    local_day_begins = {"berlin": -1, "new-york": 5, "lord-howe": -11}[name]
    near = datetime(day.year, day.month, day.day, tzinfo=UTC) + (local_day_begins + 2) * HOUR
    return begin < near <= end


def simulate(url: str, folder: Path, *, days: int, kills: int, seed: int, begin: datetime = BEGIN) -> Outcome:
    """Move the clock through `days` days while two schedulers work on the ledger at `url`, and count what they did."""
    started, draw = time.monotonic(), random.Random(seed)  # noqa: S311 - a repeatable schedule of kills
    _write(folder / "workflows")
    clock = FileClock(folder / "clock")
    clock.set(begin)
    ledger = Database(url, clock)
    ledger.upgrade()
    end = begin + days * DAY
    due = expected(begin, end)
    steps = list(_steps(draw, begin, end))
    killed_at = set(draw.sample(range(len(steps)), min(kills, len(steps) // 2)))
    killed = 0
    with _schedulers(url, folder) as processes:
        _wait(ledger, sa.select(sa.func.count()).select_from(t.schedules), len(SCHEDULES), processes)
        for number, instant in enumerate(steps):
            clock.set(instant)
            if number in killed_at:
                select.select([], [], [], draw.uniform(0.0, 0.08))  # somewhere in the midst of it
                for which in draw.choice(([0], [1], [0, 1])):
                    _kill(processes[which])
                    killed += 1
                    processes[which] = _start(url, folder)
            elif draw.random() < SETTLED:
                _settled(ledger, begin, instant, processes)
        clock.set(end)
        _settled(ledger, begin, end, processes)
    with ledger.read() as connection:
        runs = [(row.workflow, row.slot) for row in connection.execute(sa.select(t.runs.c.workflow, t.runs.c.slot))]
        decided = [tuple(row) for row in connection.execute(sa.select(t.slots.c.schedule, t.slots.c.slot))]
        incidents = connection.execute(sa.select(sa.func.count()).select_from(t.incidents)).scalar_one()
    ledger.close()
    times = Counter(runs)
    return Outcome(
        slots=len(due),
        runs=len(runs),
        missing=sum(times[slot] != 1 for slot in due),
        surplus=sum(count for slot, count in times.items() if slot not in due) + len(set(decided) - due),
        kills=killed,
        incidents=incidents,
        seconds=round(time.monotonic() - started, 1),
    )


def _steps(draw: random.Random, begin: datetime, end: datetime) -> Iterator[datetime]:
    now = begin
    while (now := now + timedelta(minutes=draw.randint(10, 420))) < end:
        yield now
    yield end


def _settled(ledger: Database, begin: datetime, instant: datetime, processes: list[subprocess.Popen[bytes]]) -> None:
    """Wait until what is surely due is decided: slots in UTC up to now, named times up to the last midnight."""
    midnight = begin + (instant - begin) // DAY * DAY
    due = {slot for slot in expected(begin, instant) if slot[0] not in DAILY} | expected(begin, midnight)
    _wait(ledger, sa.select(sa.func.count()).select_from(t.slots), len(due), processes)


def _wait(ledger: Database, query: sa.Select[int], least: int, processes: list[subprocess.Popen[bytes]]) -> None:
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        with ledger.read() as connection:
            if connection.execute(query).scalar_one() >= least:
                return
        for process in processes:
            if process.poll() is not None:
                raise SystemExit(f"a scheduler ended by itself with {process.returncode}")
        select.select([], [], [], 0.02)
    # the count in the end tells what is missing


@contextmanager
def _schedulers(url: str, folder: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    processes = [_start(url, folder), _start(url, folder)]
    try:
        yield processes
    finally:
        for process in processes:
            _kill(process)


def _start(url: str, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "benchmarks.schedules", "--scheduler", str(folder)]
    env = os.environ | {"COUNTERSIGN_DATABASE_URL": url}
    return subprocess.Popen(command, cwd=Path(__file__).parents[1], env=env, stderr=subprocess.DEVNULL)


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def _write(folder: Path) -> None:
    (folder / "apps").mkdir(parents=True)
    (folder / "apps" / "erp.yaml").write_text("name: erp\nbase_url: http://erp.invalid\n", encoding="utf-8")
    (folder / "records.csv").write_text("number\n1\n", encoding="utf-8")
    for name, schedule in SCHEDULES.items():
        text = f"name: {name}\napp: erp\nschedule: {{{schedule}, {COMMON}}}\n"
        text += 'source: {csv: records.csv, reference: "${number}"}\nfields: {number: {type: text, required: true}}\n'
        (folder / f"{name}.yaml").write_text(text + "steps:\n  - open: {url: /}\n", encoding="utf-8")


def be_a_scheduler(folder: Path) -> None:
    """Run the product's scheduler on the simulated clock until killed; it looks every few milliseconds."""
    database = Database(os.environ["COUNTERSIGN_DATABASE_URL"], FileClock(folder / "clock"))
    step = StepKind("open", Open, None, "The one step.")
    registry = Registry(steps={"open": step}, checks={}, app_extras=Nothing)
    asyncio.run(Scheduler(database, folder / "workflows", registry, pulse=timedelta(milliseconds=5)).run())


def main() -> None:
    """Simulate on both databases and print what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="some 400 slots")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.add_argument("--slots", type=int, default=10_000, help="at least so many on each database")
    parser.add_argument("--kills", type=int, default=0, help="default: one in 150 slots")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), help="only this one")
    parser.add_argument("--scheduler", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.scheduler:
        be_a_scheduler(asked.scheduler)
        return
    days = -(-(400 if asked.quick else asked.slots) // PER_DAY)
    begin = datetime(2026, 3, 26, tzinfo=UTC) if asked.quick else BEGIN
    kills = asked.kills or max(4, days * PER_DAY // 150)
    found: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two, PostgresServer() as server:
        for name, url, folder in (("sqlite", f"sqlite:///{one}/ledger.db", one), ("postgresql", server.url, two)):
            if asked.database not in {None, name}:
                continue
            found[name] = simulate(url, Path(folder), days=days, kills=kills, seed=asked.seed, begin=begin)
            print(f"{name}: {', '.join(f'{key} {value}' for key, value in asdict(found[name]).items())}", flush=True)
    if asked.json:
        keys = ("slots", "runs", "missing", "surplus", "kills", "incidents")
        total = {key: sum(getattr(one, key) for one in found.values()) for key in keys}
        print(json.dumps(total | {"databases": {name: asdict(one) for name, one in found.items()}}))
    raise SystemExit(any(one.missing or one.surplus for one in found.values()))


if __name__ == "__main__":
    main()
