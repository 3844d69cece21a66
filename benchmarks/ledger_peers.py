"""The same items handed out by Procrastinate instead of the claim loop: for `benchmarks.ledger --peers-path DIR`.

A job carries an item's id. Its task claims that item in the ledger, waits a tenth of a second as the hands would, and
settles. Our side takes the next item in order, waits and settles. Settlement, cluster and 8 items at a time in a
process are the same, evidence and inspection are on neither side. Procrastinate's claim by id need not look for the
first item nor heed an application's limits, which favours it. Idle cost is transactions of an idle worker in a second;
wake-up runs from the begin of the enqueuing transaction to the claim, with an idle worker (ours asks once a second).
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import select
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from benchmarks import ledger_office as office
from engine.ledger import protocol, queue
from engine.ledger import tables as t
from engine.ledger.database import Database
from engine.ledger.runs import open_run

if TYPE_CHECKING:
    from benchmarks.ledger import Ledgers

SLOTS = 8
LEASE = timedelta(seconds=60)
SIDES = ("loop", "procrastinate")


def peers(ledgers: Ledgers, path: Path, *, quick: bool) -> Iterator[tuple[str, float]]:
    """Yield figures of both sides, in turn, by number of processes; then what an idle worker costs and how it wakes."""
    items, rounds = (120, 1) if quick else (800, 3)
    for processes in (1, 2, 4):
        rates: dict[str, list[float]] = {side: [] for side in SIDES}
        cpu: dict[str, list[float]] = {side: [] for side in SIDES}
        for number in range(rounds):
            for side in SIDES if number % 2 else reversed(SIDES):  # whatever else the machine does drifts
                rate = _rate(ledgers, path, side, items, processes)
                rates[side].append(rate.items_per_s)
                cpu[side].append(rate.cpu_ms)
        for side in SIDES:
            name = f"delivery_{side}_{processes}"
            yield name, round(statistics.median(rates[side]), 1)
            yield f"{name}_lowest", min(rates[side])
            yield f"{name}_highest", max(rates[side])
            yield f"{name}_cpu_ms", round(statistics.median(cpu[side]), 2)
    for side in SIDES:
        idle, wakes = _idle(ledgers, path, side, seconds=5 if quick else 30, samples=3 if quick else 15)
        yield f"idle_transactions_per_s_{side}", idle
        yield f"wake_ms_p50_{side}", round(statistics.median(wakes), 1)
        yield f"wake_ms_max_{side}", round(max(wakes), 1)


def _rate(ledgers: Ledgers, path: Path, side: str, items: int, processes: int) -> Any:
    from benchmarks.ledger import address, together  # noqa: PLC0415 - they import us

    with ledgers.fresh("postgresql") as database:
        open_run(database, office.workflow(commit=False), office.new_items(range(items)), trigger="benchmark")
        job = {"url": address(database), "side": side, "path": str(path), "wait": False}
        if side == "procrastinate":
            asyncio.run(_enqueue(job, _ids(database), schema=True))
        return together([json.dumps(job)] * processes, "benchmarks.ledger_peers")


def _idle(ledgers: Ledgers, path: Path, side: str, *, seconds: float, samples: int) -> tuple[float, list[float]]:
    from benchmarks.ledger import ROOT, address  # noqa: PLC0415 - they import us

    with ledgers.fresh("postgresql") as database:
        job = {"url": address(database), "side": side, "path": str(path), "wait": True}
        if side == "procrastinate":
            asyncio.run(_enqueue(job, [], schema=True))
        command = [sys.executable, "-m", "benchmarks.ledger_peers", json.dumps(job)]
        worker = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            if worker.stdout and worker.stdin:
                worker.stdout.readline()
                worker.stdin.write("\n")
                worker.stdin.flush()
            select.select([], [], [], 5)
            before = _transactions(database)
            select.select([], [], [], seconds)
            idle = (_transactions(database) - before) / seconds
            wakes = [_wake(database, job, number) for number in range(samples)]
        finally:
            worker.kill()
            worker.wait()
    return round(idle, 1), wakes


def _wake(database: Database, job: dict[str, Any], number: int) -> float:
    select.select([], [], [], random.uniform(1.5, 3.0))  # noqa: S311 - any instant between two questions
    enqueued = database.clock.now()
    open_run(database, office.workflow(commit=False), office.new_items([10_000 + number]), trigger="benchmark")
    if job["side"] == "procrastinate":
        asyncio.run(_enqueue(job, _ids(database)[-1:], schema=False))
    last = sa.select(t.attempts.c.started_at).order_by(t.attempts.c.id.desc()).limit(1)
    for _ in range(1000):
        with database.read() as connection:
            claimed_at = connection.execute(last).scalar_one_or_none()
        if claimed_at is not None and claimed_at >= enqueued:
            return float((claimed_at - enqueued).total_seconds() * 1000)
        select.select([], [], [], 0.01)
    raise SystemExit("nobody took the item")


def _transactions(database: Database) -> int:
    query = sa.text("select xact_commit + xact_rollback from pg_stat_database where datname = current_database()")
    with database.read() as connection:
        return int(connection.execute(query).scalar_one())


def _ids(database: Database) -> list[int]:
    with database.read() as connection:
        return list(connection.execute(sa.select(t.items.c.id).order_by(t.items.c.id)).scalars())


def _app(job: dict[str, Any], database: Database | None, ended: list[float]) -> tuple[Any, Any]:
    """Return Procrastinate's app and the task that works one item."""
    sys.path.append(job["path"])
    import procrastinate  # type: ignore[import-not-found]  # noqa: PLC0415 - not a dependency

    logging.getLogger("procrastinate").setLevel(logging.ERROR)
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=job["url"]))

    async def work(item_id: int) -> None:
        if database is not None:
            claimed = await asyncio.to_thread(_claim_by_id, database, item_id)
            await _finish(database, claimed, ended)

    return app, app.task(name="work", pass_context=False)(work)


async def _enqueue(job: dict[str, Any], ids: list[int], *, schema: bool) -> None:
    app, task = _app(job, None, [])
    async with app.open_async():
        if schema:
            await app.schema_manager.apply_schema_async()
        if ids:
            await task.batch_defer_async(*[{"item_id": item_id} for item_id in ids])


def _claim_by_id(database: Database, item_id: int) -> queue.Claim:
    with database.write() as connection:
        now = database.clock.now()
        taken = (
            sa.update(t.items)
            .where(t.items.c.id == item_id, t.IS_OPEN, t.items.c.available_at <= now)
            .where(sa.or_(t.items.c.lease_until.is_(None), t.items.c.lease_until < now))
            .values(state="working", fence=t.items.c.fence + 1, owner=office.process_name(0), lease_until=now + LEASE)
        )
        row = connection.execute(taken.returning(*t.items.c)).one()
        attempt = sa.insert(t.attempts).values(
            item_id=row.id, workflow=row.workflow, fence=row.fence, worker=row.owner, started_at=now
        )
        attempt_id = connection.execute(attempt.returning(t.attempts.c.id)).scalar_one()
        run = sa.select(t.runs.c.definition_hash, t.runs.c.kind).where(t.runs.c.id == row.run_id)
        pinned = connection.execute(run).one()
    return queue.Claim(
        item_id=row.id,
        run_id=row.run_id,
        kind=pinned.kind,
        workflow=row.workflow,
        app=row.app,
        definition_hash=pinned.definition_hash,
        reference=row.reference,
        payload=row.payload,
        payload_hash=row.payload_hash,
        fence=row.fence,
        attempt_id=attempt_id,
        worker=row.owner,
        failures=row.failures,
        orphans=0,
        seen_fence=0,
        audit_draw=row.audit_draw,
        record_url=None,
        corrects=None,
        intents=(),
    )


async def _finish(database: Database, claimed: queue.Claim, ended: list[float]) -> None:
    await asyncio.sleep(office.PACE)
    end = protocol.Settlement("passed")
    await asyncio.to_thread(protocol.settle, database, claimed, end, app=office.workflow().app)
    ended.append(time.perf_counter())


async def _loop(database: Database, ended: list[float], *, wait: bool) -> None:
    """Take the next item in order, eight at a time; the whole of our delivery."""
    asking = asyncio.Lock()

    async def slot(number: int) -> None:
        while True:
            async with asking:
                name = office.process_name(number)
                claimed = await asyncio.to_thread(queue.claim, database, name, LEASE)
                if claimed is None and wait:
                    await asyncio.sleep(1.0)
                    continue
            if claimed is None:
                return
            await _finish(database, claimed, ended)

    await asyncio.gather(*(slot(number) for number in range(SLOTS)))


async def _procrastinate(database: Database, job: dict[str, Any], ended: list[float]) -> None:
    app, _ = _app(job, database, ended)
    async with app.open_async():
        await app.run_worker_async(
            concurrency=SLOTS, wait=job["wait"], install_signal_handlers=False, fetch_job_polling_interval=1.0
        )


def main() -> None:
    """Be one process of one side: the job is given as JSON on the command line."""
    job = json.loads(sys.argv[1])
    database = Database(job["url"])
    with database.read():
        pass
    print("ready", flush=True)
    sys.stdin.readline()
    started, worked = time.perf_counter(), time.process_time()
    ended: list[float] = []
    side = (
        _procrastinate(database, job, ended)
        if job["side"] == "procrastinate"
        else _loop(database, ended, wait=job["wait"])
    )
    asyncio.run(side)
    cpu = time.process_time() - worked
    print(json.dumps({"items": len(ended), "first": started, "last": max(ended, default=started), "cpu": cpu}))


if __name__ == "__main__":
    main()
