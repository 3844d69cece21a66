"""SIGKILL at random instants: `python -m benchmarks.crash [--quick] [--json] [--items 300] [--kills 50]`.

One worker process at a time works the queue against the portal; it and its browser are killed with SIGKILL at a random
instant of its work, and another is started at once, until the kills are used up; the last one finishes. The portal's
own records decide: `lost` are references that the ledger calls entered and the portal does not hold, `duplicates` are
keys it holds twice; `pickup_leases_p50` runs from the kill to the next claim, start-up included. Portal faults (500
after commit, cut connections, late answers) are on unless `--no-faults`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from engine.ledger.database import Database
from engine.ledger.tables import attempts, items
from fixtures.generate.writer import write_invoices
from fixtures.portal.server import PortalServer

ROOT = Path(__file__).resolve().parents[1]
LEASE = 7.0
LONGEST_LIFE = 6.0
"""Seconds a worker may work before it is killed; each lives a random share of them."""
HURRY = """
commits: {click_window: 1s, submit_timeout: 4s, settle_time: 2s, find_authoritative: true}
breaker: {failures: 50, pause: 1s}
"""
RETRY = "retry: {attempts: 6, wait: 500ms, factor: 1.5, max_wait: 3s}"
FAULTS = (
    {"fault": "error_after_commit", "every": 23, "times": 10_000},
    {"fault": "cut_after_commit", "every": 31, "times": 10_000},
    {"fault": "late_answer", "seconds": 20, "every": 47, "times": 10_000},
    {"fault": "expire_session", "every": 61, "times": 10_000},
)


@dataclass(frozen=True)
class Outcome:
    """What was left when the last worker had finished."""

    items: int
    kills: int
    lost: int
    duplicates: int
    in_doubt: int
    orphaned: int
    resumed: int
    pickup_leases_p50: float | None
    seconds: float
    states: dict[str, int]


def crash(
    folder: Path, *, count: int, kills: int, seed: int, slots: int = 3, faults: Sequence[Any] = FAULTS
) -> Outcome:
    """Work `count` invoices while killing the worker `kills` times; return what was left."""
    draw = random.Random(seed)  # noqa: S311 - a repeatable schedule of kills
    write_invoices(folder, count, seed, errors=0.0)
    path = _definition(folder)
    started = time.monotonic()
    with PortalServer(folder / "portal.db", faults=list(faults)) as portal:
        env = os.environ | {
            "COUNTERSIGN_HOME": str(folder / "home"),
            "COUNTERSIGN_SECRET_ERP_PASSWORD": portal.password,
        }
        _call(
            env, "run", str(path), "--source", str(folder / "invoices.csv"), "--base-url", portal.url, "--enqueue-only"
        )
        ledger = Database(str(folder / "home" / "ledger.db"))
        killed: list[datetime] = []
        while len(killed) < kills:
            worker = _start(env, slots)
            if not _has_claimed(ledger, worker):
                break
            try:
                worker.wait(timeout=draw.uniform(0.0, LONGEST_LIFE))
            except subprocess.TimeoutExpired:
                os.killpg(worker.pid, signal.SIGKILL)
                worker.wait()
                killed.append(ledger.clock.now())
            else:
                break
        last = _start(env, slots)
        code = last.wait(timeout=1200)
        if code not in {0, 1}:
            raise SystemExit(f"the last worker ended with {code}")
        present = Counter(f"{row['raw']['Supplier']}/{row['raw']['Invoice number']}" for row in portal.records())
    return _read(folder / "home" / "ledger.db", present, killed, time.monotonic() - started)


def _definition(folder: Path) -> Path:
    """Copy the product's own definition with short waits, so that a kill costs seconds."""
    target = folder / "definitions"
    (target / "apps").mkdir(parents=True)
    app = (ROOT / "workflows" / "apps" / "erp.yaml").read_text(encoding="utf-8")
    app = re.sub(r"(?m)^breaker:.*\n", "", re.sub(r"(?ms)^commits:\n(  .*?\n)+", "", app)) + HURRY
    (target / "apps" / "erp.yaml").write_text(app, encoding="utf-8")
    text = (ROOT / "workflows" / "invoice-entry.yaml").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^retry:.*$", RETRY, re.sub(r"(?m)^  - model:.*\n", "", text))
    path = target / "invoice-entry.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def _has_claimed(ledger: Database, worker: subprocess.Popen[bytes]) -> bool:
    """Wait until the worker has claimed an item, so that the kill hits work and not start-up; False if it ended."""
    claimed = sa.select(attempts.c.id).where(attempts.c.worker.contains(f"-{worker.pid}-")).limit(1)
    while worker.poll() is None:
        with ledger.read() as connection:
            if connection.execute(claimed).first() is not None:
                return True
        select.select([], [], [], 0.05)
    return False


def _call(env: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "runner.py", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode not in {0, 1}:
        raise SystemExit(f"runner.py {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")


def _start(env: dict[str, str], slots: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "runner.py", "worker", "--drain", "--slots", str(slots), "--lease", f"{LEASE}s"]
    # a session of its own, so that the browser dies with its worker
    return subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def _read(ledger: Path, present: Counter[str], killed: list[datetime], seconds: float) -> Outcome:
    database = Database(str(ledger))
    with database.read() as connection:
        rows = connection.execute(sa.select(items.c.id, items.c.reference, items.c.state, items.c.reason)).all()
        tries = connection.execute(sa.select(attempts).order_by(attempts.c.item_id, attempts.c.fence)).all()
    open_states = {"ready", "working", "submitting", "submitted"}
    lost = [row for row in rows if row.state in open_states or (row.state == "passed" and not present[row.reference])]
    pickups = [
        (later.started_at - min(at for at in killed if at >= earlier.started_at)).total_seconds() / LEASE
        for earlier, later in pairwise(tries)
        if earlier.item_id == later.item_id and earlier.outcome == "orphaned"
    ]
    return Outcome(
        items=len(rows),
        kills=len(killed),
        lost=len(lost),
        duplicates=sum(1 for count in present.values() if count > 1),
        in_doubt=sum(1 for row in rows if row.reason == "in_doubt"),
        orphaned=sum(1 for attempt in tries if attempt.outcome == "orphaned"),
        resumed=len({attempt.item_id for attempt in tries if attempt.outcome == "orphaned"}),
        pickup_leases_p50=round(statistics.median(pickups), 2) if pickups else None,
        seconds=round(seconds, 1),
        states=dict(Counter(row.state for row in rows)),
    )


def main() -> None:
    """Kill, count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="24 items and 4 kills")
    parser.add_argument("--json", action="store_true", help="end with one JSON line")
    parser.add_argument("--items", type=int, default=300)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--slots", type=int, default=3)
    parser.add_argument("--no-faults", action="store_true", help="kills only")
    arguments = parser.parse_args()
    count, kills = (24, 4) if arguments.quick else (arguments.items, arguments.kills)
    faults = () if arguments.no_faults else FAULTS
    with tempfile.TemporaryDirectory() as name:
        outcome = crash(Path(name), count=count, kills=kills, seed=arguments.seed, slots=arguments.slots, faults=faults)
    for key, value in vars(outcome).items():
        print(f"{key:22} {value}")
    if arguments.json:
        print(json.dumps(vars(outcome)))
    raise SystemExit(1 if outcome.lost or outcome.duplicates else 0)


if __name__ == "__main__":
    main()
