"""Schedules as the ledger knows them: what the definitions say, what people changed at run time, and since when.

The YAML is the source of truth; a change at run time wins over it until it is reset, and survives restarts. Everything
that a person does is an event with their name. `walked_to` is the instant up to which every slot has been decided, so
that downtime is noticed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.errors import UserError
from engine.ledger import tables as t
from engine.ledger.database import Database, insert_new, one_at_a_time, record_event
from engine.schedules.schedule import Schedule
from engine.schedules.slot_policy import Pause
from engine.yaml_source import suggest


@dataclass(frozen=True)
class ScheduleRow:
    """One schedule."""

    workflow: str
    path: str
    """The definition that it was read from."""
    written: dict[str, Any]
    """What the definition says."""
    changed: dict[str, Any] | None
    """What holds instead, since someone changed it at run time."""
    state: str
    """active, paused, or retired: its definition is gone, or has no schedule any more."""
    pauses: list[list[str | None]]
    """Begin and end of pauses that undecided slots may lie in."""
    skip_after: datetime | None
    """The first slot after this is left out."""
    since: datetime
    walked_to: datetime
    changed_by: str | None
    """Who last paused, resumed, changed or reset it."""
    changed_at: datetime | None

    @property
    def schedule(self) -> Schedule:
        """Return what holds now."""
        return Schedule.model_validate(self.written if self.changed is None else self.changed)

    def quiet(self) -> list[Pause]:
        """Return its pauses."""
        return [
            Pause(datetime.fromisoformat(since or ""), datetime.fromisoformat(until) if until else None)
            for since, until in self.pauses
        ]


@dataclass(frozen=True)
class Written:
    """A schedule in a definition file."""

    path: str
    schedule: Schedule


_COLUMNS = [t.schedules.c[name] for name in ScheduleRow.__dataclass_fields__]


def dumped(schedule: Schedule) -> dict[str, Any]:
    """Return a schedule as the ledger stores it."""
    return schedule.model_dump(mode="json", exclude_defaults=True)


def schedules(database: Database) -> list[ScheduleRow]:
    """List every schedule, the retired ones included, by name."""
    with database.read() as connection:
        rows = connection.execute(sa.select(*_COLUMNS).order_by(t.schedules.c.workflow))
        return [ScheduleRow(**row._asdict()) for row in rows]


def schedule(database: Database, workflow: str) -> ScheduleRow:
    """Return one schedule.

    Raises:
        UserError: there is none of that name.
    """
    with database.read() as connection:
        return _one(connection, workflow)


def locked(connection: Connection, workflow: str) -> ScheduleRow:
    """Return one schedule and let nobody else decide about it until the transaction ends.

    Raises:
        UserError: there is none of that name.
    """
    return _one(connection, workflow, lock=True)


def _one(connection: Connection, workflow: str, *, lock: bool = False) -> ScheduleRow:
    query = sa.select(*_COLUMNS).where(t.schedules.c.workflow == workflow)
    row = connection.execute(query.with_for_update(key_share=True) if lock else query).first()
    if row is None:
        names = list(connection.execute(sa.select(t.schedules.c.workflow).order_by(t.schedules.c.workflow)).scalars())
        close = suggest(workflow, names)
        there = f"there are: {', '.join(names)}" if names else "`runner.py scheduler` takes up what workflows/ holds"
        hint = f'did you mean "{close}"?' if close else there
        raise UserError(f'there is no schedule "{workflow}"; {hint}')
    return ScheduleRow(**row._asdict())


def sync(
    database: Database,
    found: Mapping[str, Written],
    folder: Path,
    broken: Collection[str],
    walked_to: Mapping[str, datetime],
    by: str,
) -> list[str]:
    """Bring the schedules up to what a folder of definitions says; return a line on each that changed.

    Args:
        database: the ledger.
        found: the schedules of the definitions that load, by workflow.
        folder: where they lie; schedules from elsewhere are left alone.
        broken: files in it that do not load; what they said before goes on standing, and waits.
        walked_to: up to when a schedule that is about to change was decided by what it said before; now if not given.
            What is due after that is decided by what it says now.
        by: the process.
    """
    told: list[str] = []
    with database.write() as connection:
        one_at_a_time(connection, "sync schedules")
        now = database.clock.now()
        known = {row.workflow: ScheduleRow(**row._asdict()) for row in connection.execute(sa.select(*_COLUMNS))}
        for name, said in found.items():
            if name not in known:
                _add(connection, name, said, now)
                told.append(f"{name}: new")
            elif known[name].written != dumped(said.schedule) or known[name].state == "retired":
                row = locked(connection, name)
                _rewrite(connection, row, said, walked_to.get(name, now))
                told.append(f"{name}: {'back' if row.state == 'retired' else 'changed'}")
            elif known[name].path != said.path:
                _set(connection, name, path=said.path)
                told.append(f"{name}: moved")
        for name, row in known.items():
            here = Path(row.path).parent == folder
            if here and row.state != "retired" and name not in found and row.path not in broken:
                _set(connection, name, state="retired")
                told.append(f"{name}: retired")
        for line in told:
            name, _, what = line.partition(": ")
            record_event(connection, database.clock, "schedule.synced", by, workflow=name, what=what)
    return told


def _add(connection: Connection, name: str, said: Written, now: datetime) -> None:
    row = {
        "workflow": name,
        "path": said.path,
        "written": dumped(said.schedule),
        "state": "active",
        "pauses": [],
        "since": now,
        "walked_to": now,
    }
    insert_new(connection, t.schedules, [row], t.schedules.c.workflow)


def _rewrite(connection: Connection, row: ScheduleRow, said: Written, walked_to: datetime) -> None:
    values: dict[str, Any] = {"path": said.path, "written": dumped(said.schedule)}
    if row.state == "retired":
        values["state"] = "paused" if any(until is None for _, until in row.pauses) else "active"
    if row.state == "retired" or row.changed is None:
        values["walked_to"] = max(row.walked_to, walked_to)
    _set(connection, row.workflow, **values)


def pause(database: Database, workflow: str, who: str) -> None:
    """Start nothing until it is resumed; slots in between are skipped and never caught up.

    Raises:
        UserError: there is no such schedule, or it is not active.
    """
    with database.write() as connection:
        row = _in_state(connection, workflow, "active")
        now = database.clock.now()
        pauses = [*row.pauses, [now.isoformat(), None]]
        _change(connection, database, row, who, "schedule.paused", state="paused", pauses=pauses)


def resume(database: Database, workflow: str, who: str) -> None:
    """End a pause.

    Raises:
        UserError: there is no such schedule, or it is not paused.
    """
    with database.write() as connection:
        row = _in_state(connection, workflow, "paused")
        now = database.clock.now().isoformat()
        pauses = [[since, until or now] for since, until in row.pauses]
        _change(connection, database, row, who, "schedule.resumed", state="active", pauses=pauses)


def skip_next(database: Database, workflow: str, who: str) -> None:
    """Leave out the first slot from now on; asking twice leaves out one.

    Raises:
        UserError: there is no such schedule, or it is retired.
    """
    with database.write() as connection:
        row = _in_state(connection, workflow, "active", "paused")
        after = row.skip_after or database.clock.now()
        _change(connection, database, row, who, "schedule.skip_asked", skip_after=after)


def change(database: Database, workflow: str, new: Schedule | None, walked_to: datetime, who: str) -> None:
    """Let a schedule hold instead of the written one; None lets the written one hold again.

    Args:
        database: the ledger.
        workflow: whose schedule.
        new: one that was checked.
        walked_to: up to when slots were decided by what held before.
        who: the person.

    Raises:
        UserError: there is no such schedule, it is retired, or there is nothing to reset.
    """
    with database.write() as connection:
        row = _in_state(connection, workflow, "active", "paused")
        if new is None and row.changed is None:
            raise UserError(f"{workflow}: nothing to reset; it holds as written in {row.path}")
        stored = None if new is None else dumped(new)
        kind = "schedule.reset" if new is None else "schedule.changed"
        _change(
            connection,
            database,
            row,
            who,
            kind,
            told={"from": row.changed or row.written, "to": stored or row.written},
            changed=stored,
            walked_to=max(row.walked_to, walked_to),
        )


def started_now(database: Database, workflow: str, run_id: int, who: str) -> None:
    """Record that someone started a run beside the schedule."""
    with database.write() as connection:
        record_event(connection, database.clock, "schedule.run_now", who, run_id=run_id, workflow=workflow)


def _in_state(connection: Connection, workflow: str, *states: str) -> ScheduleRow:
    row = locked(connection, workflow)
    if row.state not in states:
        by = f" (by {row.changed_by})" if row.changed_by and row.state != "retired" else ""
        raise UserError(f"{workflow}: the schedule is {row.state}{by}; this needs one that is {' or '.join(states)}")
    return row


def _change(
    connection: Connection,
    database: Database,
    row: ScheduleRow,
    who: str,
    kind: str,
    *,
    told: Mapping[str, Any] | None = None,
    **values: Any,
) -> None:
    now = database.clock.now()
    _set(connection, row.workflow, changed_by=who, changed_at=now, **values)
    record_event(connection, database.clock, kind, who, workflow=row.workflow, **(told or {}))


def _set(connection: Connection, workflow: str, **values: Any) -> None:
    connection.execute(sa.update(t.schedules).where(t.schedules.c.workflow == workflow).values(**values))
