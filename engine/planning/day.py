"""A coming day as the simulation sees it: what is drawn, by whom it is worked, how late it ends."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from engine.ledger.backlog import AppState, OpenRun
from engine.planning.demand import app_limits, open_batches
from engine.planning.simulation import Batch, Limits, Outcome, simulate
from engine.workload import ServiceTimes

BEYOND = timedelta(days=1)
"""How long after the planned hours work may still go on before it counts as never ended."""
_YOUNGEST = 2**40
"""Age of the first run that is not open yet: younger than every item of the ledger."""


@dataclass(frozen=True)
class PlannedRun:
    """A run that a schedule will open."""

    workflow: str
    app: str
    fire_at: datetime
    due_at: datetime | None
    priority: int = 0


@dataclass(frozen=True)
class Day:
    """What a plan is made of: all that is known at its start."""

    start: datetime
    until: datetime
    """Runs that fire at or after this are not of the day."""
    planned: Sequence[PlannedRun]
    open_runs: Sequence[OpenRun]
    times: Mapping[str, ServiceTimes]
    counts: Mapping[str, Sequence[int]]
    """Items of past runs by workflow; one is drawn for each planned run."""
    apps: Mapping[str, AppState]

    @property
    def overdue(self) -> frozenset[int]:
        """Return the open runs whose deadline is past at the start."""
        return frozenset(run.run_id for run in self.open_runs if run.deadline and run.deadline <= self.start)


@dataclass(frozen=True)
class Job:
    """One batch and the run that it is of."""

    batch: Batch
    workflow: str
    run_id: int | None
    run: PlannedRun | None
    due_at: datetime | None
    """None also if the deadline was past at the start of the day: no number of slots meets it."""


class Demand:
    """The drawn demand, and outcomes of numbers of slots over it."""

    def __init__(self, day: Day, most: int, seed: int) -> None:
        self.day, self.seed, self.most = day, seed, most
        self.until = (day.until - day.start + BEYOND).total_seconds()
        self.limits: dict[str, Limits] = {
            app: app_limits(state, day.start, self.until) for app, state in day.apps.items()
        }
        self.drawn: list[list[Job]] = []

    def jobs(self, replication: int) -> list[Job]:
        """Return the demand of one replication."""
        while len(self.drawn) <= replication:
            draws = Random(f"{self.seed}/{len(self.drawn)}")  # noqa: S311 - a repeatable draw is the point
            self.drawn.append(_draw(self.day, draws, self.most))
        return self.drawn[replication]

    def outcome(self, slots: int, jobs: Sequence[Job]) -> Outcome:
        """Let slots work a demand."""
        return simulate([job.batch for job in jobs], self.limits, slots, until=self.until)


def _draw(day: Day, draws: Random, most: int) -> list[Job]:
    times = {workflow: one.resampled(draws) for workflow, one in day.times.items()}
    runs, overdue = {run.run_id: run for run in day.open_runs}, day.overdue
    jobs = [
        Job(batch, runs[run_id].workflow, run_id, None, None if run_id in overdue else runs[run_id].deadline)
        for run_id, batch in open_batches(day.start, day.open_runs, times, draws, most)
    ]
    for number, run in enumerate(sorted(day.planned, key=lambda run: run.fire_at)):
        work = times[run.workflow].items(draws, draws.choice(day.counts[run.workflow]))
        batch = Batch(
            app=run.app,
            arrives=(run.fire_at - day.start).total_seconds(),
            priority=run.priority,
            due=math.inf if run.due_at is None else (run.due_at - day.start).total_seconds(),
            age=_YOUNGEST + number,
            work=work.first,
            again=work.again,
        )
        jobs.append(Job(batch, run.workflow, None, run, run.due_at))
    return jobs


RunKey = tuple[str, int | None, datetime | None, datetime]
"""Workflow, run, planned start and deadline: one run with a deadline."""


def lateness(day: Day, jobs: Sequence[Job], outcome: Outcome) -> dict[RunKey, float]:
    """Return by run with a deadline by how many seconds its last item ended after it (before it: negative)."""
    late: dict[RunKey, float] = {}
    for job, ended in zip(jobs, outcome.ended, strict=True):
        if job.due_at is not None:
            key = (job.workflow, job.run_id, job.run.fire_at if job.run else None, job.due_at)
            late[key] = max(late.get(key, -math.inf), ended - (job.due_at - day.start).total_seconds())
    return late


def utilisation(outcome: Outcome, slots: int) -> float:
    """Return the time that slots worked, as a share of slots x (last end - first start); 0 if nothing was worked."""
    span = outcome.last_end - outcome.first_start
    return min(1.0, outcome.busy / (slots * span)) if outcome.busy else 0.0


def seconds_of(batch: Batch) -> float:
    """Return the seconds of slot time that a batch takes, further attempts included."""
    return sum(batch.work) + sum(seconds for further in batch.again.values() for _, seconds in further)
