"""The rows that metrics are computed from: runs of a scope, their items, and everything that happened to them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.ledger import tables as t
from engine.ledger.database import Database
from engine.ledger.labels import CANARY
from engine.ledger.queue import Intent
from engine.ledger.reads import intents_of, of_items, runs_with_states, typed, verdicts_of
from engine.ledger.rows import (
    AttemptRow,
    EventRow,
    Facts,
    ItemFacts,
    ItemRow,
    ReviewRow,
    RunRow,
    SecondReviewRow,
    VerdictRow,
)

V = TypeVar("V")
_MOST_RUNS = 100


def facts(
    database: Database,
    *,
    run_id: int | None = None,
    workflow: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    newest: int | None = None,
) -> Facts:
    """Read what happened in the runs of a scope, as of one instant; canaries are in none.

    Args:
        database: the ledger.
        run_id: only this run.
        workflow: only runs of this workflow.
        since: only runs started at or after this instant.
        until: only runs started before this instant.
        newest: only the newest so many items of the newest runs, however many there are.
    """
    wanted = _scope(run_id, workflow, since, until)
    run_columns = [t.runs.c[name] for name in RunRow.__dataclass_fields__ if name in t.runs.c]
    with database.read() as connection:
        if newest is not None:
            wanted = [t.runs.c.id.in_(_newest_runs(connection, wanted, newest))]
        runs = tuple(_runs(connection, sa.select(*run_columns).where(*wanted).order_by(t.runs.c.id), newest))
        of_runs = sa.select(t.runs.c.id).where(*wanted)
        all_ids = sa.select(t.items.c.id).where(t.items.c.run_id.in_(of_runs))
        ids = all_ids if newest is None else all_ids.order_by(t.items.c.id.desc()).limit(newest)
        items = _item_facts(connection, ids, {run.id: run.definition_hash for run in runs})
        return Facts(
            runs=runs,
            items=tuple(items),
            breakers=_breakers(connection, runs),
            rejected=_events(connection, "source.rejected", of_runs),
            conflicts=_events(connection, "source.conflict", of_runs),
        )


def _newest_runs(connection: Connection, wanted: list[Any], items: int) -> list[int]:
    """Return the newest runs of a scope that have so many items together; at most a hundred runs."""
    query = sa.select(t.runs.c.id, t.runs.c.counts).where(*wanted).order_by(t.runs.c.id.desc()).limit(_MOST_RUNS)
    chosen: list[int] = []
    for row in connection.execute(query):
        if items <= 0:
            break
        chosen.append(row.id)
        items -= int(row.counts.get("enqueued", 0))
    return chosen


def _runs(connection: Connection, query: sa.Select[Any], newest: int | None) -> list[RunRow]:
    """Return the runs; without their items by state where only some items are asked for."""
    if newest is None:
        return runs_with_states(connection, query)
    return [RunRow(**row, items={}) for row in connection.execute(query).mappings()]


def _scope(run_id: int | None, workflow: str | None, since: datetime | None, until: datetime | None) -> list[Any]:
    wanted: list[Any] = [t.runs.c.kind != CANARY]
    if run_id is not None:
        wanted.append(t.runs.c.id == run_id)
    if workflow is not None:
        wanted.append(t.runs.c.workflow == workflow)
    if since is not None:
        wanted.append(t.runs.c.created_at >= since)
    if until is not None:
        wanted.append(t.runs.c.created_at < until)
    return wanted


def _item_facts(connection: Connection, ids: Any, hashes: dict[int, str]) -> list[ItemFacts]:
    columns = [t.items.c[name] for name in ItemRow.__dataclass_fields__]
    query = sa.select(*columns).where(t.items.c.id.in_(ids)).order_by(t.items.c.id)
    attempts = _grouped((row.item_id, row) for row in of_items(connection, t.attempts, AttemptRow, ids))
    intents: dict[int, tuple[Intent, ...]] = _grouped(intents_of(connection, ids))
    verdicts: dict[int, tuple[VerdictRow, ...]] = _grouped((row.item_id, row) for row in verdicts_of(connection, ids))
    reviews = _grouped((row.item_id, row) for row in of_items(connection, t.reviews, ReviewRow, ids))
    looks = _grouped((row.item_id, row) for row in of_items(connection, t.second_reviews, SecondReviewRow, ids))
    again = sa.select(t.events.c.item_id).where(t.events.c.kind == "item.reopened", t.events.c.item_id.in_(ids))
    reopened = set(connection.execute(again).scalars())
    return [
        ItemFacts(
            item=item,
            definition_hash=hashes[item.run_id],
            reopened=item.id in reopened,
            attempts=attempts.get(item.id, ()),
            intents=intents.get(item.id, ()),
            verdicts=verdicts.get(item.id, ()),
            reviews=reviews.get(item.id, ()),
            second_reviews=looks.get(item.id, ()),
        )
        for item in typed(connection, query, ItemRow)
    ]


def _grouped(pairs: Iterable[tuple[int, V]]) -> dict[int, tuple[V, ...]]:
    groups: dict[int, list[V]] = defaultdict(list)
    for item_id, row in pairs:
        groups[item_id].append(row)
    return {item_id: tuple(rows) for item_id, rows in groups.items()}


def _events(connection: Connection, kind: str, of_runs: Any) -> tuple[EventRow, ...]:
    columns = [t.events.c[name] for name in EventRow.__dataclass_fields__]
    query = sa.select(*columns).where(t.events.c.kind == kind, t.events.c.run_id.in_(of_runs))
    return tuple(typed(connection, query.order_by(t.events.c.id), EventRow))


def _breakers(connection: Connection, runs: tuple[RunRow, ...]) -> tuple[EventRow, ...]:
    """Return the breaker openings of the runs' applications while one of the runs was going on."""
    if not runs:
        return ()
    columns = [t.events.c[name] for name in EventRow.__dataclass_fields__]
    query = (
        sa.select(*columns)
        .where(t.events.c.kind == "breaker.opened", t.events.c.at >= min(run.created_at for run in runs))
        .order_by(t.events.c.id)
    )
    return tuple(
        event
        for event in typed(connection, query, EventRow)
        if any(run.app == event.data.get("app") and _during(event.at, run) for run in runs)
    )


def _during(at: datetime, run: RunRow) -> bool:
    return run.created_at <= at and (run.finished_at is None or at <= run.finished_at)
