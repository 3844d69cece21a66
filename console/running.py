"""`run` and `worker`: start a workflow and work its items, or work whatever is open."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Protocol

import typer

from console.definitions import show_requests
from console.desk import NEEDS_PERSON, Desk, as_data, pairs
from engine.definition import Workflow, parse_duration
from engine.errors import UserError
from engine.intake import new_items
from engine.ledger import runs
from engine.ledger.proof import proof
from engine.metrics import RunReport
from engine.ports import SentRequest
from engine.secrets import SecretStore
from engine.values import Record
from engine.worker import Settings

Slots = Annotated[int, typer.Option(min=1, max=32, help="Items worked on at the same time.")]
Lease = Annotated[str, typer.Option(help="How long a claimed item is ours without a heartbeat.")]
BaseUrl = Annotated[str | None, typer.Option(help="Use this address instead of the application profile's.")]
Params = Annotated[list[str] | None, typer.Option("--param", help="name=value, for ${param.name}; may be repeated.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


class WorkDesk(Desk, Protocol):
    """A desk that has bots."""

    settings: Settings

    @property
    def secrets(self) -> SecretStore:
        """The places where secrets are looked up."""
        ...

    def load(self, path: Path, *, base_url: str | None = None, params: dict[str, str] | None = None) -> Workflow:
        """Load one definition."""
        ...

    def say(self, text: str, style: str = "") -> None:
        """Tell the person something, on standard error."""
        ...

    def report(self, run_id: int, workflow: Workflow, *, quiet: bool = False) -> RunReport:
        """Write a run's report and, unless quiet, show its summary."""
        ...

    def work(self, run_ids: list[int] | None, *, drain: bool = False) -> None:
        """Work these runs to their end; without runs, whatever is open, until stopped or drained."""
        ...

    def rehearse(self, workflow: Workflow, reference: str, payload: Record) -> Sequence[SentRequest]:
        """Take one record to the brink of its commit and return what would be sent."""
        ...


def add_run_verbs(app: typer.Typer, desk: Callable[[], WorkDesk]) -> None:
    """Add `run` and `worker`."""

    @app.command()
    def run(
        path: Annotated[Path, typer.Argument(help="A workflow definition, anywhere.")],
        source: Annotated[Path | None, typer.Option(help="Read the records from this file instead.")] = None,
        base_url: BaseUrl = None,
        param: Params = None,
        slots: Slots = 2,
        lease: Lease = "60s",
        limit: Annotated[int | None, typer.Option(help="Enqueue at most this many new records.")] = None,
        priority: Annotated[int | None, typer.Option(help="Larger is first; default: the workflow's own.")] = None,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Go to the brink of the first commit.")] = False,
        enqueue_only: Annotated[bool, typer.Option("--enqueue-only", help="Leave the work to `worker`.")] = False,
        as_json: AsJson = False,
    ) -> None:
        """Start a workflow: enqueue its records and work them to the end."""
        here = desk()
        workflow = here.load(path, base_url=base_url, params=pairs(param))
        items, rejected = new_items(workflow, source)
        if not enqueue_only:
            here.secrets.require((*workflow.app.login, *workflow.steps))
        if dry_run:
            _show_brink(here, workflow, items, as_json=as_json)
            return
        opened = runs.open_run(
            here.database, workflow, items[:limit], trigger=here.user, rejected=rejected, priority=priority
        )
        here.say(
            f"run {opened.run_id}: {opened.enqueued} enqueued, {opened.invalid} invalid, {opened.rejected} rows "
            f"rejected, {len(opened.already_known)} already known, {len(opened.conflicts)} in conflict"
        )
        if not enqueue_only:
            here.settings = Settings(slots=slots, lease=parse_duration(lease))
            here.work([opened.run_id])
        _finish(here, opened.run_id, workflow, as_json=as_json)

    @app.command()
    def worker(
        slots: Slots = 2,
        lease: Lease = "60s",
        drain: Annotated[bool, typer.Option("--drain", help="Stop when nothing is left to do.")] = False,
    ) -> None:
        """Work whatever is open in the ledger, until stopped (SIGTERM lets items in work end)."""
        here = desk()
        here.settings = Settings(slots=slots, lease=parse_duration(lease))
        here.work(None, drain=drain)


def _finish(here: WorkDesk, run_id: int, workflow: Workflow, *, as_json: bool) -> None:
    report = here.report(run_id, workflow, quiet=as_json)
    following = []
    if workflow.followed is not None:
        numbers = runs.followers_of(here.database, [run_id])
        following = [here.report(number, workflow.followed, quiet=True) for number in numbers]
    if as_json:
        told = {**as_data(report), "proof": as_data(proof(here.database, workflow.name))}
        told["following"] = [as_data(one) for one in following]
        typer.echo(json.dumps(told, ensure_ascii=False))
    for one in following:
        passed, waits = one.figures.passed, one.figures.in_review
        here.say(f"run {one.run.id}, {one.run.workflow} after run {run_id}: {passed} passed, {waits} in review")
    done = all(one.run.state == "done" and not one.figures.in_review for one in (report, *following))
    raise typer.Exit(0 if done else NEEDS_PERSON)


def _show_brink(here: WorkDesk, workflow: Workflow, items: Sequence[runs.NewItem], *, as_json: bool) -> None:
    item = next((one for one in items if not one.problems), None)
    if item is None:
        raise UserError("no valid record to go to the brink with; `runner.py run` without --dry-run lists the problems")
    requests = here.rehearse(workflow, item.reference, item.payload)
    show_requests(here.console, item.reference, requests, as_json=as_json)
