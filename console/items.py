"""`items`: list what the ledger holds, show one item's story, and give items back to the bots."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.desk import NEEDS_PERSON, As, AsJson, Desk, Later, Limit, OpenDesk, plain, print_json
from console.export import export_items
from console.tables import items_table, outcome_table
from console.timeline import timeline
from engine.errors import UserError
from engine.ledger import reads, reviews, tables
from engine.ledger.facts import facts
from engine.ledger.rows import ItemRow

States = Annotated[list[str] | None, typer.Option("--state", help="Only in this state; may be repeated.")]
RunId = Annotated[int | None, typer.Option("--run", help="Only of this run.")]
Name = Annotated[str | None, typer.Option("--workflow", help="Only of this workflow.")]
Part = Annotated[str | None, typer.Option("--reference", help="Only references that contain this text.")]
Code = Annotated[str | None, typer.Option("--reason", help="Only with this reason code.")]
Why = Annotated[str, typer.Option("--reason", help="Why, in words; it is kept.")]
FileName = Annotated[Path, typer.Argument(metavar="FILE", help="Where the CSV file goes.")]
ItemId = Annotated[int, typer.Argument(metavar="ID", help="The item's number.")]
ItemIds = Annotated[list[int], typer.Argument(metavar="ID…", help="The items' numbers.")]


def build_items(desk: OpenDesk) -> typer.Typer:
    """Build the `items` verbs for whoever sits at the desk."""
    app = typer.Typer(name="items", help="List, show and retry work items.", no_args_is_help=True)

    @app.command("list")
    def list_items(
        state: States = None,
        run: RunId = None,
        workflow: Name = None,
        reference: Part = None,
        reason: Code = None,
        limit: Limit = reads.LIMIT,
        as_json: AsJson = False,
    ) -> None:
        """List work items, newest first."""
        here = desk()
        found = reads.items(
            here.database,
            states=_states(state or []),
            run_id=run,
            workflow=workflow,
            reference=reference,
            reason=reason,
            viewer=here.user,
            limit=limit,
        )
        if as_json:
            print_json({"items": found})
            return
        here.console.print(items_table(found, here.database.clock.now()))
        here.console.print(f"{len(found)} item(s)" + (", and perhaps more: --limit" if len(found) == limit else ""))

    @app.command()
    def show(item_id: ItemId, as_json: AsJson = False) -> None:
        """Show everything that happened to an item, in order."""
        here = desk()
        detail = reads.item(here.database, item_id, here.user)
        if as_json:
            print_json(detail)
        else:
            here.console.print(timeline(detail))

    @app.command()
    def export(path: FileName, run: RunId = None, workflow: Name = None) -> None:
        """Write items with their verdicts and reviews as CSV, for spreadsheets."""
        here = desk()
        count = export_items(facts(here.database, run_id=run, workflow=workflow), path)
        here.console.print(plain(f"{count} item(s) in {path}"))

    @app.command()
    def retry(ids: ItemIds, reason: Why, who: As = None, later: Later = False, as_json: AsJson = False) -> None:
        """Give items back to the bots; a finished commit is never repeated, an open one is recovered first."""
        here = desk()
        runs: dict[int, int] = {}
        refused: list[str] = []
        for item_id in dict.fromkeys(ids):
            try:
                runs[item_id] = reviews.reopen(here.database, item_id, who or here.user, reason)
            except UserError as error:
                refused.append(str(error))
        _work_and_tell(here, runs, refused, later=later, as_json=as_json)

    return app


def _work_and_tell(here: Desk, runs: dict[int, int], refused: list[str], *, later: bool, as_json: bool) -> None:
    if runs and not later:
        here.work(sorted(set(runs.values())))
    found = outcome_of(here, list(runs))
    if as_json:
        print_json({"items": found, "refused": refused, "worked": not later})
    elif found:
        here.console.print(outcome_table(found))
    if refused:
        raise UserError("\n".join(refused))
    exit_for(found)


def outcome_of(here: Desk, ids: list[int]) -> list[ItemRow]:
    """Return how these items stand now."""
    return [reads.item(here.database, item_id).item for item_id in ids]


def exit_for(items: list[ItemRow]) -> None:
    """Leave with code 1 if a person has to look at one of these items.

    Raises:
        typer.Exit: one of them is in review.
    """
    if any(item.state in tables.IN_REVIEW for item in items):
        raise typer.Exit(NEEDS_PERSON)


def _states(asked: list[str]) -> list[str]:
    known = (*tables.OPEN, *tables.CLOSED)
    for state in asked:
        if state not in known:
            raise UserError(f"there is no state {state!r}; there are {', '.join(known)}")
    return asked
