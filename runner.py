"""Countersign's command line, and the only place that wires bots, models, ledger and console together."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Annotated

import typer
from loguru import logger
from rich.console import Console

from bots.doctor import CheckLine, browser_report
from bots.dry_run import rehearse
from bots.office import BotOffice
from bots.profile import AppExtras
from bots.reconciliation.cli import add_reconcile
from bots.reconciliation.desk_cli import build_reconciliation
from bots.reconciliation.partitions import statement_rows
from bots.registry import step_kinds
from console.db import build_db
from console.definitions import add_definition_verbs
from console.erase import add_erase
from console.html_report import write_run_report
from console.items import build_items
from console.plan import add_plan_verbs
from console.report import build_report
from console.review import build_review
from console.reviewers import add_reviewers
from console.running import add_run_verbs
from console.scheduler import add_scheduler_verbs
from console.serve import add_serve
from console.summary import Progress, summary_table
from console.users import build_audit, build_users
from console.workers import build_workers
from engine import loader
from engine.definition import Workflow
from engine.errors import ItemException, UserError
from engine.evidence import EvidenceStore
from engine.ledger import models, retention, runs, schema, workers
from engine.ledger.database import Database
from engine.ledger.facts import facts
from engine.ledger.kept_heads import Heads
from engine.ledger.proof import proof
from engine.ledger.reconciliation import OpenItems, open_items, reviewed
from engine.logs import FILE_NAME as LOG_FILE
from engine.logs import configure
from engine.metrics import RunReport, run_report
from engine.planning.forecast import watch_deadlines
from engine.ports import Inspector, Registry, SentRequest
from engine.quality import Truth
from engine.redact import Redactor
from engine.secrets import SecretStore
from engine.values import Record
from engine.worker import Settings, Worker
from fixtures.cli import add_fixture_verbs
from qc_models.canaries import top_up
from qc_models.cli import NAME as ENTRY_QUALITY
from qc_models.cli import read_history, register, train_and_register
from qc_models.match.cli import frame_judge
from qc_models.registry import check_kinds
from qc_models.store import ModelStore
from qc_models.wiring import add_inspection_verbs, inspector_of, watchers

EXIT_DONE, EXIT_PERSON, EXIT_USER, EXIT_BUG = 0, 1, 2, 3

WORKFLOWS = Path(__file__).parent / "workflows"


@dataclass
class Office:
    """Everything one command needs, each part opened when first asked for (`console.desk.Desk`)."""

    home: Path = Path("var")
    user: str = field(default_factory=getpass.getuser)
    console: Console = field(default_factory=Console)
    errors: Console = field(default_factory=lambda: Console(stderr=True))
    redactor: Redactor = field(default_factory=Redactor)
    settings: Settings = field(default_factory=Settings)
    headless: bool = True
    _definitions: dict[str, Workflow] = field(default_factory=dict)

    @cached_property
    def registry(self) -> Registry:
        """Every step and check that a definition may name."""
        return Registry(step_kinds(), check_kinds(), AppExtras, statement_rows)

    @cached_property
    def ledger(self) -> Database:
        """The ledger as it is."""
        return Database(os.environ.get("COUNTERSIGN_DATABASE_URL") or str(self.home / "ledger.db"))

    @cached_property
    def database(self) -> Database:
        """The ledger, with this version's schema."""
        schema.prepare(self.ledger)
        return self.ledger

    @cached_property
    def evidence(self) -> EvidenceStore:
        """The evidence folder."""
        return EvidenceStore(self.home / "evidence", self.redactor)

    @cached_property
    def secrets(self) -> SecretStore:
        """The places where secrets are looked up."""
        return SecretStore(self.redactor)

    @property
    def models_dir(self) -> Path:
        """Where model artifacts lie."""
        return self.home / "models"

    @cached_property
    def models(self) -> ModelStore:
        """The model artifacts; the ledger says which is champion."""
        return ModelStore(
            self.models_dir,
            champion=lambda name: models.champion(self.database, name),
            registered=lambda name, version: models.digest(self.database, name, version),
        )

    def open_items(self, name: str | None, *, new: str | None = None) -> OpenItems:
        """Return the rolling open items of a reconciliation."""
        return open_items(self.database, name, new=new)

    def reviewed(self, name: str) -> dict[str, tuple[int, int]]:
        """Return what people reviewed of each kind of evidence in a reconciliation."""
        return reviewed(self.database, name)

    def heads(self) -> Heads:
        """Return the heads of proofs of reconciliation that the ledger keeps."""
        return Heads(self.database)

    def inspector(self) -> Inspector:
        """Return an inspector that remembers nothing of the work, and of which the work remembers nothing."""
        return inspector_of(self.models.afresh(), self.database)

    def load(self, path: Path, *, base_url: str | None = None, params: dict[str, str] | None = None) -> Workflow:
        """Load one definition."""
        return loader.load_one(path, self.registry, base_url=base_url, params=params)

    def say(self, text: str, style: str = "") -> None:
        """Tell the person at the terminal, on standard error: standard output is for results."""
        self.errors.print(text, style=style, markup=False, highlight=False)

    def ensure_model(self, workflow: Workflow, history: Path) -> None:
        """See that the workflow's model is there and registered; train it from past records if it is not."""
        versions = self.models.versions(ENTRY_QUALITY)
        if versions:
            try:
                register(self, self.models.get(ENTRY_QUALITY, versions[-1]), {})
            except UserError as error:  # made by an older release
                self.say(str(error))
            else:
                return
        self.say("training the entry-quality model from past invoices (once, half a minute)")
        trained = train_and_register(self, workflow, read_history(history, workflow), seed=1)
        models.promote(self.database, ENTRY_QUALITY, trained.version, self.user)

    def workflow(self, definition_hash: str) -> Workflow:
        """Return the definition that a run pinned, from the ledger's own copy."""
        if definition_hash not in self._definitions:
            snapshot = runs.pinned_snapshot(self.database, definition_hash)
            self._definitions[definition_hash] = loader.load_snapshot(snapshot, self.registry)
        return self._definitions[definition_hash]

    def report(self, run_id: int, workflow: Workflow, truth: Truth | None = None, *, quiet: bool = False) -> RunReport:
        """Write a run's report and, unless quiet, show its summary."""
        report = run_report(facts(self.database, run_id=run_id), workflow, truth)
        path = self.home / "reports" / f"run-{run_id:06d}.html"
        write_run_report(self.database, self.evidence, workflow, run_id, path, truth)
        if not quiet:
            self.console.print(summary_table(report, path, proof(self.database, workflow.name)))
        return report

    def work(self, run_ids: list[int] | None, *, drain: bool = False) -> None:
        """Work the given runs and those that follow them; without runs, whatever is open, until stopped or drained."""
        asyncio.run(self._work(run_ids, drain=drain))
        if run_ids and (following := runs.followers_of(self.database, run_ids)):
            self.work(following)

    def rehearse(self, workflow: Workflow, reference: str, payload: Record) -> tuple[SentRequest, ...]:
        """Take one record to the brink of its commit and return what would be sent."""
        bots = BotOffice(headless=self.headless, redactor=self.redactor, secrets=self.secrets)
        return asyncio.run(rehearse(bots, workflow, reference, payload))

    def prune(self, database: Database) -> None:
        """Let go of some of what was kept long enough."""
        retention.prune_some(database, self.evidence, self.workflow)

    async def _work(self, run_ids: list[int] | None, *, drain: bool) -> None:
        with Progress(self, run_ids) as progress:
            async with BotOffice(
                headless=self.headless,
                redactor=self.redactor,
                secrets=self.secrets,
                judge=lambda: frame_judge(self.models),
                reviewed=self.reviewed,
            ) as bots:
                worker = Worker(
                    database=self.database,
                    office=bots,
                    inspector=inspector_of(self.models, self.database),
                    definitions=self.workflow,
                    evidence=self.evidence,
                    settings=self.settings,
                    on_settled=progress.settled,
                    watchers=(*WATCHERS, self.prune, lambda database: top_up(database, self.workflow, self.inspector)),
                )
                for number in (signal.SIGTERM, signal.SIGINT):
                    asyncio.get_running_loop().add_signal_handler(number, worker.stop)
                await worker.run(run_ids, drain=drain)


app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
office = Office()
WATCHERS: tuple[Callable[[Database], object], ...] = (
    workers.report_lost,
    watch_deadlines,
    *watchers(lambda: office),
)
"""What every worker and scheduler sees to now and then."""
Home = Annotated[Path, typer.Option(envvar="COUNTERSIGN_HOME", help="Ledger, evidence, models, logs.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


@app.callback()
def _main(
    context: typer.Context,
    home: Home = Path("var"),
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show every log line.")] = False,
) -> None:
    """Countersign: a bot does the work, a model countersigns it, a person rules on what is in doubt."""
    office.home = home
    quiet = context.invoked_subcommand in {"schema", "steps", "validate", "doctor", None}
    level = "DEBUG" if verbose else "ERROR" if context.invoked_subcommand == "demo" else "WARNING"
    log_dir = None if quiet else home / "logs"
    configure(log_dir=log_dir, console_level=level, redactor=office.redactor, console=office.errors)
    sys.excepthook = _our_bug


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say what is present, what is missing and how to mend it."""
    lines = [*asyncio.run(browser_report()), _ledger_line()]
    if as_json:
        typer.echo(json.dumps([asdict(line) for line in lines], ensure_ascii=False))
    else:
        for line in lines:
            office.console.print("[green]ok[/]     " if line.ok else "[red]missing[/]", end=" ")
            office.console.print(f"{line.name}: {line.detail}", markup=False, highlight=False)
            if not line.ok:
                office.console.print(f"        {line.mend}", markup=False, highlight=False)
    raise typer.Exit(EXIT_DONE if all(line.ok for line in lines) else EXIT_USER)


def _ledger_line() -> CheckLine:
    try:
        ledger = office.ledger
        found = None if ledger.is_new_file else schema.version(ledger)  # a file is not made by being looked for
    except UserError as error:
        return CheckLine("ledger", False, str(error), "set or unset COUNTERSIGN_DATABASE_URL")
    detail = f"{ledger.name} (schema {found})" if found else f"{ledger.name} (empty, set up when first used)"
    current = found is None or found == schema.newest()
    return CheckLine("ledger", current, detail, "" if current else "run `runner.py db upgrade`, or update Countersign")


def _our_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Log what escaped everything, say where, and end with our own exit code instead of Python's."""
    logger.opt(exception=(kind, error, trace)).critical("this is a bug of ours: {}", kind.__name__)
    office.say(f"please report it with {office.home / 'logs' / LOG_FILE}")
    sys.stdout.flush()
    os._exit(EXIT_BUG)


def main() -> None:
    """Run the command line; a user's mistake ends with 2 and a sentence, a bug of ours with 3 and a log."""
    try:
        app()
    except UserError as error:
        office.say(str(error), style="red")
        sys.exit(EXIT_USER)
    except ItemException as error:
        office.say(f"{error.code}: {error.message}", style="red")
        sys.exit(EXIT_PERSON)


add_definition_verbs(app, lambda: office)
add_run_verbs(app, lambda: office)
app.add_typer(build_db(lambda: office), name="db")
add_erase(app, lambda: office)
add_fixture_verbs(app, lambda: office, WORKFLOWS)
add_plan_verbs(app, lambda: office)
add_scheduler_verbs(app, lambda: office, watchers=WATCHERS)
app.add_typer(build_items(lambda: office), name="items")
app.add_typer(build_review(lambda: office), name="review")
add_reviewers(app, lambda: office)
app.add_typer(build_report(lambda: office), name="report")
app.add_typer(build_workers(lambda: office), name="workers")
add_serve(app, lambda: office, Path(__file__))
app.add_typer(build_users(lambda: office), name="users")
app.add_typer(build_audit(lambda: office), name="audit")
add_inspection_verbs(app, lambda: office)
add_reconcile(app, lambda: office, judge=lambda: frame_judge(office.models))
app.add_typer(build_reconciliation(lambda: office, judge=lambda: frame_judge(office.models)), name="reconciliation")

if __name__ == "__main__":
    main()
