"""The `model` verbs of the loop: retrain, shadow, replay, promote, auto-rollback."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Protocol

import typer
from rich.console import Console
from rich.table import Table

from engine.definition import Workflow
from engine.errors import UserError
from engine.ledger import models as registry
from engine.ledger.model_rule import set_automatic_rollback
from engine.values import Record
from qc_models.loop.betting import Interval
from qc_models.loop.challenger import retrain
from qc_models.loop.desk import ReplayDesk, Report, reports, version_row
from qc_models.loop.replay import Comparison

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Name = Annotated[str, typer.Option(help="Which model.")]
Shorter = Annotated[str | None, typer.Option("--workflow", help="Only this workflow's traffic.")]


class OnOff(StrEnum):
    """A switch."""

    ON = "on"
    OFF = "off"


class LoopDesk(ReplayDesk, Protocol):
    """What the verbs need of the one who runs them; the runner provides it."""

    @property
    def models_dir(self) -> Path:
        """Where artifacts are written."""
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


def add_loop(
    app: typer.Typer,
    open_desk: Callable[[], LoopDesk],
    read_history: Callable[[Path, Workflow], list[Record]],
    *,
    default: str,
) -> None:
    """Add the verbs to the `model` verbs."""
    _add_retrain(app, open_desk, read_history, default)
    _add_shadow(app, open_desk, default)
    _add_replay(app, open_desk, default)
    _add_promote(app, open_desk, default)
    _add_auto_rollback(app, open_desk, default)


def _add_retrain(
    app: typer.Typer,
    open_desk: Callable[[], LoopDesk],
    read_history: Callable[[Path, Workflow], list[Record]],
    default: str,
) -> None:
    @app.command("retrain")
    def _retrain(
        workflow: Annotated[Path, typer.Argument(help="The workflow whose records the model inspects.")],
        history: Annotated[Path | None, typer.Option(help="Older verified records, JSON Lines, oldest first.")] = None,
        shadow: Annotated[bool, typer.Option("--shadow", help="Score it beside the champion from now on.")] = False,
        misses: Annotated[float, typer.Option(help="Share of wrong records that reviewers let pass.")] = 0.0,
        seed: Annotated[int, typer.Option(help="Decides every draw.")] = 1,
        name: Name = default,
        as_json: AsJson = False,
    ) -> None:
        """Train a challenger from the ledger's verified records and reviews; three in ten references are held out."""
        desk = open_desk()
        definition = desk.load(workflow)
        older = read_history(history, definition) if history else []
        trained, found = retrain(
            desk.database,
            desk.models,
            definition,
            desk.workflow,
            name=name,
            seed=seed,
            models_dir=desk.models_dir,
            older=older,
            misses=misses,
            shadow=shadow,
            actor=desk.user,
        )
        row = next(one for one in registry.listing(desk.database, name) if one.version == trained.version)
        if as_json:
            typer.echo(json.dumps({"version": trained.version, "stage": row.stage, **row.metrics}, default=str))
            return
        wrong = sum(one.wrong for one in found.reviewed)
        desk.console.print(
            f"{name} {trained.version} is {row.stage}: learnt from {len(older) + len(found.history):,} verified "
            f"records and {len(found.reviewed):,} reviews ({wrong:,} wrong); {found.held_out:,} outputs held out",
            highlight=False,
        )


def _add_shadow(app: typer.Typer, open_desk: Callable[[], LoopDesk], default: str) -> None:
    @app.command("shadow")
    def _shadow(
        version: Annotated[str, typer.Argument()],
        off: Annotated[bool, typer.Option("--off", help="Stop scoring it.")] = False,
        name: Name = default,
    ) -> None:
        """Score a challenger on every case beside the champion; it decides nothing."""
        desk = open_desk()
        version_row(desk.database, name, version)
        if not off:
            desk.models.verified(name, version)
        registry.set_shadow(desk.database, name, version, desk.user, on=not off)
        desk.console.print(f"{name} {version} is {'a challenger again' if off else 'in shadow'}")


def _add_replay(app: typer.Typer, open_desk: Callable[[], LoopDesk], default: str) -> None:
    @app.command("replay")
    def _replay(
        challenger: Annotated[str, typer.Argument(help="The version to try.")],
        against: Annotated[str | None, typer.Option(help="The version to compare with; default: the champion.")] = None,
        workflow: Shorter = None,
        since: Annotated[str | None, typer.Option(help="Only outputs inspected since then, ISO 8601 (UTC).")] = None,
        name: Name = default,
        as_json: AsJson = False,
    ) -> None:
        """Put logged traffic before two versions: errors caught and lost, queue, rates with intervals."""
        desk = open_desk()
        start = _instant(since) if since else None
        found = reports(desk, name, challenger, against=against, workflow=workflow, since=start)
        if as_json:
            typer.echo(json.dumps([one.as_dict() for one in found], ensure_ascii=False))
            return
        for one in found:
            show(desk.console, one)


def _add_promote(app: typer.Typer, open_desk: Callable[[], LoopDesk], default: str) -> None:
    @app.command("promote")
    def _promote(
        version: Annotated[str, typer.Argument()],
        name: Name = default,
        anyway: Annotated[
            str | None, typer.Option(metavar="REASON", help="Promote against the rule; the reason is kept.")
        ] = None,
    ) -> None:
        """Make a version the champion if a replay shows it better and no segment worse; else it is refused."""
        desk = open_desk()
        version_row(desk.database, name, version)
        artifact = desk.models.verified(name, version)
        champion = registry.champion(desk.database, name)
        why: dict[str, object] = {}
        against = None
        if anyway is not None:
            if not anyway.strip():
                raise UserError("say why it is promoted against the rule: --anyway REASON")
            why = {"anyway": anyway.strip()}
        elif champion not in {None, version}:
            why, against = {"replay": _shown(desk, name, version, champion)}, champion
        registry.promote(desk.database, name, version, desk.user, sha256=artifact.sha256, against=against, why=why)
        desk.console.print(f"{name} {version} is champion")


def _add_auto_rollback(app: typer.Typer, open_desk: Callable[[], LoopDesk], default: str) -> None:
    @app.command("auto-rollback")
    def _auto_rollback(
        switch: Annotated[OnOff, typer.Argument(help="Off unless somebody turned it on.")], name: Name = default
    ) -> None:
        """Let a model go back one step by itself when audits find more errors and the cause is the model."""
        desk = open_desk()
        set_automatic_rollback(desk.database, name, desk.user, on=switch is OnOff.ON)
        desk.console.print(f"{name}: automatic rollback is {switch.value}")


def _shown(desk: LoopDesk, name: str, version: str, champion: str | None) -> dict[str, object]:
    """Return what the replays show; UserError with the figures if that is not enough."""
    try:
        found = reports(desk, name, version, against=champion)
    except UserError as error:
        raise UserError(f"{name} {version} is not promoted: {error} ({ANYWAY})") from error
    against = [f"{one.workflow}: {text}" for one in found for text in one.decision.objections]
    if against:
        for one in found:
            show(desk.console, one)
        raise UserError(f"{name} {version} is not promoted: {'; '.join(against)} ({ANYWAY})")
    return {one.workflow: {"sentence": one.sentence, **one.decision.overall.as_dict()} for one in found}


ANYWAY = "a person may decide otherwise: --anyway REASON"


def show(console: Console, one: Report) -> None:
    """Print a replay."""
    overall = one.decision.overall
    console.print(f"{one.workflow}: {one.sentence}", highlight=False, markup=False)
    table = Table("", f"{one.champion} (in use)", one.challenger)
    for label, name in (
        ("recall", "recall"),
        ("wrong among the passed", "residual"),
        ("right among the flagged", "false_alarms"),
        ("queue", "queue"),
    ):
        table.add_row(label, *(_share(getattr(side, name)) for side in (overall.champion, overall.challenger)))
    console.print(table)
    groups = Table("segment", "records", "errors caught more per 1,000", "queue")
    for label, part in (("all", overall), *one.decision.segments.items()):
        groups.add_row(label, f"{part.records:,}", _per_thousand(part), _times(part.queue_ratio))
    console.print(groups)
    left = one.replayed
    console.print(
        f"{left.traffic.shadowed:,} scored in shadow; {overall.waiting:,} wait for a person; left out: "
        f"{left.trained_on:,} learnt from, {left.unknown_probability:,} without an audit probability, "
        f"{left.unscorable:,} not to be scored any more",
        highlight=False,
    )
    verdict = "the rule allows a promotion" if one.decision.allowed else "the rule is against a promotion: "
    console.print(verdict + "; ".join(one.decision.objections), highlight=False, markup=False)


def _share(one: Interval) -> str:
    if math.isnan(one.value):
        return "not known"
    return f"{one.value:.2%} [{one.low:.2%}, {one.high:.2%}]"


def _per_thousand(one: Comparison) -> str:
    gain = one.improvement
    if math.isnan(gain.value):
        return "not known"
    return f"{gain.value * 1000:+.2f} [{gain.low * 1000:+.2f}, {gain.high * 1000:+.2f}]"


def _times(ratio: Interval) -> str:
    if math.isnan(ratio.value):
        return "not known"
    return f"x {ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise UserError(f"--since {text}: write a date or an instant as 2026-01-31 or 2026-01-31T06:00") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
