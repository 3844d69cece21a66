"""`plan`: how many slots a coming day needs; `forecast`: when what is open will have ended."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Annotated, Any

import typer

from console.desk import NEEDS_PERSON, AsJson, as_data, plain, print_json
from console.plan_view import advice, basis_table, forecast_table, plan_table
from console.schedules import ScheduleDesk
from engine import loader
from engine.errors import UserError
from engine.ledger.schedules import schedules
from engine.planning.coming import coming_runs
from engine.planning.forecast import RISKY, forecast, sentence
from engine.planning.outlook import outlook
from engine.planning.plan import plan
from engine.workload import ServiceTimes

FEW, MANY = 20, 200
DayOption = Annotated[
    str | None,
    typer.Option("--day", metavar="DATE", help="Plan this day (UTC), like 2026-01-31; default: from now on."),
]
Hours = Annotated[float, typer.Option(min=0.25, max=168, help="For so many hours.")]
SlotCount = Annotated[int | None, typer.Option("--slots", min=1, max=MANY, help="Simulate this number of slots only.")]
MaxSlots = Annotated[int, typer.Option("--max-slots", min=1, max=MANY, help="Simulate 1 to so many slots.")]
Assumed = Annotated[
    list[str] | None, typer.Option("--items", metavar="NAME=N", help="Take N items a run of this workflow; repeatable.")
]
Seed = Annotated[int, typer.Option(help="Same seed, same ledger, same figures.")]


def add_plan_verbs(app: typer.Typer, desk: Callable[[], ScheduleDesk]) -> None:
    """Add `plan` and `forecast` for whoever sits at the desk."""

    @app.command("plan")
    def plan_day(
        day: DayOption = None,
        hours: Hours = 24,
        slots: SlotCount = None,
        max_slots: MaxSlots = FEW,
        items: Assumed = None,
        seed: Seed = 1,
        as_json: AsJson = False,
    ) -> None:
        """Simulate the coming day: how many slots meet its deadlines, and how busy they are."""
        here = desk()
        start = _start(day, hours, here.database.clock.now())
        until = (_midnight(day) if day else start) + timedelta(hours=hours)
        coming = coming_runs(schedules(here.database), start, until, partial(loader.load_one, registry=here.registry))
        assumed = _counts(items or [], {run.workflow for run in coming.runs})
        found = outlook(here.database, start, until, coming.runs, assumed=assumed, profiles=coming.profiles)
        left_out = [*coming.left_out, *(f"{name}: no past run; name --items {name}=N" for name in found.unknown)]
        made = plan(found.day, [slots] if slots else range(1, max_slots + 1), seed=seed)
        if as_json:
            about = {"start": start, "until": until, "live_slots": found.live_slots, "left_out": left_out}
            basis = {"times": [_service(one) for one in found.times], "counts": found.counts}
            best = made.best.slots if made.best else None
            print_json({**about, **as_data(made), "best": best, "advice": advice(made, found), "basis": basis})
            return
        if found.times:
            here.console.print(basis_table(found))
            here.console.print(plan_table(made, found.live_slots))
        for line in advice(made, found):
            here.console.print(plain(line))
        for line in left_out:
            here.console.print(plain(f"not in the plan: {line}", "yellow"))

    @app.command("forecast")
    def forecast_runs(seed: Seed = 1, as_json: AsJson = False) -> None:
        """Say when the unfinished runs that have a deadline will end; 1 if one will probably be late."""
        here = desk()
        now = here.database.clock.now()
        found = forecast(here.database, seed=seed)
        if as_json:
            print_json({"runs": [{**as_data(one), "sentence": sentence(one, now)} for one in found]})
        else:
            here.console.print(forecast_table(found, now))
        if any(one.chance_late >= RISKY for one in found):
            raise typer.Exit(NEEDS_PERSON)


def _service(times: ServiceTimes) -> dict[str, Any]:
    figures = {"mean_seconds": times.mean, "attempts_per_item": times.per_item}
    return {"workflow": times.workflow, "measured": times.measured, **figures}


def _midnight(day: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(day), time(), UTC)
    except ValueError:
        raise UserError(f"--day {day}: write it like 2026-01-31") from None


def _start(day: str | None, hours: float, now: datetime) -> datetime:
    if day is None:
        return now
    start = _midnight(day)
    if start + timedelta(hours=hours) <= now:
        raise UserError(f"--day {day}: is over; a plan is made for now or later")
    return max(start, now)


def _counts(given: Sequence[str], there: Collection[str]) -> dict[str, int]:
    counts = {}
    for text in given:
        name, _, number = text.partition("=")
        if not name or not number.isdecimal():
            raise UserError(f"--items {text}: write it as NAME=N, with N items a run")
        if name not in there:
            known = f"there is: {', '.join(sorted(there))}" if there else "none does"
            raise UserError(f"--items {name}: no schedule of that name starts in this time; {known}")
        counts[name] = int(number)
    return counts
