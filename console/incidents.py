"""`incidents`: what went wrong beside the items, until it is over or a person closes it."""

from __future__ import annotations

from typing import Annotated

import typer

from console.desk import As, AsJson, Limit, OpenDesk, plain, print_json
from console.tables import table
from console.wording import at
from engine.ledger import incidents

All = Annotated[bool, typer.Option("--all", help="Closed ones too.")]
Ids = Annotated[list[int], typer.Argument(metavar="ID…", help="The incidents' numbers.")]


def build_incidents(desk: OpenDesk) -> typer.Typer:
    """Build the `incidents` verbs for whoever sits at the desk."""
    app = typer.Typer(name="incidents", help="See what went wrong beside the items.", no_args_is_help=True)

    @app.command("list")
    def list_incidents(all_: All = False, limit: Limit = 100, as_json: AsJson = False) -> None:
        """List what stands open: missed, late and failed slots, deadlines at risk, lost workers."""
        here = desk()
        found = incidents.incidents(here.database, only_open=not all_, limit=limit)
        if as_json:
            print_json({"incidents": found})
            return
        made = table("id", "opened (UTC)", "kind", "about", "what", "closed")
        for one in found:
            closed = at(one.closed_at) if one.closed_at else ""
            made.add_row(
                str(one.id),
                at(one.opened_at),
                plain(one.kind, "yellow"),
                plain(one.subject),
                plain(one.message),
                closed,
            )
        here.console.print(made)
        here.console.print(f"{len(found)} incident(s)")

    @app.command()
    def close(ids: Ids, who: As = None) -> None:
        """Close incidents that a person has looked after; what goes on being wrong is opened again."""
        here = desk()
        for incident_id in ids:
            incidents.close_by_hand(here.database, incident_id, who or here.user)
        here.console.print(f"{len(ids)} incident(s) closed")

    return app
