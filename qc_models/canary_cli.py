"""The `canaries` verbs: plant known errors among what people review, and list what became of them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Annotated, Protocol

import typer
from rich.console import Console
from rich.table import Table

from engine.definition import Workflow
from engine.errors import UserError
from engine.ledger.canary_reads import listing, newest_definition
from engine.ledger.database import Database
from engine.ports import Inspector
from engine.values import encode
from qc_models.canaries import plant

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Seed = Annotated[int | None, typer.Option(help="Decides every draw; drawn, and logged with the run, if not given.")]


class CanaryDesk(Protocol):
    """What the verbs need of the one who runs them; the runner provides it."""

    @property
    def database(self) -> Database:
        """The ledger."""
        ...

    @property
    def console(self) -> Console:
        """Standard output."""
        ...

    @property
    def user(self) -> str:
        """Who sits here."""
        ...

    def inspector(self) -> Inspector:
        """Return what inspects real outputs, with a memory of its own."""
        ...

    def workflow(self, definition_hash: str) -> Workflow:
        """Return the definition that a run pinned."""
        ...


def build_canaries(open_desk: Callable[[], CanaryDesk]) -> typer.Typer:
    """Return the `canaries` verbs over a desk that is opened when one of them runs."""
    app = typer.Typer(no_args_is_help=True, help="Plant known errors among what people review, to measure them.")

    @app.command("plant")
    def _plant(
        workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="The workflow's name.")],
        count: Annotated[int, typer.Option(min=0, help="How many with an error.")] = 1,
        controls: Annotated[int, typer.Option(min=0, help="How many without one.")] = 0,
        seed: Seed = None,
        as_json: AsJson = False,
    ) -> None:
        """Copy records that passed, plant one error in each (in controls none), and let them wait for review."""
        desk = open_desk()
        pinned = newest_definition(desk.database, workflow)
        if pinned is None:
            raise UserError(f"{workflow} has no run; `runner.py run` makes one")
        done = plant(
            desk.database,
            desk.workflow(pinned),
            desk.inspector(),
            errors=count,
            controls=controls,
            seed=random.SystemRandom().randrange(2**53) if seed is None else seed,
            who=desk.user,
        )
        if not done.originals:
            raise UserError(
                f"{workflow} has no record to copy: one that passed or was accepted, fits the newest definition, still "
                "has its data and was not copied yet"
            )
        if as_json:
            typer.echo(json.dumps({"planted": len(done.item_ids), "asked": done.asked, "seed": done.seed}))
            return
        desk.console.print(f"{len(done.item_ids)} of {done.asked} planted, seed {done.seed}")
        if len(done.item_ids) < done.asked:
            desk.console.print(
                "no more may wait at a time: plant again when reviewers have come further, or more records have passed"
            )

    @app.command("list")
    def _list(
        workflow: Annotated[str | None, typer.Option(help="Only of this workflow.")] = None, as_json: AsJson = False
    ) -> None:
        """List the canaries, newest first: for those who measure, not for those who review."""
        desk = open_desk()
        rows = [encode(vars(row)) for row in listing(desk.database, workflow)]
        if as_json:
            typer.echo(json.dumps({"canaries": rows}, ensure_ascii=False))
            return
        table = Table("item", "copied from", "error", "fields", "where", "state", "planted (UTC)", "by")
        for row in rows:
            error, where = row["error"] or "none (control)", row["where"] or ""
            shown = (row["item_id"], row["copied_from"], error, ", ".join(row["fields"]), where)
            table.add_row(*map(str, (*shown, row["state"], row["planted_at"][:16], row["planted_by"])))
        desk.console.print(table)

    return app
