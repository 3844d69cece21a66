"""The `model` verbs: train, evaluate, list, rollback; others stand in `qc_models.loop` and `qc_models.fairness`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer
from pydantic import TypeAdapter, ValidationError
from rich.table import Table

from engine.definition import Workflow
from engine.errors import UserError
from engine.ledger import models as registry
from engine.ledger.model_rule import automatic_rollback
from engine.sources import read_source
from engine.values import Record, decode
from qc_models.artifact import Artifact
from qc_models.entry.reviewed import Reviewed, read_reviewed
from qc_models.evaluation import Truth, evaluate
from qc_models.fairness.verbs import add_transparency
from qc_models.loop.verbs import add_loop
from qc_models.match.cli import MatchDesk, add_match_verbs

if TYPE_CHECKING:
    from qc_models.export import Trained

NAME = "entry-quality"
_TRUTH = TypeAdapter(dict[str, list[dict[str, Any]]])
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Name = Annotated[str, typer.Option(help="Which model.")]
Version = Annotated[str | None, typer.Option(help="Which version; default: the champion.")]
WorkflowPath = Annotated[Path, typer.Argument(help="The workflow whose records the model inspects.")]


class ModelDesk(MatchDesk, Protocol):
    """What the verbs need of the one who runs them; the runner provides it."""

    def load(self, path: Path) -> Workflow:
        """Load one definition."""
        ...

    def workflow(self, definition_hash: str) -> Workflow:
        """Return the definition that a run pinned."""
        ...


def read_history(path: Path, workflow: Workflow) -> list[Record]:
    """Read verified records, oldest first, from JSON Lines with the names of the record contract.

    Raises:
        UserError: the file is missing, or a line is no record of the contract.
    """
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as UTF-8 text ({error})") from error
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            records.append(decode(json.loads(line), workflow.fields))
        except (ValueError, AttributeError) as error:
            raise UserError(f"{path}:{number}: not a record of {workflow.name}: {error}") from error
    return records


def train_and_register(
    desk: ModelDesk,
    workflow: Workflow,
    history: Sequence[Record],
    *,
    seed: int,
    reviewed: Sequence[Reviewed] = (),
    misses: float = 0.0,
) -> Trained:
    """Train an artifact and enter it in the ledger; the first becomes champion, later ones wait as challengers.

    `reviewed` are records that people judged after the history, oldest first; `misses` is the share of wrong records
    that these people let pass.
    """
    from qc_models.training import train  # noqa: PLC0415 - scikit-learn costs a second that only training should pay

    trained = train(workflow.fields, history, seed=seed, models_dir=desk.models_dir, reviewed=reviewed, misses=misses)
    artifact = desk.models.get(NAME, trained.version)
    # nobody can tell which outputs stand in a file: the model is compared on later ones alone
    unseen = {"until_verdict": registry.newest_verdict(desk.database), "held_out_share": 0.0}
    register(desk, artifact, {**trained.metrics, "lineage": unseen})
    return trained


def register(desk: MatchDesk, artifact: Artifact, metrics: dict[str, Any]) -> None:
    """Enter a verified artifact in the ledger, if it is not there yet."""
    row = registry.ModelRow(artifact.name, artifact.version, "challenger", artifact.sha256, metrics)
    registry.register(desk.database, row, desk.user)


def build_model(open_desk: Callable[[], ModelDesk]) -> typer.Typer:
    """Return the `model` verbs over a desk that is opened when one of them runs."""
    app = typer.Typer(no_args_is_help=True, help="Train, evaluate and promote the models that inspect outputs.")

    @app.command("train")
    def _train(
        workflow: WorkflowPath,
        history: Annotated[Path, typer.Option(help="Verified past records, JSON Lines, oldest first.")],
        reviewed: Annotated[Path | None, typer.Option(help="Reviewed records, JSON Lines, oldest first.")] = None,
        misses: Annotated[float, typer.Option(help="Share of wrong records that reviewers let pass.")] = 0.0,
        seed: Annotated[int, typer.Option(help="Decides every draw.")] = 1,
        as_json: AsJson = False,
    ) -> None:
        """Train on verified and reviewed records, check parity with scikit-learn, write and register the artifact."""
        desk = open_desk()
        definition = desk.load(workflow)
        past = read_history(history, definition)
        labels = read_reviewed(reviewed, definition.fields) if reviewed else []
        trained = train_and_register(desk, definition, past, seed=seed, reviewed=labels, misses=misses)
        _print(desk, {"version": trained.version, "folder": str(trained.folder), **trained.metrics}, as_json=as_json)

    @app.command("evaluate")
    def _evaluate(
        workflow: WorkflowPath,
        source: Annotated[Path, typer.Option(help="Records file or folder, as `run --source` takes it.")],
        truth: Annotated[Path, typer.Option(help="JSON: reference to the list of its wrong fields.")],
        name: Name = NAME,
        version: Version = None,
        as_json: AsJson = False,
    ) -> None:
        """Score records whose truth is known; precision, recall and accuracy with 95 % intervals, by kind of error."""
        desk = open_desk()
        definition = desk.load(workflow)
        records = {item.reference: item.payload for item in read_source(definition, source).items}
        figures = evaluate(desk.models.get(name, version), records, _read_truth(truth), fields=definition.fields)
        _print(desk, figures.as_dict(), as_json=as_json)

    add_transparency(app, open_desk, default=NAME)

    @app.command("list")
    def _list(as_json: AsJson = False) -> None:
        """List the registered artifacts."""
        desk = open_desk()
        rows = [vars(row) for row in registry.listing(desk.database)]
        if as_json:
            typer.echo(json.dumps(rows, ensure_ascii=False))
            return
        table = Table("name", "version", "stage", "SHA-256")
        for row in rows:
            table.add_row(row["name"], row["version"], row["stage"], row["sha256"][:12])
        desk.console.print(table)
        for name in sorted({row["name"] for row in rows}):
            if automatic_rollback(desk.database, name):
                desk.console.print(f"{name}: `model auto-rollback` is on, audits that blame it take it back a step")

    add_loop(app, open_desk, read_history, default=NAME)

    @app.command("rollback")
    def _rollback(name: Name = NAME) -> None:
        """Go back one step: the previous version is champion again, the champion is retired."""
        desk = open_desk()
        previous = registry.at_stage(desk.database, name, "previous")
        if previous is None:
            raise UserError(f"{name} has no previous version to go back to; see `model list`")
        artifact = desk.models.verified(name, previous.version)
        left = registry.rollback(desk.database, name, previous.version, desk.user, sha256=artifact.sha256)
        desk.console.print(f"{name} {previous.version} is champion again; {left} is retired")

    add_match_verbs(app, open_desk, register=register, show=_print)
    return app


def _read_truth(path: Path) -> Truth:
    try:
        truth = _TRUTH.validate_json(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error})") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ": ".join((str(path), *(str(part) for part in first["loc"])))
        raise UserError(f"{place}: {first['msg']}; wanted: reference to a list of wrong fields") from error
    for reference, parts in truth.items():
        if any(not {"field", "kind"} <= set(part) for part in parts):
            raise UserError(f"{path}: {reference}: each wrong field needs field and kind")
    return truth


def _print(desk: ModelDesk, figures: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(figures, ensure_ascii=False, default=str))
        return
    table = Table("figure", "value")
    for name, value in figures.items():
        shown = json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, (dict, list)) else str(value)
        table.add_row(name, shown)
    desk.console.print(table)
