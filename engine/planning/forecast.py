"""Says when unfinished runs will end, and raises `deadline.at_risk` before a deadline is missed.

Method: Monte Carlo over the present queue. Each replication simulates the live slots over the open items in claim
order (`engine.planning.simulation`), with service times resampled from measured attempts (`engine.workload`; Efron
1979, Barton and Schruben 2001). The forecast is the median of the ends; their 5 % and 95 % quantiles bound it. Runs
that are not open yet are not foreseen: they are `engine.planning.plan`'s.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from engine.ledger.backlog import AppState, LiveWorker, OpenRun, app_states, live_workers, open_runs, zones
from engine.ledger.database import Database
from engine.ledger.durations import service_times
from engine.ledger.incidents import close_incidents, incidents, open_incident
from engine.ledger.tables import NEVER
from engine.planning.demand import app_limits, open_batches, working_slots
from engine.planning.simulation import simulate
from engine.workload import ServiceTimes

KIND = "deadline.at_risk"
RISKY = 0.5
"""Chance of missing the deadline at which the incident is opened: the median forecast is late."""
SAFE = 0.05
"""Chance at which it is closed again: the 95 % forecast is in time. Between the two it stays as it is."""
BEYOND = timedelta(days=2)
"""How far past the last deadline is looked."""
REPLICATIONS = 40
_FEWEST_REPLICATIONS = 20
_BUDGET = 200_000
"""Items or lumps simulated in all replications together, about; about a second."""


@dataclass(frozen=True)
class RunForecast:
    """When a run's last item will have ended; what lies beyond the time looked at, or never comes, is None."""

    run_id: int
    workflow: str
    due_at: datetime
    timezone: str
    """Of the workflow's schedule, for people."""
    left: int
    total: int
    slots: int
    """Live slots of all workers."""
    measured: int
    """Attempts that the service times were measured from; 0 means the definition's standard time."""
    expected: datetime | None
    early: datetime | None
    """5 % quantile."""
    late: datetime | None
    """95 % quantile."""
    chance_late: float
    """Share of the replications that ended after the deadline."""
    blocked: str | None = None
    """Why nothing is worked, in words."""


@dataclass(frozen=True)
class _Queue:
    now: datetime
    runs: list[OpenRun]
    workers: list[LiveWorker]
    apps: dict[str, AppState]
    times: dict[str, ServiceTimes]
    zones: dict[str, str]


def forecast(database: Database, *, seed: int = 1) -> list[RunForecast]:
    """Forecast every unfinished run with a deadline, earliest deadline first; the same ledger gives the same answer."""
    queue = _read(database)
    due = sorted({run.run_id for run in queue.runs if run.deadline is not None})
    if not due:
        return []
    refused = {
        run.run_id
        for run in queue.runs
        if queue.workers and all(run.definition_hash in worker.refuses for worker in queue.workers)
    }
    slots = working_slots(queue.workers, queue.runs)
    workable = [run for run in queue.runs if run.run_id not in refused] if slots else []
    ends = _ends(queue, workable, slots, seed) if any(run.run_id in due for run in workable) else {}
    found = [_of_run(queue, run_id, slots, ends.get(run_id)) for run_id in due]
    return sorted(found, key=lambda one: (one.due_at, one.run_id))


def watch_deadlines(database: Database, *, seed: int = 1) -> None:
    """Open `deadline.at_risk` for runs that will probably be late, and close it when they recover or end.

    Any process may call it, as often as it likes; it writes only when something changed.
    """
    forecasts = {str(one.run_id): one for one in forecast(database, seed=seed)}
    stand = {one.key: one.subject for one in incidents(database, limit=None, kind=KIND)}
    rise = [one for key, one in forecasts.items() if key not in stand and one.chance_late >= RISKY]
    over = [key for key in stand if key not in forecasts or forecasts[key].chance_late <= SAFE]
    if not rise and not over:
        return
    with database.write() as connection:
        now = database.clock.now()
        for key in over:
            close_incidents(connection, database, KIND, stand[key], key)
        for one in rise:
            data = {"due_at": one.due_at.isoformat(), "left": one.left, "total": one.total, "slots": one.slots}
            ends = {name: at and at.isoformat() for name, at in _instants(one).items()}
            open_incident(connection, database, KIND, one.workflow, str(one.run_id), sentence(one, now), **data, **ends)


def sentence(one: RunForecast, now: datetime) -> str:
    """Say in one sentence when a run will end; local time of the workflow's schedule."""
    zone = ZoneInfo(one.timezone)
    late = one.chance_late >= RISKY
    verb = "did not finish" if now > one.due_at else "will not finish" if late else "will finish"
    head = f"{one.workflow} run {one.run_id} {verb} by {_clock(one.due_at, now, zone)} {one.timezone}"
    left = f"{one.left} of {one.total} items left"
    if one.blocked:
        return f"{head}: {left} and {one.blocked}"
    if one.expected is None:
        return f"{head}: {left}, expected more than {BEYOND.days} days late"
    bounds = [_clock(at, now, zone) if at else "later" for at in (one.early, one.late)]
    return f"{head}: {left}, expected {_clock(one.expected, now, zone)} ({'-'.join(bounds)})"


def _clock(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    same_day = local.date() == now.astimezone(zone).date()
    return f"{local:%H:%M}" if same_day else f"{local:%Y-%m-%d %H:%M}"


def _instants(one: RunForecast) -> dict[str, datetime | None]:
    return {"expected": one.expected, "early": one.early, "late": one.late}


def _read(database: Database) -> _Queue:
    with database.read() as connection:
        now = database.clock.now()
        runs = open_runs(connection, now)
        if all(run.deadline is None for run in runs):
            return _Queue(now, [], [], {}, {}, {})
        workflows = {run.workflow for run in runs}
        return _Queue(
            now,
            runs,
            live_workers(connection, now),
            app_states(connection, {run.app for run in runs}),
            service_times(connection, workflows),
            zones(connection, workflows),
        )


def _of_run(queue: _Queue, run_id: int, slots: int, ends: Sequence[float] | None) -> RunForecast:
    parts = [run for run in queue.runs if run.run_id == run_id]
    first = parts[0]
    due_at = first.deadline or NEVER
    due = (due_at - queue.now).total_seconds()
    nobody = "every live worker refuses its definition" if slots else "no live worker"
    blocked, ends = (nobody, [math.inf]) if ends is None else (None, sorted(ends))
    left = sum(part.left for part in parts)
    early, expected, late = (_instant(queue.now, ends[math.ceil(q * (len(ends) - 1))]) for q in (0.05, 0.5, 0.95))
    return RunForecast(
        run_id=run_id,
        workflow=first.workflow,
        due_at=due_at,
        timezone=queue.zones[first.workflow],
        left=left,
        total=max(left, *(part.total for part in parts)),
        slots=slots,
        measured=queue.times[first.workflow].measured,
        expected=expected,
        early=early,
        late=late,
        chance_late=1.0 if due < 0 else sum(end > due for end in ends) / len(ends),
        blocked=blocked,
    )


def _instant(now: datetime, seconds: float) -> datetime | None:
    return now + timedelta(seconds=seconds) if math.isfinite(seconds) else None


def _ends(queue: _Queue, runs: Sequence[OpenRun], slots: int, seed: int) -> dict[int, list[float]]:
    """Return by run, for each replication, in how many seconds its last item ends."""
    last = max(run.deadline for run in runs if run.deadline is not None)
    until = max((last - queue.now).total_seconds(), 0.0) + BEYOND.total_seconds()
    limits = {app: app_limits(state, queue.now, until) for app, state in queue.apps.items()}
    ends: dict[int, list[float]] = {run.run_id: [] for run in runs if run.deadline is not None}
    replication, replications = 0, REPLICATIONS
    while replication < replications:
        draws = Random(f"{seed}/{replication}")  # noqa: S311 - a repeatable draw is the point
        times = {workflow: one.resampled(draws) for workflow, one in queue.times.items()}
        found = open_batches(queue.now, runs, times, draws, slots)
        batches = [batch for _, batch in found]
        wanted = {number for number, (run_id, _) in enumerate(found) if run_id in ends}
        outcome = simulate(batches, limits, slots, until=until, wanted=wanted)
        for run_id, of_run in ends.items():
            of_run.append(max(end for end, (of, _) in zip(outcome.ended, found, strict=True) if of == run_id))
        size = sum(len(batch.work) for batch in batches)
        replications = max(_FEWEST_REPLICATIONS, min(REPLICATIONS, _BUDGET // size))
        replication += 1
    return ends
