"""The `quality` verbs: status, certify, receipt, verify, dial, resume."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer
from rich.console import Console
from rich.text import Text

from engine.definition import Workflow
from engine.errors import UserError
from engine.ledger import certificates, sampling
from engine.ledger.certificates import Scope
from engine.ledger.database import Database
from qc_models.guarantee.switching import Event, step
from qc_models.promise import costs as dials
from qc_models.promise import receipts, views
from qc_models.promise.certify import Subject
from qc_models.promise.gauge import gauge
from qc_models.promise.promised import Promise, model_check
from qc_models.promise.watch import look, put, start

EXIT_PERSON = 1
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Of = Annotated[str, typer.Argument(metavar="WORKFLOW", help="A definition's file, or the name of its workflow.")]
Out = Annotated[Path | None, typer.Option("--out", help="Write it with all audits behind it, to be verified anywhere.")]


class QualityDesk(Protocol):
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

    def load(self, path: Path) -> Workflow:
        """Load one definition."""
        ...

    def workflow(self, definition_hash: str) -> Workflow:
        """Return a definition that a run pinned."""
        ...


def build_quality(open_desk: Callable[[], QualityDesk]) -> typer.Typer:
    """Return the `quality` verbs over a desk that is opened when one of them runs."""
    app = typer.Typer(no_args_is_help=True, help="What is proven of the error rate, by what, and what it costs.")

    @app.command("status")
    def _status(workflow: Of, as_json: AsJson = False) -> None:
        """Show the error budget, the figures with their bounds, the sampling, and every certificate."""
        desk = open_desk()
        seen = gauge(desk.database, _of(desk, workflow)[0])
        _print(desk, seen.as_dict(), views.status(seen), as_json=as_json)

    @app.command("certify")
    def _certify(workflow: Of, as_json: AsJson = False) -> None:
        """Look at the audits and issue what they prove; exit code 1 if they prove nothing yet. Each look costs."""
        desk = open_desk()
        definition, scope = _of(desk, workflow)
        params = model_check(definition)
        if params is None:
            raise UserError(f"{definition.name}: no model inspects its outputs, so there is nothing to certify")
        plan = sampling.plan_of(desk.database, definition.name, definition.review.audit_sample)
        after = start(plan).of(scope.hash).after
        found = look(desk.database, Subject(definition, Promise.of(params), scope, after), desk.user)
        told = {
            "certificate": found.issued.id,
            "threshold": found.issued.threshold,
            "there": found.there,
            "missing": found.missing,
            "reason": found.reason,
        }
        _print(desk, told, [Text(found.reason)], as_json=as_json)
        raise typer.Exit(0 if found.issued.threshold is not None else EXIT_PERSON)

    @app.command("dial")
    def _dial(
        workflow: Of,
        minutes: Annotated[float | None, typer.Option(min=0, help="Of one review; default: as measured.")] = None,
        setting: Annotated[float | None, typer.Option("--set", help="Review at or over this, if it is proven.")] = None,
        as_json: AsJson = False,
    ) -> None:
        """Show review minutes against the bound by threshold, as of the newest look; a proven one may be set."""
        desk = open_desk()
        definition, scope = _of(desk, workflow)
        floor = sampling.plan_of(desk.database, definition.name, definition.review.audit_sample).floor
        found = dials.costs(desk.database, scope, floor, minutes)
        if setting is None:
            _print(desk, views.dial_dict(found), views.dial(found), as_json=as_json)
            return
        point = dials.point_at(found, setting)
        share = definition.review.audit_sample
        issued = dials.put_in_force(desk.database, found, point, desk.user, audit_sample=share)
        told = {"certificate": issued.id, "threshold": issued.threshold, "minutes_per_1000": point.minutes}
        said = (
            f"certificate {issued.id}: review at {issued.threshold:.4g}, {point.minutes:.0f} minutes per 1,000 records"
        )
        _print(desk, told, [Text(said)], as_json=as_json)

    @app.command("resume")
    def _resume(workflow: Of, reason: Annotated[str, typer.Option(help="What was wrong, and was mended.")]) -> None:
        """Let a stopped promise begin again, with tightened sampling."""
        desk = open_desk()
        definition, _ = _of(desk, workflow)
        with desk.database.write() as connection:
            share = definition.review.audit_sample
            memory = start(sampling.locked(connection, desk.database, definition.name, share))
            after = step(memory.sampling, Event.RESUMED, f"{reason} ({desk.user})")
            if after == memory.sampling:
                raise UserError(f"{definition.name} is not stopped: sampling is {memory.sampling.level.value}")
            put(connection, desk.database, definition, memory.sampled(after))
        desk.console.print(f"{definition.name}: {after.level.value} sampling", markup=False, highlight=False)

    _add_receipts(app, open_desk)
    return app


def _add_receipts(app: typer.Typer, open_desk: Callable[[], QualityDesk]) -> None:
    @app.command("receipt")
    def _receipt(item: Annotated[int, typer.Argument(min=1)], out: Out = None, as_json: AsJson = False) -> None:
        """Show what stands behind an item that passed by itself."""
        desk = open_desk()
        told = receipts.receipt(desk.database, item)
        if out is not None:
            out.write_text(receipts.exported(desk.database, item), encoding="utf-8")
        _print(desk, told, views.receipt(told, out), as_json=as_json)

    @app.command("verify")
    def _verify(path: Annotated[Path, typer.Argument(metavar="FILE")], as_json: AsJson = False) -> None:
        """Check an exported receipt: hashes, p-values and threshold are computed again; exit code 1 if it fails."""
        desk = open_desk()
        found = receipts.problems(path)
        _print(desk, {"holds": not found, "problems": found}, views.verified(found), as_json=as_json)
        raise typer.Exit(EXIT_PERSON if found else 0)


def _of(desk: QualityDesk, named: str) -> tuple[Workflow, Scope]:
    """Return the definition that the newest outputs of a workflow were inspected under, and their scope."""
    path = Path(named)
    name = desk.load(path).name if path.suffix in {".yaml", ".yml"} or path.is_file() else named
    scopes = certificates.scopes(desk.database, name)
    if not scopes:
        raise UserError(f"{name}: no output was inspected by a model yet, so there is nothing to prove")
    return desk.workflow(scopes[0].definition_hash), scopes[0]


def _print(desk: QualityDesk, told: dict[str, Any], shown: list[Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False, allow_nan=False))
        return
    for part in shown:
        desk.console.print(part)
