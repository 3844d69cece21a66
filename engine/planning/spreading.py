"""Where a day is densest, and which schedules at another hour would let fewer slots meet its deadlines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from engine.planning.day import Day, Demand, Job, lateness, seconds_of, utilisation

SHIFTS = (1, -1, 2, -2)
"""Hours by which a schedule is tried later or earlier."""
HOUR = 3600.0
MOVED = 2
"""So many of the peak hour's schedules are tried at other hours."""
_SURE = 3
"""Replications in which a move must hold before it is advised."""


@dataclass(frozen=True)
class Peak:
    """The hour in which most work arrives."""

    start: datetime
    share: float
    """Of the day's work, in seconds of slot time."""
    workflows: tuple[str, ...]
    """Whose schedules bring it, the most work first."""


@dataclass(frozen=True)
class Move:
    """A schedule at another hour, with which fewer slots suffice."""

    workflow: str
    hours: float
    """Later; earlier if negative."""
    slots: int
    utilisation: float


def peak_of(day: Day, jobs: Sequence[Job]) -> Peak | None:
    """Return the clock hour (UTC) in which the schedules bring the most work."""
    into_hour = timedelta(minutes=day.start.minute, seconds=day.start.second, microseconds=day.start.microsecond)
    hours: dict[int, dict[str, float]] = {}
    for job in jobs:
        if job.run is not None:
            of_hour = hours.setdefault(int((job.batch.arrives + into_hour.total_seconds()) // HOUR), {})
            of_hour[job.workflow] = of_hour.get(job.workflow, 0.0) + seconds_of(job.batch)
    everything = sum(seconds_of(job.batch) for job in jobs)
    if not hours or not everything:
        return None
    hour, of_hour = max(hours.items(), key=lambda one: sum(one[1].values()))
    workflows = sorted(of_hour, key=lambda workflow: -of_hour[workflow])
    start = day.start - into_hour + timedelta(hours=hour)
    return Peak(start, sum(of_hour.values()) / everything, tuple(workflows))


def moves(house: Demand, peak: Peak | None, fewer: Sequence[int]) -> tuple[Move, ...]:
    """Try the peak hour's schedules an hour or two earlier or later, their deadlines where they are."""
    found: list[Move] = []
    for workflow in peak.workflows[:MOVED] if peak else ():
        better: list[Move] = []
        for hours in SHIFTS:
            for slots in reversed(fewer):
                move = _moved(house, workflow, hours, slots, [0])
                if move is None:
                    break
                better.append(move)
        better.sort(key=lambda move: (move.slots, -move.utilisation))
        sure = (_moved(house, one.workflow, one.hours, one.slots, range(_SURE)) for one in better)
        found += [move for move in sure if move is not None][:1]
    return tuple(sorted(found, key=lambda move: (move.slots, -move.utilisation)))


def _moved(house: Demand, workflow: str, hours: float, slots: int, replications: Sequence[int]) -> Move | None:
    """Return the move if with it so many slots meet every deadline in these replications."""
    utilisations = []
    for replication in replications:
        jobs = [
            _shifted(job, hours) if job.run and job.workflow == workflow else job for job in house.jobs(replication)
        ]
        if any(not 0 <= job.batch.arrives <= job.batch.due for job in jobs if job.run):
            return None
        outcome = house.outcome(slots, jobs)
        if any(late > 0 for late in lateness(house.day, jobs, outcome).values()):
            return None
        utilisations.append(utilisation(outcome, slots))
    return Move(workflow, hours, slots, sum(utilisations) / len(utilisations))


def _shifted(job: Job, hours: float) -> Job:
    batch = job.batch
    return replace(job, batch=replace(batch, arrives=batch.arrives + hours * HOUR))
