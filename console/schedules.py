"""`schedules`: what starts by itself, when it does next, and what became of past slots."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Protocol
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.table import Table

from console.desk import AsJson, Limit, plain, print_json
from console.tables import table
from console.wording import at, seconds
from engine import loader
from engine.definition import Workflow
from engine.errors import UserError
from engine.ledger import schedules
from engine.ledger.database import Database
from engine.ledger.schedules import ScheduleRow
from engine.ledger.slots import slot_rows
from engine.planning.coming import starting
from engine.ports import Registry
from engine.schedules.slots import Slot
from engine.timetable import calendar_of

Name = Annotated[str, typer.Argument(metavar="NAME", help="The workflow's name.")]
Count = Annotated[int, typer.Option(min=1, max=1000, help="How many.")]
_STATUS_STYLE = {"fired": "green", "waiting": "yellow", "missed": "red", "skipped": "dim", "active": "green"}


class ScheduleDesk(Protocol):
    """What the verbs need of the one who runs them."""

    @property
    def database(self) -> Database:
        """The ledger."""
        ...

    @property
    def registry(self) -> Registry:
        """Every step and check that a definition may name."""
        ...

    @property
    def console(self) -> Console:
        """Standard output."""
        ...

    @property
    def user(self) -> str:
        """Who sits here."""
        ...


@dataclass(frozen=True)
class Planned:
    """One schedule with its next slot."""

    row: ScheduleRow
    next: Slot | None
    problem: str | None = None
    """Why the next slot cannot be told."""


def build_schedules(desk: Callable[[], ScheduleDesk]) -> typer.Typer:
    """Build the `schedules` verbs for whoever sits at the desk."""
    app = typer.Typer(name="schedules", help="See and change what starts by itself.", no_args_is_help=True)

    @app.command("list")
    def list_schedules(as_json: AsJson = False) -> None:
        """List every schedule with its state and its next slot."""
        here = desk()
        found = [_planned(here, row) for row in schedules.schedules(here.database)]
        if as_json:
            print_json({"schedules": [_told(one) for one in found]})
            return
        here.console.print(_listed(found))
        for one in found:
            if one.problem:
                here.console.print(plain(f"{one.row.workflow}: {one.problem}", "red"))

    @app.command("next")
    def next_slots(name: Name, count: Count = 10, as_json: AsJson = False) -> None:
        """Show the next slots, in local time and UTC; NAME may be a definition file too."""
        here = desk()
        row = _from_file(here, Path(name)) if name.endswith(".yaml") else schedules.schedule(here.database, name)
        found = list(islice(_coming(here, row), count))
        zone = ZoneInfo(row.schedule.timezone)
        if as_json:
            told = [
                {"slot": one.key, "fire_at": one.fire_at, "local": one.fire_at.astimezone(zone).isoformat()}
                for one in found
            ]
            print_json({"schedule": row.workflow, "timezone": zone.key, "slots": told})
            return
        made = table("slot", f"local time ({zone.key})", "UTC")
        for one in found:
            made.add_row(one.key, f"{one.fire_at.astimezone(zone):%a %Y-%m-%d %H:%M %Z}", at(one.fire_at))
        here.console.print(made)
        if not found:
            here.console.print(plain(f"{name} is {row.state}: nothing is planned"))

    @app.command("slots")
    def decided(name: Name, limit: Limit = 50, as_json: AsJson = False) -> None:
        """List what became of past slots, newest first."""
        here = desk()
        row = schedules.schedule(here.database, name)
        found = slot_rows(here.database, row.workflow, limit=limit)
        if as_json:
            print_json({"slots": found})
            return
        made = table("slot", "fire time (UTC)", "status", "reason", "run", "decided (UTC)", "by")
        for one in found:
            status = plain(one.status, _STATUS_STYLE.get(one.status, ""))
            cells = (plain(one.reason or ""), str(one.run_id or ""), at(one.decided_at), plain(one.decided_by))
            made.add_row(one.slot, at(one.fire_at), status, *cells)
        here.console.print(made)

    return app


def _coming(here: ScheduleDesk, row: ScheduleRow) -> Iterator[Slot]:
    """Yield the slots from now on; one that will be left out is not among them."""
    if row.state != "active":
        return
    yield from starting(row, calendar_of(row), here.database.clock.now())


def _listed(found: Sequence[Planned]) -> Table:
    made = table("schedule", "when", "state", "next (UTC)", "changed by")
    for one in found:
        row, state = one.row, plain(one.row.state, _STATUS_STYLE.get(one.row.state, "yellow"))
        who = f"{row.changed_by} at {at(row.changed_at)}" if row.changed_by else ""
        made.add_row(plain(row.workflow), plain(_when(row)), state, "?" if one.problem else _next(one), plain(who))
    return made


def _planned(here: ScheduleDesk, row: ScheduleRow) -> Planned:
    try:
        return Planned(row, next(_coming(here, row), None))
    except UserError as error:  # its calendar; the others can be told all the same
        return Planned(row, None, str(error))


def next_of(here: ScheduleDesk, name: str) -> str:
    """Return when the schedule starts next, for people."""
    one = _planned(here, schedules.schedule(here.database, name))
    return one.problem or _next(one)


def _next(one: Planned) -> str:
    return at(one.next.fire_at) if one.next else "-"


def _told(one: Planned) -> dict[str, Any]:
    row = asdict(one.row)
    coming = {"next": one.next.fire_at if one.next else None, "problem": one.problem}
    return {**row, "holds": row["changed"] or row["written"], **coming}


def _when(row: ScheduleRow) -> str:
    schedule, changed = row.schedule, " (changed)" if row.changed else ""
    often = schedule.cron or f"every {seconds(schedule.every.total_seconds() if schedule.every else None)}"
    calendar = schedule.calendar if isinstance(schedule.calendar, str) else "own" if schedule.calendar else ""
    return f"{often} {schedule.timezone} {calendar}".rstrip() + changed


def _from_file(here: ScheduleDesk, path: Path) -> ScheduleRow:
    workflow: Workflow = loader.load_one(path, here.registry)
    if workflow.schedule is None:
        raise UserError(f"{path}: the definition has no `schedule`")
    now: datetime = here.database.clock.now()
    written = schedules.dumped(workflow.schedule)
    return ScheduleRow(workflow.name, str(path), written, None, "active", [], None, now, now, None, None)
