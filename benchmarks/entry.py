"""Entry throughput of Countersign against a bare hand-written Playwright script: same portal, browser and concurrency.

`python -m benchmarks.entry [--quick] [--json] [--items 40] [--rounds 3]`

Each round runs bare and ours in turn, each in a process of its own, over the same invoices into a fresh portal without
faults, with 1 slot and with 4. The clock of either side runs from its first invoice to its last, log-in and start-up
excluded; ours includes queue, ledger, evidence, read-back on a fresh page and inspection, and excludes the run audit,
whose time is given beside it. CPU-seconds are those of the whole process tree without the portal, start-up included.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.bare import WARM_UP
from bots.office import BotOffice
from engine.intake import new_items
from engine.ledger.runs import open_run
from engine.logs import configure
from engine.worker import Settings, Worker
from fixtures import demo as scenarios
from fixtures.generate.writer import write_invoices
from fixtures.portal.server import PortalServer
from qc_models.countersigner import Countersigner
from runner import WORKFLOWS, Office

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short round (under a minute)")
    parser.add_argument("--json", action="store_true", help="end with one JSON line")
    parser.add_argument("--items", type=int, default=40, help="invoices per measurement")
    parser.add_argument("--rounds", type=int, default=3, help="pairs per concurrency")
    parser.add_argument("--ours", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ours:
        asyncio.run(_ours(json.loads(arguments.ours)))
        return
    items, rounds = (12, 1) if arguments.quick else (arguments.items, arguments.rounds)
    figures: dict[str, Any] = {}
    models = tempfile.TemporaryDirectory()
    _train(Path(models.name), 600 if arguments.quick else 2500)
    for slots in (1, 4):
        pairs = [_pair(slots, items * (1 if slots == 1 else 2), models.name) for _ in range(rounds)]
        ratios = [ours["items_per_s"] / bare["items_per_s"] for bare, ours in pairs]
        cpu = [ours["cpu"] / bare["cpu"] for bare, ours in pairs]
        figures |= {
            f"ratio_{slots}": round(statistics.median(ratios), 3),
            f"items_per_s_{slots}": round(statistics.median(ours["items_per_s"] for _, ours in pairs), 3),
            f"bare_items_per_s_{slots}": round(statistics.median(bare["items_per_s"] for bare, _ in pairs), 3),
            f"cpu_ratio_{slots}": round(statistics.median(cpu), 3),
            f"audit_s_{slots}": round(statistics.median(ours["audit_s"] for _, ours in pairs), 3),
        }
        print(
            f"{slots} slot(s): ratio {figures[f'ratio_{slots}']} "
            f"[{min(ratios):.2f}-{max(ratios):.2f}] of {rounds} pairs"
        )
    figures |= {"items_per_s": figures["items_per_s_4"], "cpu_ratio": figures["cpu_ratio_4"]}
    models.cleanup()
    for name, value in figures.items():
        print(f"  {name:22} {value}")
    if arguments.json:
        print(json.dumps(figures))


def _train(home: Path, invoices: int) -> None:
    office = Office(home=home)
    past = scenarios.history(home / "history.jsonl", invoices)
    office.ensure_model(office.load(WORKFLOWS / "invoice-entry.yaml"), past)


def _pair(slots: int, items: int, models: str) -> tuple[dict[str, float], dict[str, float]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_invoices(folder, WARM_UP + items, seed=7, errors=0.0)
        shutil.copytree(Path(models) / "models", folder / "home" / "models")
        return _measure("bare", slots, folder, items), _measure("ours", slots, folder, items)


def _measure(side: str, slots: int, folder: Path, items: int) -> dict[str, float]:
    with PortalServer(folder / f"{side}.db") as portal:
        job = json.dumps(
            {"url": portal.url, "user": portal.user, "password": portal.password, "slots": slots, "folder": str(folder)}
        )
        command = ["benchmarks.bare", job] if side == "bare" else ["benchmarks.entry", "--ours", job]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        said = json.loads(done.stdout.splitlines()[-1])
        counts = portal.counts()
        expected = WARM_UP + items
        if counts["records"] != expected or counts["duplicates"]:
            raise SystemExit(f"{side}: the portal holds {counts}, not {expected} records")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"items_per_s": items / said["seconds"], "cpu": cpu / expected, "audit_s": said.get("audit_s", 0.0)}


async def _ours(job: dict[str, Any]) -> None:
    """Key the folder's invoices with Countersign; print seconds from the first claim to the last settlement."""
    folder = Path(job["folder"])
    os.environ["COUNTERSIGN_SECRET_ERP_PASSWORD"] = job["password"]
    office = Office(home=folder / "home")
    configure(log_dir=office.home / "logs", console_level="ERROR", redactor=office.redactor)
    workflow = office.load(WORKFLOWS / "invoice-entry.yaml", base_url=job["url"])
    office.ensure_model(workflow, folder / "history.jsonl")
    found, _ = new_items(workflow, folder)
    batches = [
        open_run(office.database, workflow, part, trigger="benchmark").run_id
        for part in (found[:WARM_UP], found[WARM_UP:])
    ]
    async with BotOffice(headless=True, redactor=office.redactor, secrets=office.secrets) as bots:
        ended: list[float] = []
        worker = Worker(
            office.database,
            bots,
            Countersigner(office.models),
            office.workflow,
            office.evidence,
            Settings(slots=job["slots"]),
            on_settled=lambda *_: ended.append(time.perf_counter()),
        )
        await worker.run(batches[:1])
        started = time.perf_counter()
        await worker.run(batches[1:])
        over = time.perf_counter()
    settle_time = workflow.app.commits.settle_time.total_seconds()
    print(json.dumps({"seconds": ended[-1] - started, "audit_s": max(0.0, over - ended[-1] - settle_time)}))


if __name__ == "__main__":
    main()
