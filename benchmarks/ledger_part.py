"""One process of `benchmarks.ledger`: connects, says so, waits for a line, works, and prints what it did as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks import ledger_office as office
from engine.definition import Workflow
from engine.evidence import EvidenceStore
from engine.ledger import protocol, queue
from engine.ledger.database import Database
from engine.logs import configure
from engine.redact import Redactor
from engine.worker import Settings, Worker

LEASE = timedelta(seconds=60)


def main() -> None:
    """Do the job given as JSON on the command line."""
    job = json.loads(sys.argv[1])
    database = Database(job["url"])
    workflow = office.workflow(commit=job["commit"])
    with database.read():
        pass
    work: dict[str, Callable[[Database, Workflow, dict[str, Any]], list[float]]] = {
        "bare": _bare,
        "worker": _through_the_worker,
    }
    print("ready", flush=True)
    sys.stdin.readline()
    started, worked = time.perf_counter(), time.process_time()
    ended = work[job["what"]](database, workflow, job)
    print(
        json.dumps(
            {
                "items": len(ended),
                "first": started,
                "last": max(ended, default=started),
                "cpu": time.process_time() - worked,
            }
        )
    )


def _bare(database: Database, workflow: Workflow, job: dict[str, Any]) -> list[float]:
    """Claim and settle, with gate and decision between where the workflow has a commit, and nothing else."""
    ended: list[float] = []

    def loop(number: int) -> None:
        while (claimed := queue.claim(database, office.process_name(number), LEASE)) is not None:
            if job["commit"]:
                intent = protocol.gate(database, claimed, 0, workflow.app.commits)
                protocol.decide(database, claimed, intent, "sent", url="http://erp.invalid/1")
            protocol.settle(database, claimed, protocol.Settlement("passed"), app=workflow.app)
            ended.append(time.perf_counter())

    threads = [threading.Thread(target=loop, args=(number,)) for number in range(job["slots"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ended


def _through_the_worker(database: Database, workflow: Workflow, job: dict[str, Any]) -> list[float]:
    """Work items of a tenth of a second through the real worker, evidence, inspection and heartbeats included."""
    ended: list[float] = []
    redactor = Redactor()
    configure(log_dir=None, console_level="ERROR", redactor=redactor)
    with tempfile.TemporaryDirectory() as folder:
        worker = Worker(
            database,
            office.TimedOffice(),
            office.Passing(),
            lambda _hash: workflow,
            EvidenceStore(Path(folder), redactor),
            Settings(slots=job["slots"]),
            on_settled=lambda *_: ended.append(time.perf_counter()),
        )
        asyncio.run(worker.run(drain=True))
    return ended


if __name__ == "__main__":
    main()
