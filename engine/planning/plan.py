"""Simulates a coming day and says how many slots meet its deadlines, and how busy that keeps them.

The day is what is open at its start and the runs that the schedules will open. Each replication draws how many items
every run brings (from past runs) and how long each attempt takes (`engine.workload`); the same draws are then worked by
1, 2, 3 … slots (common random numbers, so that the numbers of slots are compared and not the draws).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.intervals import Estimate, Proportion, mean_share, proportion
from engine.planning.day import Day, Demand, RunKey, lateness, seconds_of, utilisation
from engine.planning.simulation import Outcome
from engine.planning.spreading import Move, Peak, moves, peak_of

TARGET = 0.85
"""The utilisation that is asked for, without a missed deadline."""
REPLICATIONS = 30
_FEWEST = 3
_BUDGET = 250_000
"""Items simulated in all, about, by the replications of one number of slots: a second or two."""


@dataclass(frozen=True)
class Deadline:
    """How one run with a deadline fares with a number of slots."""

    workflow: str
    run_id: int | None
    """None for a run that is not open yet."""
    fire_at: datetime | None
    due_at: datetime
    missed: Proportion
    """Share of the replications in which its last item ended after the deadline."""
    late: float | None
    """Median seconds by which it ends after the deadline, where it does; None if it did not end at all."""


@dataclass(frozen=True)
class AppLoad:
    """How much of what an application allows is used."""

    app: str
    sessions: int
    used: float
    """Seconds that its sessions worked / (sessions x seconds from the first start to the last end of the day)."""


@dataclass(frozen=True)
class SlotPlan:
    """What a number of slots comes to."""

    slots: int
    replications: int
    met: Estimate
    """Share of the deadlines that are met; 1 where there is none."""
    all_met: Proportion
    """Replications in which every deadline was met."""
    utilisation: Estimate
    """Seconds that slots worked / (slots x seconds from the first start to the last end)."""
    busy: float
    """Mean seconds that slots worked."""
    last_end: datetime | None
    """Median of when the last item ended; None if some had not ended a day after the planned hours."""
    misses: tuple[Deadline, ...]
    """Deadlines missed in at least one replication, the most often missed first."""
    apps: tuple[AppLoad, ...]
    """The most used first: where one is used up, more slots do not help."""


@dataclass(frozen=True)
class Plan:
    """The answer."""

    items: float
    """Mean number of the day's items, the open ones included."""
    work: float
    """Mean seconds of slot time that they take."""
    options: tuple[SlotPlan, ...]
    enough: int | None
    """The smallest simulated number of slots with which every deadline was met in every replication."""
    peak: Peak | None
    moves: tuple[Move, ...]

    @property
    def best(self) -> SlotPlan | None:
        """Return the option that meets all deadlines with the highest utilisation; None if none does.

        Only those that were simulated often are compared.
        """
        most = max(one.replications for one in self.options)
        meeting = [one for one in self.options if one.all_met.k == one.all_met.n == most]
        return max(meeting, key=lambda one: (one.utilisation.value, -one.slots), default=None)


def plan(day: Day, numbers: Collection[int], *, seed: int = 1, replications: int | None = None) -> Plan:
    """Simulate a day with each number of slots.

    Without `replications`, each number is simulated once, and those that decide (the smallest that meets every deadline
    and its neighbours) as often as a second or two each allow, 3 to 30 times.

    Args:
        day: the day.
        numbers: of slots.
        seed: the same seed and day give the same plan.
        replications: of each number.
    """
    numbers = sorted(numbers)
    house = Demand(day, max(numbers), seed)
    size = sum(len(job.batch.work) for job in house.jobs(0))
    deciding = replications or max(_FEWEST, min(REPLICATIONS, _BUDGET // max(1, size)))
    done = {slots: _option(house, slots, replications or 1) for slots in numbers}
    enough = None
    for slots in numbers:
        if done[slots].all_met.k < done[slots].all_met.n:
            continue
        done[slots] = _option(house, slots, deciding)
        if done[slots].all_met.k == deciding:
            enough = slots
            break
    place = numbers.index(enough) if enough is not None else len(numbers) - 1
    for slots in numbers[max(0, place - 1) : place + 2]:
        if done[slots].replications < deciding:
            done[slots] = _option(house, slots, deciding)
    peak = peak_of(day, house.jobs(0))
    best = done[enough].utilisation.value if enough is not None else 0.0
    drawn = [[job.batch for job in jobs] for jobs in house.drawn]
    return Plan(
        items=sum(len(batch.work) * batch.weight for batches in drawn for batch in batches) / len(drawn),
        work=sum(seconds_of(batch) for batches in drawn for batch in batches) / len(drawn),
        options=tuple(done[slots] for slots in numbers),
        enough=enough,
        peak=peak,
        moves=moves(house, peak, [n for n in numbers if enough is None or n < enough]) if best < TARGET else (),
    )


def _option(house: Demand, slots: int, replications: int) -> SlotPlan:
    outcomes = [house.outcome(slots, house.jobs(n)) for n in range(replications)]
    lates = [lateness(house.day, house.jobs(n), outcomes[n]) for n in range(replications)]
    deadlines = [_deadline(key, [late[key] for late in lates]) for key in lates[0]]
    misses = sorted((one for one in deadlines if one.missed.k), key=lambda one: (-one.missed.k, one.due_at))
    met = [sum(late <= 0 for late in one.values()) / len(one) if one else 1.0 for one in lates]
    ends = sorted(outcome.last_end if not any(outcome.left) else math.inf for outcome in outcomes)
    middle = ends[len(ends) // 2]
    return SlotPlan(
        slots=slots,
        replications=replications,
        met=mean_share(met),
        all_met=proportion(sum(share == 1 for share in met), replications),
        utilisation=mean_share([utilisation(outcome, slots) for outcome in outcomes]),
        busy=sum(outcome.busy for outcome in outcomes) / replications,
        last_end=house.day.start + timedelta(seconds=middle) if math.isfinite(middle) else None,
        misses=tuple(misses),
        apps=_loads(house.day, outcomes),
    )


def _loads(day: Day, outcomes: Sequence[Outcome]) -> tuple[AppLoad, ...]:
    span = sum(max(0.0, outcome.last_end - outcome.first_start) for outcome in outcomes)
    busy = {app: sum(outcome.busy_in.get(app, 0.0) for outcome in outcomes) for app in day.apps}
    loads = [
        AppLoad(app, state.max_sessions, busy[app] / (state.max_sessions * span))
        for app, state in day.apps.items()
        if span
    ]
    return tuple(sorted(loads, key=lambda load: -load.used))


def _deadline(key: RunKey, late: Sequence[float]) -> Deadline:
    missed = sorted(seconds for seconds in late if seconds > 0)
    middle = missed[len(missed) // 2] if missed else math.inf
    return Deadline(*key, proportion(len(missed), len(late)), middle if math.isfinite(middle) else None)
