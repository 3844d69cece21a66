"""What becomes of slots that are due: a pure decision of the schedule, its pauses and the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from engine.schedules.schedule import Schedule
from engine.schedules.slots import Slot, cut_off

Status = Literal["start", "skipped", "missed"]


@dataclass(frozen=True)
class Pause:
    """A time in which nothing starts; it goes on while `until` is None."""

    since: datetime
    until: datetime | None

    def holds(self, instant: datetime) -> bool:
        """Say whether an instant lies in it; its end does not."""
        return self.since <= instant and (self.until is None or instant < self.until)


@dataclass(frozen=True)
class Decision:
    """What one slot becomes; `reason` is a code, None for what starts."""

    slot: Slot
    status: Status
    reason: str | None = None
    skips_next: bool = False
    """It is the one slot that was asked to be left out."""


def decide(
    schedule: Schedule,
    due: Sequence[Slot],
    now: datetime,
    pauses: Sequence[Pause] = (),
    skip_after: datetime | None = None,
) -> list[Decision]:
    """Return what becomes of each slot, in the same order.

    What fell into a pause is skipped and never caught up; the first other one after `skip_after` is skipped once; what
    is past its cut-off is missed. While it is paused nothing of before starts either. Of the rest, slots not older than
    `late_after` start. Older ones were missed while no scheduler ran: `catch_up` says whether all of them start, or the
    latest if nothing newer does, or none.

    Args:
        schedule: as it holds now.
        due: slots up to now that nobody has decided, oldest first.
        now: the time.
        pauses: when nothing started.
        skip_after: when someone asked to leave out the next slot, and that has not happened yet.
    """
    made: list[Decision] = []
    paused = any(pause.holds(now) for pause in pauses)
    for slot in due:
        limit = cut_off(schedule, slot)
        if any(pause.holds(slot.fire_at) for pause in pauses):
            made.append(Decision(slot, "skipped", "paused"))
        elif skip_after is not None and slot.fire_at > skip_after:
            made.append(Decision(slot, "skipped", "skip_next", skips_next=True))
            skip_after = None
        elif limit is not None and now >= limit:
            made.append(Decision(slot, "missed", "cut_off"))
        elif paused:
            made.append(Decision(slot, "missed" if is_late(schedule, slot, now) else "skipped", "paused"))
        else:
            made.append(Decision(slot, "start"))
    starts = [one.slot for one in made if one.status == "start"]
    stale = {slot.key for slot in starts if is_late(schedule, slot, now)}
    if schedule.catch_up == "latest" and starts:
        stale.discard(starts[-1].key)
    elif schedule.catch_up == "all":
        stale.clear()
    return [Decision(one.slot, "missed", "catch_up") if one.slot.key in stale else one for one in made]


def is_late(schedule: Schedule, slot: Slot, now: datetime) -> bool:
    """Say whether a slot that is decided now is decided late."""
    return now - slot.fire_at > schedule.late_after
