"""Slots: one row a planned start, decided by whichever scheduler is first, in the transaction that opens the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.definition import Workflow
from engine.ledger import tables as t
from engine.ledger.database import Database, insert_new
from engine.ledger.incidents import close_incidents, open_incident
from engine.ledger.runs import NewItem, RejectedInput, open_run_within
from engine.ledger.schedules import ScheduleRow, locked
from engine.schedules.slot_policy import Decision, is_late
from engine.schedules.slots import Slot, cut_off

_CHUNK = 500
"""Rows inserted by one statement."""
_WORDS = {
    "catch_up": "no scheduler ran in time, and `catch_up` leaves it out",
    "cut_off": "its cut-off was past",
    "paused": "no scheduler ran in time, and then it was paused",
    "source": "its source could not be read",
}


@dataclass(frozen=True)
class SlotRow:
    """One slot that was decided, or waits for its source."""

    schedule: str
    slot: str
    fire_at: datetime
    status: str
    """fired, skipped, missed or waiting."""
    reason: str | None
    run_id: int | None
    decided_by: str
    decided_at: datetime


@dataclass(frozen=True)
class Opening:
    """What a run begins with: the definition it pins, and what its source holds."""

    workflow: Workflow
    items: Sequence[NewItem]
    rejected: Sequence[RejectedInput]


_COLUMNS = [t.slots.c[name] for name in SlotRow.__dataclass_fields__]


def slot_rows(
    database: Database, schedule: str | None = None, *, status: str | None = None, limit: int | None = None
) -> list[SlotRow]:
    """List decided and waiting slots, newest first."""
    query = sa.select(*_COLUMNS).order_by(t.slots.c.fire_at.desc(), t.slots.c.schedule).limit(limit)
    if schedule is not None:
        query = query.where(t.slots.c.schedule == schedule)
    if status is not None:
        query = query.where(t.slots.c.status == status)
    with database.read() as connection:
        return [SlotRow(**row._asdict()) for row in connection.execute(query)]


def leave_out(database: Database, seen: ScheduleRow, decisions: Sequence[Decision], by: str) -> ScheduleRow | None:
    """Record slots that do not start, and an incident for those that were missed.

    Returns:
        The schedule after it, or None if it is not as `seen` any more: look again.
    """
    with database.write() as connection:
        if locked(connection, seen.workflow) != seen:
            return None
        rows = [
            _row(database, seen, one.slot, by, status=one.status, reason=one.reason, run_id=None) for one in decisions
        ]
        new: set[str] = set()
        for start in range(0, len(rows), _CHUNK):
            new |= {row.slot for row in insert_new(connection, t.slots, rows[start : start + _CHUNK], t.slots.c.slot)}
        mine = [one for one in decisions if one.slot.key in new and one.status == "missed"]
        for reason, some in groupby(mine, lambda one: one.reason or ""):
            _tell_missed(connection, database, seen.workflow, [one.slot for one in some], reason)
        return _walked(connection, seen, decisions)


def start(
    database: Database, seen: ScheduleRow, decision: Decision, opening: Opening, by: str
) -> tuple[ScheduleRow | None, int | None]:
    """Open a slot's run, if nobody has: row, run and items in one transaction.

    Returns:
        The schedule after it (None if it is not as `seen` any more: look again), and the run if this opened one.
    """
    slot = decision.slot
    with database.write() as connection:
        if locked(connection, seen.workflow) != seen:
            return None, None
        run_id = None
        row = _row(database, seen, slot, by, status="fired", reason=None, run_id=None)
        if insert_new(connection, t.slots, [row], t.slots.c.slot):
            run_id = _open(connection, database, seen, slot, opening)
        return _walked(connection, seen, [decision]), run_id


def wait(database: Database, seen: ScheduleRow, decision: Decision, problem: str, by: str) -> ScheduleRow | None:
    """Let a slot wait because its source cannot be read; returns what `leave_out` does."""
    with database.write() as connection:
        if locked(connection, seen.workflow) != seen:
            return None
        row = _row(database, seen, decision.slot, by, status="waiting", reason="source", run_id=None)
        if insert_new(connection, t.slots, [row], t.slots.c.slot):
            message = f"the slot {decision.slot.key} waits: {problem}"
            open_incident(connection, database, "schedule.failed", seen.workflow, decision.slot.key, message)
        return _walked(connection, seen, [decision])


def start_waiting(database: Database, seen: ScheduleRow, slot: Slot, opening: Opening, by: str) -> int | None:
    """Open the run of a slot that waited for its source; None if nothing was opened."""
    with database.write() as connection:
        if locked(connection, seen.workflow) != seen or not _end_wait(
            connection, database, seen.workflow, slot, by, status="fired", reason=None
        ):
            return None
        return _open(connection, database, seen, slot, opening)


def give_up_waiting(
    database: Database, seen: ScheduleRow, slot: Slot, by: str, *, status: str = "missed", reason: str = "source"
) -> None:
    """End the wait of a slot that will not start any more."""
    with database.write() as connection:
        locked(connection, seen.workflow)
        ended = _end_wait(connection, database, seen.workflow, slot, by, status=status, reason=reason)
        if ended and status == "missed":
            _tell_missed(connection, database, seen.workflow, [slot], reason)


def _end_wait(
    connection: Connection,
    database: Database,
    workflow: str,
    slot: Slot,
    by: str,
    *,
    status: str,
    reason: str | None,
) -> bool:
    ended = connection.execute(
        sa.update(t.slots)
        .where(t.slots.c.schedule == workflow, t.slots.c.slot == slot.key, t.slots.c.status == "waiting")
        .values(status=status, reason=reason, decided_by=by, decided_at=database.clock.now())
        .returning(t.slots.c.slot)
    ).first()
    if ended is None:
        return False
    close_incidents(connection, database, "schedule.failed", workflow, slot.key)
    return True


def _open(connection: Connection, database: Database, seen: ScheduleRow, slot: Slot, opening: Opening) -> int | None:
    """Open the run of a slot that is ours; with `overlap: skip` not beside an unfinished one."""
    schedule, now, name = seen.schedule, database.clock.now(), seen.workflow
    if schedule.overlap == "skip" and _unfinished(connection, name):
        _mark(connection, name, slot, status="skipped", reason="overlap")
        return None
    workflow = opening.workflow
    limits = [now + workflow.time.due if workflow.time.due else None, cut_off(schedule, slot)]
    opened = open_run_within(
        connection,
        database,
        workflow,
        opening.items,
        trigger="schedule",
        rejected=opening.rejected,
        slot=slot.key,
        due_at=min((limit for limit in limits if limit is not None), default=None),
    )
    _mark(connection, name, slot, run_id=opened.run_id)
    if is_late(schedule, slot, now):
        late = round((now - slot.fire_at).total_seconds())
        message = f"the slot {slot.key} was started {late} s after its time"
        open_incident(connection, database, "schedule.late", name, slot.key, message, seconds=late)
    return opened.run_id


def _mark(connection: Connection, workflow: str, slot: Slot, **values: Any) -> None:
    mine = (t.slots.c.schedule == workflow, t.slots.c.slot == slot.key)
    connection.execute(sa.update(t.slots).where(*mine).values(**values))


def _unfinished(connection: Connection, workflow: str) -> bool:
    query = sa.select(t.runs.c.id).where(
        t.runs.c.workflow == workflow, t.runs.c.kind == "entry", t.runs.c.state != "done"
    )
    return connection.execute(query.limit(1)).first() is not None


def _row(database: Database, seen: ScheduleRow, slot: Slot, by: str, **values: Any) -> dict[str, Any]:
    return {
        "schedule": seen.workflow,
        "slot": slot.key,
        "fire_at": slot.fire_at,
        "decided_by": by,
        "decided_at": database.clock.now(),
        **values,
    }


def _walked(connection: Connection, seen: ScheduleRow, decisions: Sequence[Decision]) -> ScheduleRow:
    """Remember that everything up to the last of these is decided; pauses that ended before it are forgotten."""
    walked_to = max(seen.walked_to, decisions[-1].slot.fire_at)
    values: dict[str, Any] = {"walked_to": walked_to}
    pauses = [[since, until] for since, until in seen.pauses if not until or datetime.fromisoformat(until) > walked_to]
    if pauses != seen.pauses:
        values["pauses"] = pauses
    if any(one.skips_next for one in decisions):
        values["skip_after"] = None
    connection.execute(sa.update(t.schedules).where(t.schedules.c.workflow == seen.workflow).values(**values))
    return replace(seen, **values)


def _tell_missed(connection: Connection, database: Database, workflow: str, slots: Sequence[Slot], reason: str) -> None:
    """Open one incident for slots that were missed together."""
    first, last = slots[0].key, slots[-1].key
    which = f"the slot {first} was" if len(slots) == 1 else f"{len(slots)} slots from {first} to {last} were"
    message = f"{which} not started: {_WORDS.get(reason, reason)}"
    open_incident(
        connection,
        database,
        "schedule.missed",
        workflow,
        first,
        message,
        first=first,
        last=last,
        count=len(slots),
        reason=reason,
    )
