"""SIGKILL at random instants: `python -m benchmarks.crash [--quick] [--json] [--items 300] [--kills 50]`.

One worker process at a time works the queue against the portal; it and its browser are killed with SIGKILL at a random
instant, and another is started at once, until the kills are used up; the last one finishes. The portal's own records
decide: `lost` are references that the ledger calls entered and the portal does not hold, `duplicates` are keys it
holds twice. Portal faults (500 after commit, cut connections, late answers) are on unless `--no-faults`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import yaml

from engine.ledger.database import Database
from engine.ledger.tables import attempts, items
from fixtures.generate.writer import write_invoices
from fixtures.portal.server import PortalServer

ROOT = Path(__file__).resolve().parents[1]
LEASE = 7.0
COMMITS = {"click_window": "1s", "submit_timeout": "4s", "settle_time": "2s", "find_authoritative": True}
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
        done = 0
        while done < kills:
            worker = _start(env, slots)
            try:
                worker.wait(timeout=draw.uniform(1.5, 6.0))
            except subprocess.TimeoutExpired:
                os.killpg(worker.pid, signal.SIGKILL)
                worker.wait()
                done += 1
            else:
                break
        last = _start(env, slots)
        code = last.wait(timeout=1200)
        if code not in {0, 1}:
            raise SystemExit(f"the last worker ended with {code}")
        present = Counter(f"{row['raw']['Supplier']}/{row['raw']['Invoice number']}" for row in portal.records())
    return _read(folder / "home" / "ledger.db", present, done, time.monotonic() - started)


def _definition(folder: Path) -> Path:
    """Copy the product's own definition with short waits, so that a kill costs seconds."""
    source = ROOT / "workflows"
    app = yaml.safe_load((source / "apps" / "erp.yaml").read_text(encoding="utf-8"))
    app |= {"commits": COMMITS, "breaker": {"failures": 50, "pause": "1s"}}
    workflow = yaml.safe_load((source / "invoice-entry.yaml").read_text(encoding="utf-8"))
    workflow["checks"] = [check for check in workflow["checks"] if "model" not in check]
    workflow["retry"] = {"attempts": 6, "wait": "500ms", "factor": 1.5, "max_wait": "3s"}
    target = folder / "definitions"
    (target / "apps").mkdir(parents=True)
    (target / "apps" / "erp.yaml").write_text(yaml.safe_dump(app, allow_unicode=True), encoding="utf-8")
    path = target / "invoice-entry.yaml"
    path.write_text(yaml.safe_dump(workflow, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path


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


def _read(ledger: Path, present: Counter[str], kills: int, seconds: float) -> Outcome:
    database = Database(str(ledger))
    with database.read() as connection:
        rows = connection.execute(sa.select(items.c.id, items.c.reference, items.c.state, items.c.reason)).all()
        tries = connection.execute(sa.select(attempts).order_by(attempts.c.item_id, attempts.c.fence)).all()
    open_states = {"ready", "working", "submitting", "submitted"}
    lost = [row for row in rows if row.state in open_states or (row.state == "passed" and not present[row.reference])]
    pickups = [
        (later.started_at - earlier.started_at).total_seconds() / LEASE
        for earlier, later in pairwise(tries)
        if earlier.item_id == later.item_id and earlier.outcome == "orphaned"
    ]
    return Outcome(
        items=len(rows),
        kills=kills,
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
