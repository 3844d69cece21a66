"""Measures how long attempts hold a slot and how many items a slot of a schedule brings; the cost does not grow.

Only the newest attempts of a workflow are read, by the index on (workflow, id): the answer is about how the application
answers these days, and takes the same time however many items the ledger holds.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.engine import Connection

from engine import yaml_source
from engine.definition import Retry, Time
from engine.durations import percentile
from engine.ledger import tables as t
from engine.workload import AttemptTime, ServiceTimes

NEWEST = 500
"""Attempts of a workflow that are read."""
ENOUGH = 20
"""With fewer measured attempts than this, the definition's standard time is taken instead."""
RUNS = 50
"""Past runs of a schedule that are read."""
COMES_BACK = ("retry", "in_doubt", "released")
"""Outcomes of an attempt after which its item is tried again."""


@dataclass(frozen=True)
class ItemsPerSlot:
    """How many items the slots of a schedule brought."""

    workflow: str
    counts: tuple[int, ...]
    """Of the newest runs, newest first; empty if there was none."""
    scheduled: bool
    """False if no slot has had a run yet, and the counts are of runs started by hand."""

    @property
    def median(self) -> float | None:
        """Return the median, or None if there was no run."""
        return statistics.median(self.counts) if self.counts else None

    @property
    def high(self) -> float | None:
        """Return the 90 % quantile, or None if there was no run."""
        return percentile(self.counts, 0.9) if self.counts else None


def service_times(connection: Connection, workflows: Iterable[str]) -> dict[str, ServiceTimes]:
    """Return the service times of workflows: measured, or by `time.standard` where fewer than 20 attempts are known.

    An attempt counts from claim to settle, whatever came of it; one whose worker was lost does not, for nobody saw its
    end. Its item's wait is that until the next attempt, at most `retry.max_wait`.
    """
    return {workflow: _service_times(connection, workflow) for workflow in sorted(set(workflows))}


def _service_times(connection: Connection, workflow: str) -> ServiceTimes:
    time, retry = _declared_by_newest(connection, workflow)
    a = t.attempts.c
    newest = (
        sa.select(a.item_id, a.fence, a.started_at, a.ended_at, a.outcome)
        .where(a.workflow == workflow)
        .order_by(a.id.desc())
        .limit(NEWEST)
    )
    rows = connection.execute(newest).all()
    started = {(row.item_id, row.fence): row.started_at for row in rows}
    measured = [row for row in rows if row.ended_at is not None and row.outcome != "orphaned"]
    if len(measured) < ENOUGH:
        return ServiceTimes(workflow, (AttemptTime(time.standard.total_seconds()),), 0, retry.attempts)
    longest = retry.max_wait.total_seconds()
    waits = {
        (row.item_id, row.fence): min(longest, (next_start - row.ended_at).total_seconds())
        for row in measured
        if row.outcome in COMES_BACK and (next_start := started.get((row.item_id, row.fence + 1))) is not None
    }
    usual = statistics.median(waits.values()) if waits else min(longest, retry.wait.total_seconds())
    return ServiceTimes(workflow, tuple(_attempt(row, waits, usual) for row in measured), len(measured), retry.attempts)


def _attempt(row: Any, waits: dict[tuple[int, int], float], usual: float) -> AttemptTime:
    wait = waits.get((row.item_id, row.fence), usual) if row.outcome in COMES_BACK else None
    seconds = max(0.0, (row.ended_at - row.started_at).total_seconds())  # clocks of two hosts may disagree
    return AttemptTime(seconds, None if wait is None else max(0.0, wait))


def _declared_by_newest(connection: Connection, workflow: str) -> tuple[Time, Retry]:
    query = (
        sa.select(t.definitions.c.hash, t.definitions.c.snapshot)
        .join(t.runs, t.runs.c.definition_hash == t.definitions.c.hash)
        .where(t.runs.c.workflow == workflow)
        .order_by(t.runs.c.id.desc())
        .limit(1)
    )
    newest = connection.execute(query).first()
    return _declared(newest.snapshot["workflow_text"]) if newest is not None else (Time(), Retry())


@lru_cache(maxsize=256)
def _declared(text: str) -> tuple[Time, Retry]:
    """Read `time` and `retry` from a pinned definition's text, which was checked when it was loaded."""
    document, _ = yaml_source.parse("definition", text)
    if document is None:
        return Time(), Retry()
    try:
        return Time(**document.at(("time",)) or {}), Retry(**document.at(("retry",)) or {})
    except ValidationError:  # pinned by a version that knew other words
        return Time(), Retry()


def items_per_slot(connection: Connection, workflows: Iterable[str]) -> dict[str, ItemsPerSlot]:
    """Return how many items the newest runs of schedules enqueued."""
    return {workflow: _items_per_slot(connection, workflow) for workflow in sorted(set(workflows))}


def _items_per_slot(connection: Connection, workflow: str) -> ItemsPerSlot:
    newest = (
        sa.select(t.slots.c.run_id)
        .where(t.slots.c.schedule == workflow)
        .order_by(t.slots.c.fire_at.desc())
        .limit(4 * RUNS)  # skipped slots have no run
        .subquery()
    )
    fired = sa.select(t.runs.c.counts).join(newest, newest.c.run_id == t.runs.c.id).order_by(t.runs.c.id.desc())
    counts = list(connection.execute(fired.limit(RUNS)).scalars())
    if counts:
        return ItemsPerSlot(workflow, _enqueued(counts), scheduled=True)
    by_hand = (
        sa.select(t.runs.c.counts)
        .where(t.runs.c.workflow == workflow, t.runs.c.kind == "entry")
        .order_by(t.runs.c.id.desc())
        .limit(RUNS)
    )
    return ItemsPerSlot(workflow, _enqueued(connection.execute(by_hand).scalars()), scheduled=False)


def _enqueued(counts: Iterable[dict[str, int]]) -> tuple[int, ...]:
    return tuple(int(one.get("enqueued", 0)) for one in counts)
