"""A plan and a forecast as tables and sentences."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.table import Table

from console.desk import plain
from console.tables import table
from console.wording import at, percent, seconds
from engine.intervals import Estimate
from engine.planning.forecast import RISKY, SAFE, RunForecast, sentence
from engine.planning.outlook import Outlook
from engine.planning.plan import TARGET, Plan, SlotPlan

USED_UP = 0.95
"""Share of its sessions from which an application is said to be the limit."""


def basis_table(found: Outlook) -> Table:
    """List what the plan is made of, by workflow."""
    made = table("workflow", "coming runs", "items a run", "open items", "seconds an attempt", "attempts an item")
    counts = {one.workflow: one for one in found.counts}
    for one in found.times:
        runs = sum(run.workflow == one.workflow for run in found.day.planned)
        count = counts.get(one.workflow)
        usual = "-" if count is None or count.median is None else f"{count.median:g} (90 %: {count.high:g})"
        left = sum(run.left for run in found.day.open_runs if run.workflow == one.workflow)
        basis = f"{one.mean:.1f} (of {one.measured})" if one.measured else f"{one.mean:.1f} (standard time)"
        made.add_row(plain(one.workflow), str(runs), usual, str(left), basis, f"{one.per_item:.2f}")
    return made


def plan_table(made: Plan, live_slots: int) -> Table:
    """List what each number of slots comes to."""
    shown = table("slots", "deadlines met", "all met", "utilisation", "last end (UTC)", "missed most")
    for one in made.options:
        style = "green" if one.slots == made.enough else ""
        mark = " (now)" if one.slots == live_slots else ""
        shown.add_row(
            plain(f"{one.slots}{mark}", style),
            _estimate(one.met),
            f"{one.all_met.k} of {one.all_met.n}",
            _estimate(one.utilisation),
            at(one.last_end) if one.last_end else "not within a day",
            plain(_worst(one)),
        )
    return shown


def _estimate(one: Estimate) -> str:
    if one.low is None or one.high is None:
        return percent(one.value)
    return f"{percent(one.value)} ({100 * one.low:.1f} to {100 * one.high:.1f})"


def _worst(one: SlotPlan) -> str:
    if not one.misses:
        return "-"
    miss = one.misses[0]
    late = "does not end" if miss.late is None else f"{seconds(miss.late)} late"
    name = miss.workflow if miss.run_id is None else f"{miss.workflow} run {miss.run_id}"
    more = f", and {len(one.misses) - 1} more" if len(one.misses) > 1 else ""
    return f"{name} due {at(miss.due_at)}: {late} in {miss.missed.k} of {miss.missed.n}{more}"


def advice(made: Plan, found: Outlook) -> list[str]:
    """Say in sentences what follows from a plan."""
    if not made.items:
        return ["nothing is open and nothing is coming"]
    said = [_answer(made)]
    best = made.best
    last = made.options[-1]
    full = [f"{load.app} ({load.sessions})" for load in last.apps if load.used >= USED_UP]
    if best is None and full:
        said.append(f"the sessions of {' and '.join(full)} are all used: more slots do not help, more sessions would")
    if made.peak and (best is None or best.utilisation.value < TARGET):
        names = ", ".join(made.peak.workflows)
        said.append(
            f"{percent(made.peak.share)} of the work arrives in the hour from {at(made.peak.start)} UTC: {names}"
        )
        for move in made.moves:
            when = f"{abs(move.hours):g} h {'later' if move.hours > 0 else 'earlier'}"
            said.append(
                f"{move.workflow} {when}, its deadlines where they are: {move.slots} slot(s) meet every deadline, "
                f"{percent(move.utilisation)} busy"
            )
        if not made.moves and len(made.options) > 1:
            said.append("none of these, an hour or two earlier or later, lets fewer slots meet every deadline")
    if overdue := sorted(found.day.overdue):
        runs = ", ".join(str(run_id) for run_id in overdue)
        said.append(f"the deadline of run {runs} is past already: not counted, its items are")
    if not found.live_slots:
        said.append("no worker lives at present")
    return said


def _answer(made: Plan) -> str:
    best = made.best
    if best is None:
        return f"{made.options[-1].slots} slot(s) do not meet every deadline: {_worst(made.options[-1])}"
    reached = "the target" if best.utilisation.value >= TARGET else "short of the target"
    enough = f"{best.slots} slot(s) meet every deadline"
    return f"{enough}, {percent(best.utilisation.value)} busy: {reached} of {percent(TARGET)} without a missed deadline"


def forecast_table(found: Sequence[RunForecast], now: datetime) -> Table:
    """List forecasts as sentences; those at risk stand out."""
    made = table("run", "chance of being late", "forecast")
    for one in found:
        style = "red" if one.chance_late >= RISKY else "yellow" if one.chance_late > SAFE else ""
        made.add_row(str(one.run_id), percent(one.chance_late), plain(sentence(one, now), style))
    return made
