"""Two worker processes against one, where the target's answers take the time: `python -m benchmarks.fleet [--quick]`.

Real `runner.py worker` processes with real browsers enter invoices into the portal, whose pages take 300 ms each. One
process and two take turns over fresh portals and ledgers, with the same slots a process; items are counted over a
window that opens when every process has ended its first, so that neither start-up nor the last items are in it.

    ratio_sqlite, ratio_postgresql    items/s of two processes / of one: median of the pairs, beside lowest and highest
    busy_*                            share of the machine's cores that was in use meanwhile, by anybody

What limits it is the processor: an item costs the browser and its driver some tenths of a second of it. Where `busy`
nears 1 the two processes share what one had alone; take fewer slots or slower pages (`--ms`), or more cores.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from benchmarks.chaos_crew import Crew
from benchmarks.chaos_outcome import process_of
from benchmarks.chaos_run import definition, enqueue
from engine.ledger.database import Database
from engine.ledger.tables import attempts
from fixtures.generate.writer import write_invoices
from fixtures.portal.server import PortalServer
from fixtures.postgres import PostgresServer

START = 120.0
"""Seconds within which every process must have ended its first item."""


@dataclass(frozen=True)
class Pace:
    """What one measurement saw."""

    items_per_s: float
    busy: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one pair of 10 s on each database")
    parser.add_argument("--json", action="store_true", help="end with one JSON line")
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--rounds", type=int, default=5, help="pairs on each database")
    parser.add_argument("--seconds", type=float, default=30.0, help="length of one measurement")
    parser.add_argument("--slots", type=int, default=1, help="items at a time of each process")
    parser.add_argument("--ms", type=int, default=300, help="milliseconds that each page takes to answer")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was started ends
    if arguments.quick:
        arguments.rounds, arguments.seconds = 1, 10.0
    figures: dict[str, float] = {}
    for kind in ("sqlite", "postgresql") if arguments.database == "both" else (arguments.database,):
        pairs = [tuple(measure(kind, number, arguments) for number in (1, 2)) for _ in range(arguments.rounds)]
        ratios = [two.items_per_s / one.items_per_s for one, two in pairs]
        figures |= {
            f"ratio_{kind}": round(statistics.median(ratios), 2),
            f"ratio_lowest_{kind}": round(min(ratios), 2),
            f"ratio_highest_{kind}": round(max(ratios), 2),
        }
        for number in (1, 2):
            seen = [pair[number - 1] for pair in pairs]
            figures[f"items_per_s_{number}_{kind}"] = round(statistics.median(pace.items_per_s for pace in seen), 3)
            figures[f"busy_{number}_{kind}"] = round(statistics.median(pace.busy for pace in seen), 2)
    for name, value in figures.items():
        print(f"  {name:30} {value}")
    if arguments.json:
        print(json.dumps(figures))


def measure(kind: str, processes: int, arguments: argparse.Namespace) -> Pace:
    """Let so many processes work a fresh ledger and portal for a while."""
    with tempfile.TemporaryDirectory(prefix="countersign-fleet-") as name, _database(kind, Path(name)) as url:
        folder = Path(name)
        write_invoices(folder, 300 + int(processes * arguments.slots * arguments.seconds), seed=7, errors=0.0)
        faults = [{"fault": "slow_pages", "ms": arguments.ms}]
        with PortalServer(folder / "portal.db", faults=faults) as portal:
            env = os.environ | {
                "COUNTERSIGN_HOME": str(folder / "home"),
                "COUNTERSIGN_DATABASE_URL": url,
                "COUNTERSIGN_SECRET_ERP_PASSWORD": portal.password,
            }
            enqueue(env, definition(folder, portal.url), folder / "invoices.csv", portal.url)
            command = ("worker", "--slots", str(arguments.slots))
            with Crew(folder / "crew", command, env, processes, spares=0) as crew:
                return _watch(Database(url), crew, processes, arguments.seconds)


@contextmanager
def _database(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield str(folder / "home" / "ledger.db")
        return
    with PostgresServer(durable=True) as server:
        yield server.url


def _watch(ledger: Database, crew: Crew, processes: int, seconds: float) -> Pace:
    crew.fill()
    waiting_since = time.monotonic()
    while len(_ended_by(ledger)) < processes:
        if time.monotonic() - waiting_since > START or not all(one.alive for one in crew.working):
            raise SystemExit("a worker did not come to work: " + crew.working[-1].log.read_text(encoding="utf-8"))
        select.select([], [], [], 0.1)
    before, started, used = sum(_ended_by(ledger).values()), time.monotonic(), _used()
    select.select([], [], [], seconds)
    ended = sum(_ended_by(ledger).values()) - before
    took = time.monotonic() - started
    ledger.close()
    return Pace(ended / took, (_used() - used) / took / (os.cpu_count() or 1))


def _ended_by(ledger: Database) -> dict[int, int]:
    """Return how many attempts each process has ended well."""
    query = sa.select(attempts.c.worker, sa.func.count()).where(attempts.c.outcome == "passed")
    with ledger.read() as connection:
        rows = connection.execute(query.group_by(attempts.c.worker)).all()
    return {process_of(worker): count for worker, count in rows}


def _used() -> float:
    """Return seconds of processor time that the machine has used, all cores together. Linux only."""
    user, nice, system, *_ = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:]
    return (int(user) + int(nice) + int(system)) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
