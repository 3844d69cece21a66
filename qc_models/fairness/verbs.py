"""`model segments` and `model card`: how a model treats the declared segments, and all that is known of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Protocol

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from engine.definition import Workflow
from engine.errors import UserError
from engine.ledger import models as registry
from engine.ledger.database import Database
from engine.redact import replacing
from qc_models.card import card, html, share
from qc_models.fairness.watch import Fairness, fairness
from qc_models.store import ModelStore

EXIT_PERSON = 1
WorkflowPath = Annotated[Path, typer.Argument(help="The workflow whose records are looked at.")]
Tolerance = Annotated[float | None, typer.Option(min=0, max=1, help="Default: the workflow's `segment_tolerance`.")]


class Desk(Protocol):
    """What the verbs need of the one who runs them; the runner provides it."""

    @property
    def database(self) -> Database:
        """The ledger."""
        ...

    @property
    def models(self) -> ModelStore:
        """The folder of artifacts."""
        ...

    @property
    def console(self) -> Console:
        """Standard output."""
        ...

    def load(self, path: Path) -> Workflow:
        """Load one definition."""
        ...


def add_transparency(app: typer.Typer, open_desk: Callable[[], Desk], *, default: str) -> None:
    """Add the verbs to the `model` verbs; `default` is the model that is meant where none is named."""

    @app.command("segments")
    def _segments(
        workflow: WorkflowPath,
        tolerance: Tolerance = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
    ) -> None:
        """Show flag, miss and false-alarm rates by segment; exit code 1 if a gap is proven."""
        desk = open_desk()
        definition = desk.load(workflow)
        if not definition.review.segments:
            raise UserError(
                f"{workflow}: declares no segments; write for example "
                "`review: {segments: {supplier: each, total: [100, 1000]}}`"
            )
        limit = definition.review.segment_tolerance if tolerance is None else tolerance
        seen = fairness(desk.database, definition, tolerance=limit)
        if as_json:
            typer.echo(json.dumps(asdict(seen), ensure_ascii=False))
        else:
            _show(desk.console, seen)
        raise typer.Exit(EXIT_PERSON if seen.gaps else 0)

    @app.command("card")
    def _card(
        name: Annotated[str, typer.Option(help="Which model.")] = default,
        version: Annotated[str | None, typer.Option(help="Which version; default: the champion.")] = None,
        workflow: Annotated[Path | None, typer.Option(help="Add the rates of this workflow's segments.")] = None,
        html_path: Annotated[Path | None, typer.Option("--html", help="Write the card as one HTML file.")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
    ) -> None:
        """Print the model card, Markdown, or write it as HTML."""
        desk = open_desk()
        artifact = desk.models.get(name, version)
        stages = registry.listing(desk.database, name)
        seen = None
        if workflow is not None:
            definition = desk.load(workflow)
            seen = fairness(desk.database, definition, tolerance=definition.review.segment_tolerance)
        text = card(artifact, stages, seen)
        if html_path is not None:
            _write(html_path, html(f"{artifact.name} {artifact.version}", text))
        if as_json:
            told = {"name": artifact.name, "version": artifact.version, "sha256": artifact.sha256, "card": text}
            rates = asdict(seen) if seen else None
            typer.echo(json.dumps({**told, "metrics": dict(artifact.metrics), "segments": rates}, ensure_ascii=False))
        elif html_path is None:
            typer.echo(text)
        else:
            desk.console.print(Text(f"written to {html_path}"))


def _write(path: Path, page: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as target:
            target.write(page.encode("utf-8", "xmlcharrefreplace"))
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error


def _show(console: Console, seen: Fairness) -> None:
    made = Table("segment", "group", "flagged", "errors missed", "false alarms")
    for one in seen.groups:
        cells = (one.segment, one.group, share(one.flag), share(one.miss), share(one.false_alarm))
        made.add_row(*(Text(cell) for cell in cells))
    console.print(made)
    console.print(Text(f"{seen.records} records, {seen.labelled} of the random sample with known truth"))
    for gap in seen.gaps:
        console.print(Text(gap.sentence(), "red"))
    if not seen.gaps:
        console.print(Text("no gap is proven"))
