"""The verbs of those who write definitions: validate, schema, steps."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Protocol

import typer
from rich.console import Console
from rich.table import Table

from console.desk import AsJson, plain, print_json
from engine import json_schema, loader
from engine.errors import UserError
from engine.ports import CheckKind, Registry, SentRequest, StepKind

WORKFLOWS = Path("workflows")


class DefinitionDesk(Protocol):
    """What the verbs need of the one who runs them."""

    @property
    def registry(self) -> Registry:
        """Every step and check that a definition may name."""
        ...

    @property
    def console(self) -> Console:
        """Standard output."""
        ...

    def say(self, text: str) -> None:
        """Tell the person at the terminal."""
        ...


def add_definition_verbs(app: typer.Typer, open_desk: Callable[[], DefinitionDesk]) -> None:
    """Add `validate`, `schema` and `steps` to the command line."""

    @app.command()
    def validate(
        paths: Annotated[list[Path] | None, typer.Argument(help="Files or folders; default: workflows/.")] = None,
        as_json: AsJson = False,
    ) -> None:
        """Check definitions; print every problem of every file with its line."""
        desk = open_desk()
        workflows, problems = loader.load(paths or [WORKFLOWS], desk.registry)
        if as_json:
            found = [{**vars(problem), "path": str(problem.path)} for problem in problems]
            names = [workflow.name for workflow in workflows]
            typer.echo(json.dumps({"workflows": names, "problems": found}, ensure_ascii=False))
        else:
            for problem in problems:
                typer.echo(str(problem))
            desk.say(f"{len(workflows)} definition(s) good, {len(problems)} problem(s)")
        raise typer.Exit(2 if problems else 0)

    @app.command()
    def schema(what: Annotated[str, typer.Argument(help="workflow or app")] = "workflow") -> None:
        """Print the JSON Schema of definitions, for editors."""
        makers = {"workflow": json_schema.workflow_schema, "app": json_schema.app_schema}
        if what not in makers:
            raise UserError(f"there is a schema of workflow and of app, not of {what!r}")
        typer.echo(json.dumps(makers[what](open_desk().registry), ensure_ascii=False, indent=2))

    @app.command()
    def steps(as_json: AsJson = False) -> None:
        """List the step vocabulary and the checks."""
        desk = open_desk()
        groups: dict[str, Mapping[str, StepKind | CheckKind]] = {
            "step": desk.registry.steps,
            "check": desk.registry.checks,
        }
        if as_json:
            told = {title: {name: kind.doc for name, kind in kinds.items()} for title, kinds in groups.items()}
            typer.echo(json.dumps(told, ensure_ascii=False, indent=2))
            return
        for title, kinds in groups.items():
            table = Table(title, "what it does")
            for name, kind in kinds.items():
                table.add_row(name, kind.doc.splitlines()[0])
            desk.console.print(table)


def show_requests(console: Console, reference: str, requests: Sequence[SentRequest], *, as_json: bool) -> None:
    """Show what a dry run would have sent."""
    if as_json:
        print_json(list(requests))
        return
    for request in requests:
        when = "held back before the commit" if request.before_commit else "this would be sent"
        console.print(plain(f"{reference}: {when}; nothing left"))
        console.print(plain(f"{request.method} {request.url}", "bold"))
        for part in (request.body or "").replace("&", "\n&").splitlines():
            console.print(plain(f"  {part}"))
