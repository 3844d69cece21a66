"""One configuration of `benchmarks.chaos`: a database, a number of workers, and a schedule of what befalls them."""

from __future__ import annotations

import csv
import os
import random
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from benchmarks.chaos_crew import ROOT, Crew, Stranger
from benchmarks.chaos_disk import SmallDisk
from benchmarks.chaos_outcome import Done, Outcome, judge, process_of, write_down
from engine.ledger.database import Database
from engine.ledger.tables import IS_OPEN, items, runs
from fixtures.generate.writer import write_invoices
from fixtures.portal.server import PortalServer
from fixtures.postgres import PostgresServer

LEASE = 7.0
_ALONE = 0.3
"""Share of kills that hit the worker and spare its driver and browser, which may still send what they have in hand."""
PATIENCE = 240.0
"""Seconds without any item coming to its end after which the rest is given up as lost."""
HURRY = """
commits: {click_window: 1s, submit_timeout: 4s, settle_time: 2s, find_authoritative: true}
breaker: {failures: 50, pause: 1s}
max_sessions: 64
"""
RETRY = "retry: {attempts: 20, wait: 500ms, factor: 1.5, max_wait: 3s}"
SCHEDULE = 'schedule: {cron: "* * * * *", timezone: UTC, catch_up: all}'
FAULTS = (
    {"fault": "error_after_commit", "every": 23, "times": 10_000},
    {"fault": "cut_after_commit", "every": 31, "times": 10_000},
    {"fault": "late_answer", "seconds": 20, "every": 47, "times": 10_000},
    {"fault": "expire_session", "every": 61, "times": 10_000},
)
Kind = Literal["kills", "stops", "restarts", "clock_jumps", "disk_full"]
Backend = Literal["sqlite", "postgresql"]


@dataclass(frozen=True)
class Plan:
    """What shall befall one configuration."""

    database: Backend
    workers: int
    items: int
    blows: dict[Kind, int]
    seed: int
    slots: int = 3
    faults: Sequence[Any] = FAULTS
    schedulers: int = 0
    """How many `runner.py scheduler` open the run at its slot, and are killed every few seconds; 0 opens it by hand."""


@dataclass
class _Chaos:
    plan: Plan
    crew: Crew
    ledger: Database
    disk: SmallDisk
    server: PostgresServer | None
    schedulers: Crew
    draw: random.Random
    hit: dict[int, datetime] = field(default_factory=dict)
    done: dict[Kind, int] = field(default_factory=dict)
    due: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    scheduler_kills: int = 0

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something from the loop, some seconds from now."""
        self.due.append((time.monotonic() + seconds, action))

    def run(self) -> None:
        """Strike while the items are worked, until every run is done or nothing moves any more."""
        blows = [kind for kind, count in self.plan.blows.items() for _ in range(count)]
        self.draw.shuffle(blows)
        # by progress and not by time, so that all of it happens while there is work, however fast the machine is
        marks = sorted(self.draw.uniform(0.0, 0.9) for _ in blows)
        moved, left = time.monotonic(), -1
        if self.plan.schedulers:
            self.later(self.draw.uniform(2.0, 8.0), self._kill_scheduler)
        while time.monotonic() - moved < PATIENCE:
            self.crew.fill()
            self.schedulers.fill()
            with suppress(DBAPIError):
                now_left = self._left()
                if now_left is None:
                    return
                moved, left = (moved, left) if now_left == left else (time.monotonic(), now_left)
            while marks and left >= 0 and left <= self.plan.items * (1 - marks[0]):
                marks.pop(0)
                self.later(self.draw.uniform(0.0, 1.5), partial(self._strike, blows.pop(0)))
            for at, action in [entry for entry in self.due if entry[0] <= time.monotonic()]:
                self.due.remove((at, action))
                action()
            select.select([], [], [], 0.1)

    def _left(self) -> int | None:
        """Return how many items are open; None when every run is done."""
        with self.ledger.read() as connection:
            unfinished = sa.select(sa.func.count()).where(runs.c.state != "done")
            if connection.execute(unfinished).scalar_one() == 0:
                begun = connection.execute(sa.select(sa.func.count()).select_from(runs)).scalar_one()
                return None if begun else self.plan.items  # the first slot has not come yet
            return int(connection.execute(sa.select(sa.func.count()).select_from(items).where(IS_OPEN)).scalar_one())

    def _strike(self, kind: Kind, tries: int = 0) -> None:
        blow = {
            "kills": self._kill,
            "stops": self._stop,
            "restarts": self._restart,
            "clock_jumps": self._jump,
            "disk_full": self._fill_disk,
        }[kind]
        if blow():
            self.done[kind] = self.done.get(kind, 0) + 1
        elif tries < 200:
            self.later(0.1, partial(self._strike, kind, tries + 1))

    def _victim(self) -> Stranger | None:
        """Return a random worker that has an item in hand, so that the blow hits work and not idleness."""
        held = sa.select(items.c.owner).where(items.c.owner.is_not(None)).distinct()
        try:
            with self.ledger.read() as connection:
                owners = {process_of(owner) for owner in connection.execute(held).scalars()}
        except DBAPIError:
            return None
        # one that was frozen is left alone when it wakes: each process is hit once, and its pick-up counted from then
        able = [one for one in self.crew.working if one.alive and not (one.asleep or one.leaving)]
        busy = [one for one in able if one.pid in owners]
        return self.draw.choice(busy) if busy else None

    def _kill(self) -> bool:
        victim = self._victim()
        if victim is None:
            return False
        self.hit[victim.pid] = self.ledger.clock.now()
        self.crew.kill(victim, alone=self.draw.random() < _ALONE)
        return True

    def _kill_scheduler(self) -> None:
        """Kill a scheduler at any instant, in the middle of a slot or not, and another in a while."""
        self.schedulers.kill(self.draw.choice(self.schedulers.working), alone=False)
        self.scheduler_kills += 1
        self.later(self.draw.uniform(3.0, 15.0), self._kill_scheduler)

    def _stop(self) -> bool:
        victim = self._victim()
        if victim is None:
            return False
        self.hit[victim.pid] = self.ledger.clock.now()
        victim.freeze()
        self.later(LEASE * self.draw.uniform(1.3, 2.5), partial(self._wake, victim))
        return True

    def _wake(self, victim: Stranger) -> None:
        victim.leaving = True
        victim.wake()
        self.later(self.draw.uniform(3.0, 8.0), victim.stop)

    def _restart(self) -> bool:
        if self.server is None:
            return True
        how = self.draw.choice(("kill", "immediate", "fast"))
        if how == "kill":
            self.server.kill()
        else:
            self.server.stop(how)
        select.select([], [], [], self.draw.uniform(0.2, 3.0))
        self.server.start()
        return True

    def _jump(self) -> bool:
        victim = self._victim()
        if victim is None:
            return False
        victim.set_clock(self.draw.choice((-1, 1)) * self.draw.uniform(60.0, 900.0))
        self.later(self.draw.uniform(1.0, 20.0), partial(victim.set_clock, 0.0))
        return True

    def _fill_disk(self) -> bool:
        if not self.disk.fill():
            return False
        self.later(self.draw.uniform(1.0, 4.0), self.disk.empty)
        return True


def torment(plan: Plan, folder: Path, server: PostgresServer | None) -> Outcome:
    """Work the plan's invoices while everything goes wrong; return what was left."""
    draw = random.Random(f"{plan.seed}/{plan.database}/{plan.workers}")  # noqa: S311 - a repeatable schedule
    write_invoices(folder, plan.items, plan.seed, errors=0.0)
    home = folder / "home"
    url = server.url if server else str(home / "ledger.db")
    with PortalServer(folder / "portal.db", faults=list(plan.faults)) as portal, SmallDisk(home / "evidence") as disk:
        env = os.environ | {
            "COUNTERSIGN_HOME": str(home),
            "COUNTERSIGN_DATABASE_URL": url,
            "COUNTERSIGN_SECRET_ERP_PASSWORD": portal.password,
        }
        path = definition(folder, portal.url)
        if not plan.schedulers:
            enqueue(env, path, folder / "invoices.csv", portal.url)
        until = () if plan.schedulers else ("--drain",)
        command = ("worker", *until, "--slots", str(plan.slots), "--lease", f"{LEASE:g}s")
        scheduling = ("scheduler", "--workflows", str(path.parent))
        started = time.monotonic()
        with (
            _ledger(url) as ledger,
            Crew(folder / "crew", command, env, plan.workers) as crew,
            Crew(folder / "schedulers", scheduling, env, plan.schedulers, spares=min(1, plan.schedulers)) as schedulers,
        ):
            ledger.upgrade()
            chaos = _Chaos(plan, crew, ledger, disk, server, schedulers, draw)
            chaos.run()
            seconds = time.monotonic() - started
        with _ledger(url) as ledger:
            records, arrivals, expected = portal.records(), portal.arrivals(), _references(folder / "invoices.csv")
            left = judge(ledger, records, arrivals, chaos.hit, LEASE, expected=expected)
            write_down(ledger, portal.arrivals(), folder / "ledger.jsonl")
        done = Done(
            **{str(kind): count for kind, count in chaos.done.items()},
            died=len(crew.died),
            scheduler_kills=chaos.scheduler_kills,
        )
    return Outcome(plan.database, plan.workers, done=done, seconds=seconds, **left)


def definition(folder: Path, base_url: str) -> Path:
    """Copy the product's own definition, with short waits, so that a kill costs seconds, and a slot each minute."""
    target = folder / "definitions"
    (target / "apps").mkdir(parents=True)
    app = (ROOT / "workflows" / "apps" / "erp.yaml").read_text(encoding="utf-8")
    app = re.sub(r"(?m)^(breaker|max_sessions):.*\n", "", re.sub(r"(?ms)^commits:\n(  .*?\n)+", "", app)) + HURRY
    app = re.sub(r"(?m)^base_url:.*$", f"base_url: {base_url}", app)
    (target / "apps" / "erp.yaml").write_text(app, encoding="utf-8")
    text = (ROOT / "workflows" / "invoice-entry.yaml").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^retry:.*$", RETRY, re.sub(r"(?m)^  - model:.*\n", "", text))
    text = re.sub(r"(?m)^schedule:.*$", SCHEDULE, text).replace("../fixtures/data", str(folder.resolve()))
    path = target / "invoice-entry.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def _references(source: Path) -> list[str]:
    with source.open(encoding="utf-8", newline="") as rows:
        return [f"{row['supplier']}/{row['invoice_no']}" for row in csv.DictReader(rows)]


@contextmanager
def _ledger(url: str) -> Iterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        database.close()


def enqueue(env: dict[str, str], path: Path, source: Path, base_url: str) -> None:
    """Open a run with the command line and leave its work to others."""
    arguments = ("run", str(path), "--source", str(source), "--base-url", base_url, "--enqueue-only")
    command = [sys.executable, "runner.py", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode not in {0, 1}:
        raise SystemExit(f"runner.py {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")
