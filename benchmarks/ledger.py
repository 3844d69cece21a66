"""What the ledger costs: `python -m benchmarks.ledger [--quick] [--json] [--peers-path DIR]`.

    bare_*        items/s of claim + settle alone, and with gate and decision between (the commit protocol's writes),
                  by processes of 4 threads: SQLite 1 process, PostgreSQL 1, 2 and 4, one application, durable
    items_per_s   items of 100 ms, 8 at a time in one process (80/s would be ideal), through the real worker with commit
                  protocol, evidence files, inspection and heartbeats; the worse database
    claim_growth  median time of a claim with 1,000,000 items in the ledger (100,000 open, all priorities) / with 1,000
                  (100 open), measured in turn; the worse database

PostgreSQL is a throw-away cluster with fsync on, SQLite a file with `synchronous=FULL`, both in the temporary folder.
`--peers-path DIR` names a folder into which Procrastinate was installed (`pip install --target DIR procrastinate`);
it then hands the ids of the same items to the same claim and settlement, in the same run (see docs/decisions/0004).
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa

from benchmarks import ledger_growth as growth
from benchmarks import ledger_office as office
from benchmarks.ledger_peers import peers
from engine.ledger.database import Database
from engine.ledger.runs import open_run
from fixtures.postgres import PostgresServer

ROOT = Path(__file__).resolve().parents[1]
SLOTS = 8
BARE_THREADS = 4


class Ledgers:
    """Context manager: hands out fresh ledgers, in files and on one durable PostgreSQL cluster."""

    def __enter__(self) -> Self:
        """Start the cluster."""
        self._stack = ExitStack()
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="countersign-ledger-")))
        self._server = self._stack.enter_context(PostgresServer(durable=True))
        self._made = 0
        return self

    def __exit__(self, *_: object) -> None:
        """Drop everything."""
        self._stack.close()

    @contextmanager
    def fresh(self, kind: str) -> Iterator[Database]:
        """Yield an empty ledger, gone afterwards."""
        self._made += 1
        name = f"ledger_{self._made}"
        if kind == "postgresql":
            self._administer(f"create database {name}")
            database = Database(self._server.url.removesuffix("postgres") + name)
        else:
            database = Database(str(self._folder / f"{name}.db"))
        try:
            database.upgrade()
            yield database
        finally:
            database.close()
            if kind == "postgresql":
                self._administer(f"drop database {name} with (force)")
            else:
                for file in self._folder.glob(f"{name}.db*"):
                    file.unlink()

    def _administer(self, statement: str) -> None:
        address = self._server.url.replace("postgresql:", "postgresql+psycopg:")
        engine = sa.create_engine(address, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text(statement))
        engine.dispose()


@dataclass(frozen=True)
class Rate:
    """What one measurement found."""

    items_per_s: float
    cpu_ms: float
    """Milliseconds of processor time of the workers, an item; the database's own is not in it."""


def measure(ledgers: Ledgers, kind: str, items: int, processes: int, **job: Any) -> Rate:
    """Let so many processes share one fresh ledger."""
    with ledgers.fresh(kind) as database:
        open_run(database, office.workflow(commit=job["commit"]), office.new_items(range(items)), trigger="benchmark")
        return together([json.dumps({"url": address(database), **job})] * processes, "benchmarks.ledger_part")


def together(jobs: list[str], module: str) -> Rate:
    """Start a process a job, let them go at once, and count all of them together."""
    started: list[subprocess.Popen[str]] = []
    try:
        for job in jobs:
            command = [sys.executable, "-m", module, job]
            started.append(
                subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
        for process in started:
            if not process.stdout or process.stdout.readline().strip() != "ready":
                raise SystemExit(f"{module} did not start")
        said = []
        for process in started:
            if process.stdin:
                process.stdin.write("\n")
                process.stdin.flush()
        for process in started:
            out, _ = process.communicate(timeout=600)
            said.append(json.loads(out.splitlines()[-1]))
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
    seconds = max(one["last"] for one in said) - min(one["first"] for one in said)
    items = sum(one["items"] for one in said)
    return Rate(round(items / seconds, 1), round(sum(one["cpu"] for one in said) * 1000 / items, 2))


def address(database: Database) -> str:
    """Return a ledger's URL with all that is needed to open it."""
    return database.engine.url.render_as_string(hide_password=False).replace("+psycopg", "")


def bare(ledgers: Ledgers, *, quick: bool) -> Iterator[tuple[str, float]]:
    """Yield what claim and settlement cost, alone and with gate and decision."""
    for kind, processes in (("sqlite", 1), ("postgresql", 1), ("postgresql", 2), ("postgresql", 4)):
        for commit, what in ((False, "claim_settle"), (True, "protocol")):
            items = 100 * processes if quick else 2000
            rate = measure(ledgers, kind, items, processes, what="bare", slots=BARE_THREADS, commit=commit)
            yield f"bare_{what}_{kind}_{processes}", rate.items_per_s
            yield f"bare_{what}_{kind}_{processes}_cpu_ms", rate.cpu_ms


def through_the_worker(ledgers: Ledgers, *, quick: bool) -> Iterator[tuple[str, float]]:
    """Yield how fast one process hands out and ends items of 100 ms, eight at a time."""
    rates = []
    for kind in ("sqlite", "postgresql"):
        for commit, what in ((True, "100ms"), (False, "100ms_read_only")):
            items = 160 if quick else 1600
            rate = measure(ledgers, kind, items, 1, what="worker", slots=SLOTS, commit=commit)
            yield f"items_per_s_{what}_{kind}", rate.items_per_s
            yield f"cpu_ms_{what}_{kind}", rate.cpu_ms
            rates += [rate.items_per_s] if commit else []
    yield "items_per_s", min(rates)


def claim_growth(ledgers: Ledgers, *, quick: bool) -> Iterator[tuple[str, float]]:
    """Yield claim times with a thousand items and with many, and their ratios."""
    large, batches = (50_000, 3) if quick else (1_000_000, 20)
    ratios = []
    for kind in ("sqlite", "postgresql"):
        with ledgers.fresh(kind) as few, ledgers.fresh(kind) as many:
            growth.fill(few, 1000)
            growth.fill(many, large)
            small, big = growth.compare(few, many, batches)
        yield f"claim_ms_p50_1000_{kind}", small.p50
        yield f"claim_ms_p95_1000_{kind}", small.p95
        yield f"claim_ms_p50_{large}_{kind}", big.p50
        yield f"claim_ms_p95_{large}_{kind}", big.p95
        yield f"claim_growth_p95_{kind}", round(big.p95 / small.p95, 2)
        yield f"claim_growth_{kind}", round(big.p50 / small.p50, 2)
        ratios.append(round(big.p50 / small.p50, 2))
    yield "claim_growth", max(ratios)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of it, in under a minute")
    parser.add_argument("--json", action="store_true", help="end with one JSON line")
    parser.add_argument("--only", choices=("bare", "worker", "growth", "peers"), help="measure this part alone")
    parser.add_argument("--peers-path", type=Path, help="folder that holds Procrastinate")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the cluster is stopped
    quick = arguments.quick
    figures: dict[str, Any] = {}

    wanted = {arguments.only} if arguments.only else {"bare", "worker", "growth", "peers"}
    with Ledgers() as ledgers:
        parts = (
            ("bare", bare(ledgers, quick=quick)),
            ("worker", through_the_worker(ledgers, quick=quick)),
            ("growth", claim_growth(ledgers, quick=quick)),
            ("peers", peers(ledgers, arguments.peers_path, quick=quick) if arguments.peers_path else ()),
        )
        for name, part in parts:
            for key, value in part if name in wanted else ():
                figures[key] = value
                print(f"  {key:40} {value}", flush=True)
    if arguments.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
