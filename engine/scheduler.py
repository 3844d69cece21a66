"""A scheduler process: APScheduler is the clock that wakes it at the next slot, the ledger decides what becomes of it.

Any number of them may run on one ledger. Beside the clock everything is looked at every half minute: changed
definitions, changes at run time, slots that wait for their source, and the watchers. Nothing depends on being woken in
time, or at all: a slot is decided by walking from the last one that was.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger
from loguru import logger
from sqlalchemy.exc import DBAPIError

from engine.errors import ItemException, SystemException, UserError
from engine.ledger import workers
from engine.ledger.database import Database
from engine.ledger.schedules import ScheduleRow
from engine.patience import patiently
from engine.ports import Registry
from engine.schedules.calendars import Calendar
from engine.schedules.schedule import Schedule
from engine.schedules.slots import slots
from engine.timetable import Timetable, calendar_of
from engine.worker import contained, worker_name

PULSE = timedelta(seconds=30)
MOST = 200
"""Slots of one schedule that are started before it is another one's turn: days of slots may be due after downtime."""
LEASE = timedelta(seconds=60)
"""A scheduler holds nothing; one that has not beaten for so long, and half as long again, counts as lost."""
T = TypeVar("T")


class SlotTrigger(BaseTrigger):  # type: ignore[misc] # APScheduler has no types
    """Tells APScheduler's clock when the next slot is."""

    def __init__(self, schedule: Schedule, calendar: Calendar | None) -> None:
        self.means = schedule, calendar

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        """Return the first slot after the one before it, and after now."""
        found = next(slots(*self.means, max(previous or now, now)), None)
        return found.fire_at if found else None


def _trigger(row: ScheduleRow, folder: Path) -> SlotTrigger:
    return SlotTrigger(row.schedule, calendar_of(row, folder))


@dataclass
class Scheduler:
    """Starts runs at their slots until it is stopped."""

    database: Database
    folder: Path
    """Where the definitions lie."""
    registry: Registry
    watchers: Sequence[Callable[[Database], object]] = ()
    """Called at each pulse."""
    name: str = field(default_factory=worker_name)
    pulse: timedelta = PULSE

    def __post_init__(self) -> None:
        """Prepare the signals, and the one lock that lets ticks follow each other."""
        self.timetable = Timetable(self.database, self.folder, self.registry, self.name)
        self._stopping = asyncio.Event()
        self._one = asyncio.Lock()

    def stop(self) -> None:
        """Start nothing more; what is being decided is decided."""
        self._stopping.set()

    async def run(self) -> None:
        """Start runs until stopped."""
        once = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        clock = AsyncIOScheduler(timezone=UTC, job_defaults=once, event_loop=asyncio.get_running_loop())
        await patiently(workers.register, self.database, self.name, "scheduler", slots=0, lease=LEASE)
        beating = asyncio.create_task(self._beat())
        clock.start()
        try:
            while not self._stopping.is_set():
                await self._walk(clock)
                for watch in self.watchers:
                    await self._safely(partial(watch, self.database))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), self.pulse.total_seconds())
        finally:
            clock.shutdown(wait=False)
            beating.cancel()
            async with self._one:  # a tick that the clock began ends before the database is closed
                with contextlib.suppress(DBAPIError):  # it will be seen that we do not beat any more
                    await asyncio.to_thread(workers.leave, self.database, self.name, "stopped")

    async def _beat(self) -> None:
        """Say that we live, however long a tick takes."""
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            with contextlib.suppress(DBAPIError):  # the next tick tells
                await asyncio.to_thread(workers.beat, self.database, self.name)
                await asyncio.to_thread(self.database.synchronise)

    async def _walk(self, clock: AsyncIOScheduler) -> None:
        """Decide what is due of every schedule, each for itself, and set the clock to what holds now."""
        rows = await self._safely(self.timetable.look)
        if rows is None:
            return
        for job in clock.get_jobs():
            if job.id not in {row.workflow for row in rows}:
                job.remove()
        for row in rows:
            await self._tick(row.workflow)
            trigger = await self._safely(partial(_trigger, row, self.folder))
            job = clock.get_job(row.workflow)
            if trigger is not None and (job is None or job.trigger.means != trigger.means):
                clock.add_job(self._tick, trigger, args=[row.workflow], id=row.workflow, replace_existing=True)

    async def _tick(self, name: str) -> None:
        await self._safely(partial(self.timetable.tick, name, MOST))

    async def _safely(self, work: Callable[[], T]) -> T | None:
        """Do work beside the event loop; whatever fails is told, and tried again at the next pulse."""
        async with self._one:
            try:
                done = await contained(asyncio.to_thread(work))
            except UserError as error:
                done = SystemException("refused", str(error))
        if isinstance(done, ItemException):
            logger.bind(event="scheduler.failed").warning("will be tried again: {}", done.message)
            return None
        return done
