"""`workers`: who works, since when, and what each is doing."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer
from rich.table import Table

from console.desk import AsJson, OpenDesk, plain, print_json
from console.tables import table
from console.wording import age
from engine.ledger import workers

_STYLE = {"running": "green", "stopping": "yellow", "lost": "red", "stopped": "dim"}
Everyone = Annotated[bool, typer.Option("--all", help="Also those that ended, of the last day.")]


def build_workers(desk: OpenDesk) -> typer.Typer:
    """Build the `workers` verbs for whoever sits at the desk."""
    app = typer.Typer(name="workers", help="Show who works and what each is doing.", no_args_is_help=True)

    @app.command("list")
    def list_workers(everyone: Everyone = False, as_json: AsJson = False) -> None:
        """List the processes that work this ledger, on whatever machine, with their heartbeats."""
        here = desk()
        found = [row for row in workers.listing(here.database) if everyone or row.state != "stopped"]
        if as_json:
            print_json({"workers": found})
            return
        here.console.print(workers_table(found, here.database.clock.now()))
        for row in found:
            for definition_hash, reason in row.refuses.items():
                said = f"{row.name} leaves items of definition {definition_hash[:12]} to others: {reason}"
                here.console.print(plain(said, "red"))
        here.console.print(f"{len(found)} process(es)" + ("" if everyone else "; --all shows those that ended, too"))

    return app


def workers_table(found: list[workers.WorkerRow], now: datetime) -> Table:
    """List processes and the items that each holds."""
    made = table("name", "role", "state", "version", "slots", "up", "last beat", "doing")
    for row in found:
        made.add_row(
            plain(row.name),
            row.role,
            plain(row.state, _STYLE.get(row.state, "")),
            plain(row.version),
            str(row.slots) if row.role == "worker" else "-",
            age(row.started_at, now),
            age(row.seen_at, now),
            _doing(row, now),
        )
    return made


def _doing(row: workers.WorkerRow, now: datetime) -> Table | str:
    if not row.working:
        return "-"
    lines = Table.grid()
    for one in row.working:
        lines.add_row(plain(f"{one.reference} ({one.state}, {age(one.since, now)})"))
    return lines
