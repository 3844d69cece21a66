"""What planning costs: `python -m benchmarks.planning [--quick] [--json] [--items N] [--slots N] [--ledger N]`.

First a coming day of 50,000 items (`--items`) of ten workflows in four applications, about a hundred runs with
deadlines, is planned with 20 slots (`--slots`), and with 1 to 20. Then a run of 900 items is forecast in a ledger that
holds 1,000 closed items, and in one that holds 1,000,000 (`--ledger`), on SQLite and PostgreSQL. Processor seconds of
this process are printed beside wall seconds: other work on the machine adds to the latter only.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import sqlalchemy as sa

from engine.clock import ManualClock
from engine.ledger import tables as t
from engine.ledger import workers
from engine.ledger.backlog import AppState
from engine.ledger.database import Database
from engine.planning.day import Day, PlannedRun
from engine.planning.forecast import forecast
from engine.planning.plan import Plan, plan
from engine.workload import AttemptTime, ServiceTimes
from fixtures.postgres import PostgresServer

MIDNIGHT = datetime(2026, 1, 5, tzinfo=UTC)
CHUNK = 20_000


@dataclass(frozen=True)
class Took:
    """How long something took, in seconds."""

    wall: float
    processor: float


def timed(work: Callable[[], Any]) -> tuple[Any, Took]:
    """Do work once."""
    wall, processor = time.perf_counter(), time.process_time()
    answer = work()
    return answer, Took(round(time.perf_counter() - wall, 3), round(time.process_time() - processor, 3))


def busy_day(items: int) -> Day:
    """Return a day of some hundred runs, each due three hours after its start; one item in twenty is tried again."""
    draws = Random(1)  # noqa: S311 - repeatable
    names = [f"workflow-{number}" for number in range(10)]
    times = {
        name: ServiceTimes(
            name,
            tuple(AttemptTime(draws.gammavariate(2, 10), 5.0 if draws.random() < 0.05 else None) for _ in range(500)),
            500,
        )
        for name in names
    }
    runs = [
        PlannedRun(name, f"app-{number % 4}", start, start + timedelta(hours=3), number % 2)
        for number, name in enumerate(names)
        for start in (MIDNIGHT + timedelta(hours=hour) for hour in range(2 + number % 3, 22, 2))
    ]
    counts = [round(items / len(runs) * share) for share in (0.8, 0.9, 1, 1.1, 1.2)]
    apps = {run.app: AppState(run.app, 12, timedelta(), None, ()) for run in runs}
    return Day(MIDNIGHT, MIDNIGHT + timedelta(days=1), runs, [], times, dict.fromkeys(names, counts), apps)


def fill(database: Database, closed: int) -> None:
    """Put closed items with their attempts, and one open run of 900 items with a deadline, into a ledger."""
    now, draws = database.clock.now(), Random(1)  # noqa: S311 - repeatable
    run = {"workflow": "invoices", "app": "erp", "definition_hash": "h", "kind": "entry", "trigger": "t", "seed": 1}
    item = {"workflow": "invoices", "app": "erp", "payload": {}, "payload_hash": "h", "available_at": now}
    item |= {"audit_draw": 0.5, "created_at": now}
    attempt = {"workflow": "invoices", "fence": 1, "worker": "w", "started_at": now, "outcome": "passed"}
    with database.write() as connection:
        snapshot = {"workflow_text": "name: invoices"}
        definition = {"hash": "h", "workflow": "invoices", "snapshot": snapshot, "created_at": now}
        connection.execute(sa.insert(t.definitions).values(definition))
        app = {"app": "erp", "max_sessions": 20, "maintenance": [], "changed_at": now}
        connection.execute(sa.insert(t.apps).values(app))
        for state, due_at in (("done", None), ("open", now + timedelta(hours=6))):
            values = {**run, "state": state, "counts": {"enqueued": 900}, "due_at": due_at, "created_at": now}
            connection.execute(sa.insert(t.runs).values(values))
        for start in range(1, closed + 1, CHUNK):
            numbers = range(start, min(start + CHUNK, closed + 1))
            ended = {"run_id": 1, "state": "passed", "fence": 1, "closed_at": now}
            connection.execute(sa.insert(t.items), [{**item, **ended, "reference": f"c{n}"} for n in numbers])
            took = [now + timedelta(seconds=draws.lognormvariate(3, 0.5)) for _ in numbers]
            rows = [{**attempt, "item_id": n, "ended_at": end} for n, end in zip(numbers, took, strict=True)]
            connection.execute(sa.insert(t.attempts), rows)
        ready = {"run_id": 2, "state": "ready", "due_at": now + timedelta(hours=6)}
        connection.execute(sa.insert(t.items), [{**item, **ready, "reference": f"o{n}"} for n in range(900)])
    workers.register(database, "w", "worker", slots=8, lease=timedelta(seconds=60))


def forecast_time(url: str, closed: int) -> Took:
    """Return the median of five forecasts."""
    database = Database(url, ManualClock())
    database.upgrade()
    fill(database, closed)
    if not database.is_sqlite:
        with database.engine.connect() as connection:
            connection.execute(sa.text("analyze"))
            connection.commit()
    took = sorted((timed(lambda: forecast(database))[1] for _ in range(5)), key=lambda one: one.wall)
    database.close()
    return took[2]


def forecasts(sizes: tuple[int, int]) -> dict[str, dict[int, Took]]:
    """Return by database and number of closed items how long a forecast took."""
    found: dict[str, dict[int, Took]] = {"sqlite": {}, "postgresql": {}}
    for size in sizes:
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            found["sqlite"][size] = forecast_time(str(Path(folder) / "ledger.db"), size)
            found["postgresql"][size] = forecast_time(stack.enter_context(PostgresServer()).url, size)
    return found


def main() -> None:
    """Plan, forecast and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="5,000 items a day, 20,000 in the ledger")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.add_argument("--items", type=int, default=50_000, help="of the planned day")
    parser.add_argument("--slots", type=int, default=20)
    parser.add_argument("--ledger", type=int, default=1_000_000, help="closed items")
    asked = parser.parse_args()
    items, ledger = (5_000, 20_000) if asked.quick else (asked.items, asked.ledger)
    day = busy_day(items)
    _, one = timed(lambda: plan(day, [asked.slots]))
    made, many = timed(lambda: plan(day, range(1, asked.slots + 1)))
    print(f"a day of {items} items, {asked.slots} slots: {one.wall} s wall, {one.processor} s of processor")
    print(f"the same with 1 to {asked.slots} slots: {many.wall} s wall, {many.processor} s of processor")
    print(said(made))
    found = forecasts((1_000, ledger))
    for name, sizes in found.items():
        for size, took in sizes.items():
            print(f"forecast on {name}, {size} closed items: {took.wall} s wall, {took.processor} s of processor")
    if asked.json:
        best = made.best
        told = {"items": items, "plan_s": one.processor, "sweep_s": many.processor}
        told |= {"enough": made.enough or 0, "utilisation": best.utilisation.value if best else 0.0}
        print(
            json.dumps(
                {**told, "forecast": {name: {n: asdict(s) for n, s in of.items()} for name, of in found.items()}}
            )
        )


def said(made: Plan) -> str:
    """Say what the plan found."""
    best = made.best
    if best is None:
        return "no number of slots meets every deadline"
    return f"{best.slots} slots meet every deadline in {best.all_met.n} replications, {best.utilisation.value:.1%} busy"


if __name__ == "__main__":
    main()
