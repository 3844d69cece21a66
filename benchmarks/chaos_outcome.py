"""What `benchmarks.chaos` left behind: the portal's own records against the ledger, and who sent what when."""

from __future__ import annotations

import json
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from engine.ledger.database import Database
from engine.ledger.tables import OPEN, attempts, intents, items

_PID = re.compile(r"-(\d+)-[0-9a-f]+$")


@dataclass(frozen=True)
class Done:
    """What the harness did while the items were worked."""

    kills: int = 0
    stops: int = 0
    restarts: int = 0
    clock_jumps: int = 0
    disk_full: int = 0
    died: int = 0
    """Workers that ended by themselves with an error, and were replaced."""
    scheduler_kills: int = 0
    """Schedulers killed while the items were worked."""


@dataclass(frozen=True)
class Outcome:
    """One configuration's figures."""

    database: str
    workers: int
    items: int
    done: Done
    lost: tuple[str, ...]
    duplicates: tuple[str, ...]
    stale_sends: tuple[str, ...]
    sends: int
    """Requests that the portal received, each with its sender: what `stale_sends` was looked for among."""
    in_doubt: int
    resumed: int
    orphaned: int
    pickups: tuple[float, ...]
    """Leases from a kill or stop to the next claim of each item that the process held."""
    seconds: float
    states: Mapping[str, int] = field(default_factory=dict)
    reasons: Mapping[str, int] = field(default_factory=dict)


def figures(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return the printed keys of one outcome, or of several together."""
    pickups = [leases for outcome in outcomes for leases in outcome.pickups]
    totals = {name: sum(getattr(one.done, name) for one in outcomes) for name in Done.__dataclass_fields__}
    return {
        "items": sum(one.items for one in outcomes),
        **totals,
        "lost": sum(len(one.lost) for one in outcomes),
        "duplicates": sum(len(one.duplicates) for one in outcomes),
        "in_doubt": sum(one.in_doubt for one in outcomes),
        "sends": sum(one.sends for one in outcomes),
        "stale_sends": sum(len(one.stale_sends) for one in outcomes),
        "orphaned": sum(one.orphaned for one in outcomes),
        "resumed": sum(one.resumed for one in outcomes),
        "pickup_leases_p50": round(statistics.median(pickups), 2) if pickups else None,
        "pickup_leases_max": round(max(pickups), 2) if pickups else None,
        "seconds": round(sum(one.seconds for one in outcomes), 1),
        "states": dict(sum((Counter(one.states) for one in outcomes), Counter())),
        "reasons": dict(sum((Counter(one.reasons) for one in outcomes), Counter())),
    }


def judge(
    database: Database,
    records: Iterable[Mapping[str, Any]],
    arrivals: Sequence[Mapping[str, Any]],
    hit: Mapping[int, datetime],
    lease: float,
    *,
    expected: Iterable[str],
) -> dict[str, Any]:
    """Compare the ledger with what the portal holds and received; return the fields of an `Outcome`.

    Args:
        database: the ledger.
        records: the portal's invoices.
        arrivals: the requests that the portal received, in its own time.
        hit: when each process (by id) was killed or frozen, in the ledger's time.
        lease: seconds.
        expected: references of all records that there were to enter.
    """
    present = Counter(f"{row['raw']['Supplier']}/{row['raw']['Invoice number'].strip()}" for row in records)
    with database.read() as connection:
        rows = connection.execute(sa.select(items)).all()
        tries = connection.execute(sa.select(attempts).order_by(attempts.c.item_id, attempts.c.fence)).all()
        sent = set(connection.execute(sa.select(intents.c.item_id).where(intents.c.outcome == "sent")).scalars())
    of_item: dict[int, list[Any]] = defaultdict(list)
    for attempt in tries:
        of_item[attempt.item_id].append(attempt)
    entered = {row.id for row in rows if row.state == "passed"} | sent
    never = sorted(set(expected) - {row.reference for row in rows})
    return {
        "items": len(rows),
        "lost": tuple(
            f"{row.reference} ({row.state})"
            for row in rows
            if row.state in OPEN or (row.id in entered and not present[row.reference])
        )
        + tuple(f"{reference} (never became an item)" for reference in never),
        "duplicates": tuple(f"{key} ({count} times)" for key, count in present.items() if count > 1),
        "stale_sends": tuple(_stale_sends(rows, of_item, arrivals)),
        "sends": len(arrivals),
        "in_doubt": sum(1 for row in rows if row.reason == "in_doubt"),
        "orphaned": sum(1 for attempt in tries if attempt.outcome == "orphaned"),
        "resumed": len({attempt.item_id for attempt in tries if attempt.outcome == "orphaned"}),
        "pickups": tuple(_pickups(of_item.values(), hit, lease)),
        "states": dict(Counter(row.state for row in rows)),
        "reasons": dict(Counter(row.reason for row in rows if row.reason)),
    }


def write_down(database: Database, arrivals: Iterable[Mapping[str, Any]], path: Path) -> None:
    """Keep what decided, for whoever has to find out why: a PostgreSQL ledger is gone with its cluster."""
    with database.read() as connection, path.open("w", encoding="utf-8") as out:
        for table in (items, attempts, intents):
            for row in connection.execute(sa.select(table).order_by(table.c.id)).mappings():
                out.write(json.dumps({"table": table.name, **row}, default=str, ensure_ascii=False) + "\n")
        for arrival in arrivals:
            out.write(json.dumps({"table": "arrivals", **arrival}, ensure_ascii=False) + "\n")


def process_of(worker: str) -> int:
    """Return the process id in a worker's name, 0 if there is none."""
    found = _PID.search(worker)
    return int(found[1]) if found else 0


def _pickups(items_tries: Iterable[Sequence[Any]], hit: Mapping[int, datetime], lease: float) -> Iterable[float]:
    for tries in items_tries:
        for earlier, later in pairwise(tries):
            at = hit.get(process_of(earlier.worker))
            if earlier.outcome == "orphaned" and at is not None and earlier.started_at <= at:
                yield (later.started_at - at).total_seconds() / lease


def _stale_sends(
    rows: Sequence[Any], of_item: Mapping[int, Sequence[Any]], arrivals: Iterable[Mapping[str, Any]]
) -> Iterable[str]:
    """Yield every request that came after somebody else had claimed the item, or from a process that never had it."""
    by_reference = {row.reference: of_item[row.id] for row in rows}
    for arrival in arrivals:
        at, sender = datetime.fromisoformat(arrival["at"]), int(arrival["sender"] or 0)
        reference = f"{arrival['supplier']}/{arrival['invoice_no']}"  # suppliers share numbers
        tries = by_reference.get(reference, ())
        mine = [one.fence for one in tries if process_of(one.worker) == sender and one.started_at <= at]
        later = [one for one in tries if one.started_at < at and one.fence > max(mine, default=0)]
        if not mine:
            yield f"{reference}: from process {sender}, which had not claimed it"
        elif later:
            after = (at - later[0].started_at).total_seconds()
            yield f"{reference}: from process {sender}, {after:.2f} s after fence {later[0].fence}"
