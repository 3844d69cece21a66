"""Turns what the ledger holds at present into what the simulation takes.

Long queues are simulated in lumps of items, so that they cost the same with 1,000,000 items: a lump's time is drawn by
the central limit theorem, and a run of n lumps on c slots ends at most about c/n of its length late (2 %).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from engine.ledger.backlog import AppState, LiveWorker, OpenRun
from engine.planning.simulation import Batch, Limits
from engine.windows import closed_spans
from engine.workload import ServiceTimes

LUMPS = 2000
"""Into about so many lumps all open items together are put."""
LUMPS_PER_SLOT = 50
"""But a run's items into no fewer than this."""


def working_slots(workers: Sequence[LiveWorker], runs: Sequence[OpenRun]) -> int:
    """Return the live slots; whoever holds items without being known as a worker lives too, with as many slots."""
    slots = {worker.name: worker.slots for worker in workers}
    held: dict[str, int] = {}
    for run in runs:
        for item in run.held:
            held[item.owner] = held.get(item.owner, 0) + 1
    return sum(max(slots.get(name, 0), held.get(name, 0)) for name in slots.keys() | held.keys())


def open_batches(
    now: datetime, runs: Sequence[OpenRun], times: Mapping[str, ServiceTimes], draws: Random, slots: int
) -> list[tuple[int, Batch]]:
    """Draw one replication of the open items: batches, each with its run's id; seconds count from `now`."""
    everything = sum(run.left for run in runs)
    found: list[tuple[int, Batch]] = []
    for run in runs:
        most = max(LUMPS_PER_SLOT * slots, run.left * LUMPS // everything)
        found += [(run.run_id, batch) for batch in _batches(now, run, times[run.workflow], draws, most)]
    return found


def _batches(now: datetime, run: OpenRun, times: ServiceTimes, draws: Random, most: int) -> list[Batch]:
    due = math.inf if run.due_at is None else (run.due_at - now).total_seconds()
    empty = Batch(run.app, arrives=0.0, priority=run.priority, due=due, age=run.age, work=())
    batches: list[Batch] = []
    for item in run.held:
        seconds, again = times.residue(draws, (now - item.started_at).total_seconds())
        batches.append(replace(empty, work=[seconds], again={0: again}, held=1))
    for at in run.waits:
        work = times.items(draws, 1)
        batches.append(replace(empty, arrives=(at - now).total_seconds(), work=work.first, again=work.again))
    rest = run.left - len(run.held) - len(run.waits)
    if rest > most:
        batches.append(replace(empty, work=times.lumps(draws, most, rest / most), weight=rest / most))
    elif rest > 0:
        work = times.items(draws, rest)
        batches.append(replace(empty, work=work.first, again=work.again))
    return batches


def app_limits(state: AppState, now: datetime, until: float) -> Limits:
    """Return what an application allows up to `until` seconds from now."""
    spans = closed_spans(state.maintenance, now, now + timedelta(seconds=until))
    return Limits(
        sessions=state.max_sessions,
        pace=state.pace.total_seconds(),
        opens_at=max(0.0, (state.opens_at - now).total_seconds()) if state.opens_at else 0.0,
        closed=tuple(((start - now).total_seconds(), (end - now).total_seconds()) for start, end in spans),
    )
