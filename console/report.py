"""`report`: figures with their intervals, of one run or of all runs of some days, on the terminal or as HTML."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from console.desk import AsJson, Desk, OpenDesk, as_data, plain, print_json
from console.html_report import write_run_report
from console.items import Name
from console.summary import report_tables, summary_table
from engine.errors import UserError
from engine.ledger import reads
from engine.ledger.facts import facts
from engine.ledger.proof import proof
from engine.metrics import read_truth, report, run_report
from engine.quality import Truth

Run = Annotated[int | None, typer.Argument(metavar="RUN", help="The run's number; default: all runs of some days.")]
Days = Annotated[int, typer.Option(min=1, help="How many days back, without a run.")]
TruthFile = Annotated[Path | None, typer.Option("--truth", help="JSON of reference to what is wrong in it.")]
Html = Annotated[Path | None, typer.Option("--html", help="Write the run's report as one HTML file.")]


def build_report(desk: OpenDesk) -> typer.Typer:
    """Build the `report` verb for whoever sits at the desk."""
    app = typer.Typer(name="report", subcommand_metavar="", help="Figures of a run, or of all runs of some days.")

    @app.callback(invoke_without_command=True, context_settings={"allow_interspersed_args": True})
    def show(
        run: Run = None,
        workflow: Name = None,
        days: Days = 30,
        truth: TruthFile = None,
        html: Html = None,
        as_json: AsJson = False,
    ) -> None:
        """Show straight-through rate, error rate, accuracy and time, each with n and a 95 % interval."""
        here = desk()
        known = read_truth(truth) if truth is not None else None
        if run is not None:
            _one_run(here, run, known, html, as_json=as_json)
        elif html is not None:
            raise UserError("an HTML report is of one run: name it, e.g. `report 12 --html run-12.html`")
        else:
            _all_runs(here, workflow, days, known, as_json=as_json)

    return app


def _one_run(here: Desk, run_id: int, truth: Truth | None, html: Path | None, *, as_json: bool) -> None:
    row = reads.run(here.database, run_id)
    workflow = here.workflow(row.definition_hash)
    told = run_report(facts(here.database, run_id=run_id), workflow, truth)
    if html is not None:
        write_run_report(here.database, here.evidence, workflow, run_id, html, truth)
    stands = proof(here.database, workflow.name)
    if as_json:
        print_json({**as_data(told), "proof": as_data(stands)})
    else:
        here.console.print(summary_table(told, html, stands))


def _all_runs(here: Desk, workflow: str | None, days: int, truth: Truth | None, *, as_json: bool) -> None:
    since = here.database.clock.now() - timedelta(days=days)
    told = report(facts(here.database, workflow=workflow, since=since), here.workflow, truth)
    stands = {group.key: proof(here.database, group.key) for group in told.by_workflow}
    if as_json:
        print_json({**as_data(told), "proof": as_data(stands)})
        return
    scope = f"{workflow or 'all workflows'}, runs of the last {days} days"
    here.console.print(Text.assemble(plain(scope, "bold")))
    here.console.print(report_tables(told, stands))
