"""Gathers what a plan of a coming day is made of: open items, coming runs, measured times and counts, limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from engine.ledger.backlog import AppState, app_states, live_workers, open_runs
from engine.ledger.database import Database
from engine.ledger.durations import ItemsPerSlot, items_per_slot, service_times
from engine.planning.day import Day, PlannedRun
from engine.planning.demand import working_slots
from engine.workload import ServiceTimes


@dataclass(frozen=True)
class Outlook:
    """A day to plan, and what is known about its parts."""

    day: Day
    times: tuple[ServiceTimes, ...]
    counts: tuple[ItemsPerSlot, ...]
    """Of the workflows that have coming runs."""
    unknown: tuple[str, ...]
    """Workflows with coming runs of whose number of items nothing is known: they are not in the day."""
    live_slots: int
    """Slots of the workers that live at present."""


def outlook(
    database: Database,
    start: datetime,
    until: datetime,
    coming: Sequence[PlannedRun],
    *,
    assumed: Mapping[str, int] | None = None,
    profiles: Mapping[str, AppState] | None = None,
) -> Outlook:
    """Gather a day.

    Args:
        database: the ledger.
        start: of the day. Items that are open now are part of it only if it has begun: of a later day nobody knows what
            will be open by then.
        until: end of the time in which runs fire.
        coming: the runs that will be opened in it.
        assumed: items per run by workflow, instead of what past runs had.
        profiles: what applications allow of which the ledger knows nothing yet.
    """
    assumed = assumed or {}
    with database.read() as connection:
        now = database.clock.now()
        present = open_runs(connection, now)
        waiting = present if start <= now else []
        counts = items_per_slot(connection, (run.workflow for run in coming))
        counts |= {
            workflow: ItemsPerSlot(workflow, (number,), scheduled=False)
            for workflow, number in assumed.items()
            if workflow in counts
        }
        known = [run for run in coming if counts[run.workflow].counts]
        apps = {run.app for run in known} | {run.app for run in waiting}
        times = service_times(connection, {run.workflow for run in known} | {run.workflow for run in waiting})
        states = dict(profiles or {}) | app_states(connection, apps)
        slots = working_slots(live_workers(connection, now), present)
    return Outlook(
        day=Day(
            start=start,
            until=until,
            planned=known,
            open_runs=waiting,
            times=times,
            counts={workflow: one.counts for workflow, one in counts.items()},
            apps={app: states[app] for app in apps},
        ),
        times=tuple(times.values()),
        counts=tuple(counts.values()),
        unknown=tuple(workflow for workflow, one in counts.items() if not one.counts),
        live_slots=slots,
    )
