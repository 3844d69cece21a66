"""The `schedules` verbs that change something; each change carries a name and is kept as an event."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from console.desk import As, AsJson, plain, print_json
from console.schedules import Name, ScheduleDesk, next_of
from engine import loader
from engine.errors import UserError
from engine.intake import new_items
from engine.ledger import runs, schedules
from engine.ledger.schedules import ScheduleRow
from engine.schedules.schedule import Schedule
from engine.static_schedules import mistakes
from engine.timetable import Timetable, calendar_of, decided_to


def add_changes(app: typer.Typer, desk: Callable[[], ScheduleDesk]) -> None:
    """Add `pause`, `resume`, `skip`, `run`, `set` and `reset`."""
    _add_pauses(app, desk)
    _add_run(app, desk)
    _add_set(app, desk)


def _add_pauses(app: typer.Typer, desk: Callable[[], ScheduleDesk]) -> None:
    @app.command()
    def pause(name: Name, who: As = None) -> None:
        """Start nothing until `resume`; slots in between are skipped and never caught up."""
        here = desk()
        schedules.pause(here.database, name, who or here.user)
        here.console.print(plain(f"{name} is paused"))

    @app.command()
    def resume(name: Name, who: As = None) -> None:
        """End a pause."""
        here = desk()
        schedules.resume(here.database, name, who or here.user)
        here.console.print(plain(f"{name} is active again; next slot: {next_of(here, name)}"))

    @app.command()
    def skip(name: Name, who: As = None) -> None:
        """Leave out the next slot, once."""
        here = desk()
        schedules.skip_next(here.database, name, who or here.user)
        here.console.print(plain(f"{name} leaves out one slot; the next that starts: {next_of(here, name)}"))


def _add_run(app: typer.Typer, desk: Callable[[], ScheduleDesk]) -> None:
    @app.command("run")
    def run_now(name: Name, who: As = None, as_json: AsJson = False) -> None:
        """Start a run now, beside the schedule, and leave its work to `worker`; the slots stay as they are."""
        here = desk()
        row, who = schedules.schedule(here.database, name), who or here.user
        workflow = loader.load_one(Path(row.path), here.registry)
        items, rejected = new_items(workflow, None)
        opened = runs.open_run(here.database, workflow, items, trigger=who, rejected=rejected)
        schedules.started_now(here.database, name, opened.run_id, who)
        if as_json:
            print_json(opened)
        else:
            here.console.print(plain(f"{name}: run {opened.run_id}, {opened.enqueued} item(s)"))


def _add_set(app: typer.Typer, desk: Callable[[], ScheduleDesk]) -> None:
    @app.command("set")
    def change(
        name: Name,
        cron: Annotated[str | None, typer.Option(help="Five fields; replaces --every.")] = None,
        every: Annotated[str | None, typer.Option(help="A distance like 2h; replaces --cron.")] = None,
        start: Annotated[str | None, typer.Option(help="First slot of --every, like 2026-01-31T06:00.")] = None,
        timezone: Annotated[str | None, typer.Option(help="Like Europe/Berlin.")] = None,
        calendar: Annotated[str | None, typer.Option(help="Like DE-BY, ECB or a file's name; none for none.")] = None,
        on_holiday: Annotated[str | None, typer.Option(help="skip, next or previous.")] = None,
        cut_off: Annotated[str | None, typer.Option(help="Local time like 16:00; none for none.")] = None,
        catch_up: Annotated[str | None, typer.Option(help="none, latest or all.")] = None,
        late_after: Annotated[str | None, typer.Option(help="Like 5m.")] = None,
        overlap: Annotated[str | None, typer.Option(help="queue or skip.")] = None,
        who: As = None,
    ) -> None:
        """Change a schedule at run time; it wins over the definition, survives restarts, and `reset` undoes it."""
        here = desk()
        row = schedules.schedule(here.database, name)
        asked = {
            "cron": cron,
            "every": every,
            "start": start,
            "timezone": timezone,
            "calendar": calendar,
            "on_holiday": on_holiday,
            "cut_off": cut_off,
            "catch_up": catch_up,
            "late_after": late_after,
            "overlap": overlap,
        }
        new = _changed(row, {key: value for key, value in asked.items() if value is not None})
        schedules.change(here.database, name, new, _decided_to(here, row), who or here.user)
        here.console.print(plain(f"{name} is changed; next slot: {next_of(here, name)}"))

    @app.command()
    def reset(name: Name, who: As = None) -> None:
        """Let the schedule hold again as the definition says it."""
        here = desk()
        row = schedules.schedule(here.database, name)
        schedules.change(here.database, name, None, _decided_to(here, row), who or here.user)
        here.console.print(plain(f"{name} holds as written; next slot: {next_of(here, name)}"))


def _changed(row: ScheduleRow, asked: dict[str, str]) -> Schedule:
    """Return what holds now with the changes that were asked for, checked as a definition is."""
    if not asked:
        raise UserError(f"{row.workflow}: say what to change, e.g. --cron '0 7 * * mon-fri'")
    merged: dict[str, Any] = dict(row.written if row.changed is None else row.changed)
    if "cron" in asked:
        merged = {key: value for key, value in merged.items() if key not in {"every", "start"}}
    if "every" in asked and "cron" not in asked:
        merged.pop("cron", None)
    merged |= {
        key: None if value == "none" and key in {"calendar", "cut_off"} else value for key, value in asked.items()
    }
    merged = {key: value for key, value in merged.items() if value is not None}
    try:
        new = Schedule.model_validate(merged)
    except ValidationError as error:
        wrong = [f"  {'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_url=False)]
        raise UserError(f"{row.workflow} stays as it is:\n" + "\n".join(wrong)) from None
    found = [f"  {one.key or 'schedule'}: {one.message}" for one in mistakes(new, set(merged), Path(row.path).parent)]
    if found:
        raise UserError(f"{row.workflow} stays as it is:\n" + "\n".join(found))
    return new


def _decided_to(here: ScheduleDesk, row: ScheduleRow) -> datetime:
    """Decide every slot up to now by what holds still, and return up to when that could be done."""
    if row.state == "retired":
        return here.database.clock.now()
    if not Path(row.path).exists():  # it lies on another machine, whose schedulers decide
        try:
            return decided_to(row, calendar_of(row), here.database.clock.now())
        except UserError:
            return row.walked_to
    timetable = Timetable(here.database, Path(row.path).parent, here.registry, here.user)
    timetable.reload()
    return timetable.tick(row.workflow)
