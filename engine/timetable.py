"""A folder of definitions and its schedules: reads it when it changes, walks the slots that are due, starts their runs.

Everything here may happen in any number of processes at once: the ledger decides each slot once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from loguru import logger

from engine import loader
from engine.definition import Workflow
from engine.errors import UserError
from engine.intake import new_items
from engine.ledger import schedules, slots
from engine.ledger.database import Database
from engine.ledger.incidents import close_incidents, incidents, open_incident
from engine.ledger.schedules import ScheduleRow, Written, dumped
from engine.ledger.slots import Opening, SlotRow
from engine.ports import Registry
from engine.schedules.calendars import Calendar, open_calendar
from engine.schedules.slot_policy import Decision, decide
from engine.schedules.slots import Slot, cut_off
from engine.schedules.slots import slots as planned
from engine.yaml_source import Problem

_WATCHED = ("*.yaml", "apps/*.yaml", "calendars/*.yaml")
_FAILED = "schedule.failed"


def calendar_of(row: ScheduleRow, folder: Path | None = None) -> Calendar | None:
    """Open the calendar of what holds now; None if it has none.

    Args:
        row: the schedule.
        folder: where the definitions lie on this machine, if that is known; else where they lay when they were read.

    Raises:
        UserError: there is none of that name any more, or its file is broken.
    """
    calendar = row.schedule.calendar
    return None if calendar is None else open_calendar(calendar, folder or Path(row.path).parent)


def decided_to(row: ScheduleRow, calendar: Calendar | None, now: datetime) -> datetime:
    """Return up to when every slot is decided: `now`, unless one is due."""
    return now if next(planned(row.schedule, calendar, row.walked_to, now), None) is None else row.walked_to


@dataclass
class Timetable:
    """The schedules of one folder, as one process sees them."""

    database: Database
    folder: Path
    registry: Registry
    name: str
    """Who decides, for the ledger."""
    workflows: dict[str, Workflow] = field(default_factory=dict)
    """The definitions that load, by name."""
    _seen: tuple[tuple[str, int, int], ...] | None = None
    _without_calendar: set[str] = field(default_factory=set)
    """Schedules whose calendar could not be opened when last tried."""

    def look(self) -> list[ScheduleRow]:
        """Take up changed definitions, and return the schedules whose slots can be decided here."""
        self.reload()
        rows = schedules.schedules(self.database)
        return [row for row in rows if row.state != "retired" and row.workflow in self.workflows]

    def tick_all(self) -> None:
        """Take up changed definitions and decide every slot that is due."""
        for row in self.look():
            self.tick(row.workflow)

    def reload(self) -> None:
        """Read the folder if anything in it has changed since the last time, and tell the ledger.

        Raises:
            UserError: all its files are gone; its schedules stay as they are, for a disk that is away retires nothing.
        """
        seen = tuple(sorted(self._files()))
        if seen == self._seen:
            return
        if not seen and any(self._is_here(row) for row in schedules.schedules(self.database) if row.state != "retired"):
            raise UserError(f"{self.folder} holds no definition any more; its schedules stay as they are until it does")
        loaded, problems = loader.load([self.folder], self.registry)
        self.workflows = {workflow.name: workflow for workflow in loaded}
        found = {one.name: Written(self._path(one.name), one.schedule) for one in loaded if one.schedule is not None}
        broken = {path.stem for path in self.folder.glob("*.yaml")} - self.workflows.keys()
        self._tell_broken(broken, problems)
        # what held before decides the slots up to now; only then does the new text hold
        walked_to = {
            row.workflow: self.tick(row.workflow)
            for row in schedules.schedules(self.database)
            if row.workflow in found and row.written != dumped(found[row.workflow].schedule)
        }
        told = schedules.sync(
            self.database,
            found,
            self.folder.resolve(),
            {self._path(name) for name in broken},
            walked_to,
            self.name,
        )
        self._end_retired()
        for line in told:
            logger.bind(event="schedule.synced").info("schedule {}", line)
        self._seen = seen

    def tick(self, name: str, most: int | None = None) -> datetime:
        """Decide every slot of a schedule up to now; a broken definition or calendar leaves them undecided.

        Args:
            name: of the schedule.
            most: start no more than about so many, and leave the rest for the next time.

        Returns:
            Up to when they are decided, which is now unless what is due was left undecided.
        """
        workflow = self.workflows.get(name)
        source = _Source(workflow) if workflow else None
        while True:
            row, now = schedules.schedule(self.database, name), self.database.clock.now()
            if row.state == "retired":
                return now
            try:
                calendar = calendar_of(row, self.folder)
            except UserError as error:
                self._fail(name, "calendar", str(error))
                self._without_calendar.add(name)
                return row.walked_to
            if name in self._without_calendar:
                self._mended(name, "calendar")
                self._without_calendar.remove(name)
            if source is None:
                return decided_to(row, calendar, now)
            if self._waiting(row, calendar, source, now):
                to = self._due(row, calendar, source, now, most)
                if to is not None:
                    return to

    def _due(
        self, row: ScheduleRow, calendar: Calendar | None, source: _Source, now: datetime, most: int | None
    ) -> datetime | None:
        """Decide what is due, and return up to when; None if someone else was faster: look again."""
        due = list(planned(row.schedule, calendar, row.walked_to, now))
        decisions = decide(row.schedule, due, now, row.quiet(), row.skip_after)
        if sum(one.status == "start" for one in decisions) > 1 and isinstance(source.read(), str):
            decisions = _only_last_waits(decisions)
        seen: ScheduleRow | None = row
        for number, together in enumerate(_batches(decisions)):
            if seen is None:
                return None
            if number == most:
                return seen.walked_to
            seen = self._decide(seen, together, source)
        return now if seen is not None else None

    def _decide(self, seen: ScheduleRow, decisions: Sequence[Decision], source: _Source) -> ScheduleRow | None:
        first = decisions[0]
        told = logger.bind(event="slot.decided", schedule=seen.workflow, slot=first.slot.key)
        if first.status != "start":
            after = slots.leave_out(self.database, seen, decisions, self.name)
            if after is not None:
                told.warning("{}: {} slot(s) {}: {}", seen.workflow, len(decisions), first.status, first.reason)
            return after
        opening = source.read()
        if isinstance(opening, str):
            told.error("{}: the slot {} waits: {}", seen.workflow, first.slot.key, opening)
            return slots.wait(self.database, seen, first, opening, self.name)
        after, run_id = slots.start(self.database, seen, first, opening, self.name)
        if run_id is not None:
            told.info("{}: the slot {} is run {}", seen.workflow, first.slot.key, run_id)
        return after

    def _waiting(self, row: ScheduleRow, calendar: Calendar | None, source: _Source, now: datetime) -> bool:
        """Try slots again whose source could not be read; False if someone else was faster: look again."""
        for waiting in slots.slot_rows(self.database, row.workflow, status="waiting"):
            slot = _slot_of(waiting, row)
            limit = cut_off(row.schedule, slot)
            if row.state == "paused":
                slots.give_up_waiting(self.database, row, slot, self.name, status="skipped", reason="paused")
            elif next(planned(row.schedule, calendar, slot.fire_at, now), None) is not None:
                slots.give_up_waiting(self.database, row, slot, self.name)
            elif limit is not None and now >= limit:
                slots.give_up_waiting(self.database, row, slot, self.name, reason="cut_off")
            elif isinstance(opening := source.read(), str):
                continue
            elif (run_id := slots.start_waiting(self.database, row, slot, opening, self.name)) is None:
                return False
            else:
                told = logger.bind(event="slot.decided", schedule=row.workflow, slot=slot.key)
                told.info("{}: the slot {} has waited and is run {}", row.workflow, slot.key, run_id)
        return True

    def _tell_broken(self, broken: set[str], problems: Sequence[Problem]) -> None:
        known = {row.workflow: row for row in schedules.schedules(self.database)}
        for name, row in known.items():
            if name not in broken and (name in self.workflows or self._is_here(row)):
                self._mended(name, "definition")
                self._mended(name, "calendar")
        for name in sorted(broken):
            path = (self.folder / f"{name}.yaml").as_posix()
            mine = [str(one) for one in problems if one.path == path] or [str(one) for one in problems]
            logger.bind(event="definition.broken").error("{}", "\n".join(mine))
            if name in known:
                self._fail(name, "definition", "\n".join(mine))

    def _end_retired(self) -> None:
        """Give up slots that wait for the source of a definition that is gone."""
        for row in schedules.schedules(self.database):
            if row.state == "retired":
                for waiting in slots.slot_rows(self.database, row.workflow, status="waiting"):
                    slots.give_up_waiting(self.database, row, _slot_of(waiting, row), self.name)

    def _fail(self, name: str, key: str, message: str) -> None:
        with self.database.write() as connection:
            if open_incident(connection, self.database, _FAILED, name, key, message):
                logger.bind(event="schedule.failed").error("{}: {}", name, message)

    def _mended(self, name: str, key: str) -> None:
        found = incidents(self.database, limit=None, kind=_FAILED)  # asked first: to write is dear, and rarely needed
        if any((one.subject, one.key) == (name, key) for one in found):
            with self.database.write() as connection:
                close_incidents(connection, self.database, _FAILED, name, key)

    def _is_here(self, row: ScheduleRow) -> bool:
        return Path(row.path).parent == self.folder.resolve()

    def _path(self, name: str) -> str:
        return (self.folder.resolve() / f"{name}.yaml").as_posix()

    def _files(self) -> Iterator[tuple[str, int, int]]:
        for pattern in _WATCHED:
            for path in self.folder.glob(pattern):
                state = path.stat()
                yield path.as_posix(), state.st_mtime_ns, state.st_size


@dataclass
class _Source:
    """A workflow's source, read when first needed, and once."""

    workflow: Workflow
    _read: Opening | str | None = None

    def read(self) -> Opening | str:
        """Return what a run begins with, or why the source cannot be read."""
        if self._read is None:
            try:
                self._read = Opening(self.workflow, *new_items(self.workflow, None))
            except (UserError, OSError) as error:
                self._read = str(error)
        return self._read


def _only_last_waits(decisions: Sequence[Decision]) -> list[Decision]:
    """Give up, together, all slots whose wait for their source the next one would end."""
    last = max(number for number, one in enumerate(decisions) if one.status == "start")
    return [
        replace(one, status="missed", reason="source") if one.status == "start" and number < last else one
        for number, one in enumerate(decisions)
    ]


def _batches(decisions: Sequence[Decision]) -> Iterator[list[Decision]]:
    """Cut decisions so that each start is alone, and what is left out together stays together."""
    batch: list[Decision] = []
    for one in decisions:
        if batch and (one.status == "start" or (one.status, one.reason) != (batch[0].status, batch[0].reason)):
            yield batch
            batch = []
        batch.append(one)
        if one.status == "start":
            yield batch
            batch = []
    if batch:
        yield batch


def _slot_of(waiting: SlotRow, row: ScheduleRow) -> Slot:
    local = waiting.fire_at.astimezone(ZoneInfo(row.schedule.timezone)).replace(tzinfo=None)
    return Slot(waiting.slot, waiting.fire_at, local)
