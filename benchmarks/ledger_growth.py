"""How long a claim takes in a ledger with a history: a thousand items beside a million, measured in turn."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from benchmarks import ledger_office as office
from engine.ledger import protocol, queue
from engine.ledger.database import Database
from engine.ledger.runs import open_run
from engine.ledger.tables import items

OPEN_SHARE = 10
"""One item in so many is still open."""
LEASE = timedelta(seconds=60)
BATCH = 20
_NUMBERS = {
    "sqlite": "with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < {count})",
    "postgresql": "with numbers(n) as (select generate_series(1, {count}))",
}
_ITEMS = """
insert into items (run_id, workflow, reference, app, payload, payload_hash, state, priority, fence, available_at,
                   failures, audit_draw, audited, due_at, created_at, closed_at)
{numbers}
select 1, 'benchmark-entry', 'H/' || n, 'erp',
       {payload}, 'no hash', case when n % {share} = 0 then 'ready' when n % 50 = 1 then 'review' else 'passed' end,
       n % 3, case when n % {share} = 0 then 0 else 1 end, {at}, 0, 0.5, {false},
       case when n % 2 = 0 then {at} else {never} end, {at}, case when n % {share} = 0 then null else {at} end
from numbers
"""
_ATTEMPTS = """
insert into attempts (item_id, workflow, fence, worker, started_at, ended_at, outcome)
select id, workflow, 1, 'benchmark-1-0000', created_at, created_at, 'passed' from items where state <> 'ready'
"""


@dataclass(frozen=True)
class ClaimTimes:
    """Milliseconds of single claims, commit included."""

    p50: float
    p95: float


def fill(database: Database, count: int) -> None:
    """Put so many items into an empty ledger, a tenth of them open, of all priorities and with and without deadline."""
    database.upgrade()
    open_run(database, office.workflow(), [], trigger="benchmark")
    sqlite = database.is_sqlite
    stamp = "'{at}'" if sqlite else "cast('{at}' as timestamptz)"
    payload = """'{"invoice_no": "INV-' || n || '", "supplier": "东方贸易有限公司", "total": "1234.50"}'"""
    parts = {
        "numbers": _NUMBERS["sqlite" if sqlite else "postgresql"].format(count=count),
        "payload": payload if sqlite else f"cast({payload} as json)",
        "share": OPEN_SHARE,
        "at": stamp.format(at="2026-01-05 08:00:00.000000"),
        "never": stamp.format(at="9000-01-01 00:00:00.000000"),
        "false": "0" if sqlite else "false",
    }
    with database.write() as connection:
        connection.execute(sa.text("update runs set state = 'open', finished_at = null, audit_at = null"))
        connection.execute(sa.text(_ITEMS.format(**parts)))
        connection.execute(sa.text(_ATTEMPTS))
    with database.write() as connection:
        connection.execute(sa.text("analyze"))  # as autovacuum would by and by


def compare(small: Database, large: Database, batches: int) -> tuple[ClaimTimes, ClaimTimes]:
    """Claim from both in turn, `BATCH` items a time; each item is settled before the next is claimed."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(batches + 1):
        for database, seen in zip((small, large), times, strict=True):
            took = _claims(database)
            seen.extend(took if number else ())  # the first batch warms
    return _summary(times[0]), _summary(times[1])


def _claims(database: Database) -> list[float]:
    app = office.workflow().app
    took, worked = [], []
    for _ in range(BATCH):
        started = time.perf_counter()
        claimed = queue.claim(database, office.process_name(0), LEASE)
        took.append((time.perf_counter() - started) * 1000)
        if claimed is None:
            raise SystemExit("nothing to claim: the benchmark is wrong")
        protocol.settle(database, claimed, protocol.Settlement("passed"), app=app)
        worked.append(claimed.item_id)
    with database.write() as connection:  # open again, so that the ledger keeps its shares
        connection.execute(sa.update(items).where(items.c.id.in_(worked)).values(state="ready", closed_at=None))
    return took


def _summary(times: list[float]) -> ClaimTimes:
    return ClaimTimes(round(statistics.median(times), 3), round(statistics.quantiles(times, n=20)[18], 3))
