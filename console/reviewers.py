"""`reviewers`: what the people miss who review, measured by canaries and by second looks."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from console.desk import AsJson, OpenDesk, plain, print_json
from console.tables import table
from console.wording import NOT_KNOWN, interval, percent, seconds
from engine.errors import UserError
from engine.intervals import Proportion
from engine.ledger.canary_reads import newest_definition
from engine.ledger.reviewer_results import canary_results, decision_seconds, second_results
from engine.reviewers import ReviewerFigures, figures

Name = Annotated[str | None, typer.Argument(metavar="WORKFLOW", help="Only reviews of this workflow; default: all.")]


def add_reviewers(app: typer.Typer, desk: OpenDesk) -> None:
    """Add the `reviewers` verb for whoever sits at the desk."""

    @app.command("reviewers")
    def reviewers(workflow: Name = None, as_json: AsJson = False) -> None:
        """Show what reviewers catch, miss and break, and how far two of them agree; each with its 95 % interval."""
        here = desk()
        if workflow is not None and newest_definition(here.database, workflow) is None:
            raise UserError(f"{workflow} has no run; `runner.py run` makes one")
        found = figures(
            canary_results(here.database, workflow),
            second_results(here.database, workflow),
            decision_seconds(here.database, workflow),
        )
        if as_json:
            print_json({"overall": found[0], "reviewers": found[1:]})
            return
        here.console.print(_people(found))
        if found[0].by_error:
            here.console.print(_errors(found[0]))
        if found[0].wrong_field:
            said = f"{found[0].wrong_field} planted error(s) were left in while another field was corrected: missed"
            here.console.print(said)


def _people(found: list[ReviewerFigures]) -> Table:
    made = table(
        "reviewer", "errors caught", "false corrections", "agreement", "kappa", "disputed", "overruled", "pace"
    )
    for one in found:
        made.add_row(
            plain(one.reviewer or "all", "" if one.reviewer else "bold"),
            _share(one.sensitivity),
            _share(one.false_corrections),
            _share(one.agreement),
            f"{one.kappa:.2f}" if one.kappa is not None else "-",
            str(one.disputed),
            str(one.overruled),
            seconds(one.median_seconds) if one.median_seconds is not None else "-",
        )
    return made


def _errors(everybody: ReviewerFigures) -> Table:
    made = table("planted error", "caught")
    for kind, caught in everybody.by_error.items():
        made.add_row(plain(kind.replace("_", " ")), _share(caught))
    return made


def _share(found: Proportion) -> str:
    return f"{percent(found.value)} ({interval(found)})" if found.n else NOT_KNOWN
