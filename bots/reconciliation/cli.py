"""`reconcile BANK BOOK`: two file names and nothing else make a first reconciliation, its report and its tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Protocol

import typer
from rich.console import Console

from bots.reconciliation.definition import DEFAULT
from bots.reconciliation.kinds import KINDS
from bots.reconciliation.loading import load_one
from engine.clock import SystemClock
from engine.errors import UserError


class ReconcileDesk(Protocol):
    """What the verb needs of the one who runs it; the runner provides it."""

    @property
    def home(self) -> Path:
        """The folder of reports."""
        ...

    @property
    def console(self) -> Console:
        """Standard output."""
        ...


def add_reconcile(app: typer.Typer, open_desk: Callable[[], ReconcileDesk]) -> None:
    """Add `reconcile` over a desk that is opened when it runs."""

    @app.command("reconcile")
    def _reconcile(
        bank: Annotated[
            Path, typer.Argument(metavar="BANK", help="The bank's file: CAMT, MT940, OFX, BAI2, CSV, XLSX.")
        ],
        book: Annotated[Path, typer.Argument(metavar="BOOK", help="The books' file: CSV, XLSX, XLS, ODS.")],
        definition: Annotated[Path | None, typer.Option(help="What is declared; default: told from the files.")] = None,
        out: Annotated[Path | None, typer.Option(help="Folder of the report and tables; default: in HOME.")] = None,
        asof: Annotated[
            datetime | None,
            typer.Option(formats=["%Y-%m-%d"], help="Day to which lines are old; default: the last one."),
        ] = None,
        currency: Annotated[str | None, typer.Option(help="Of tables without a currency column, e.g. EUR.")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")] = False,
    ) -> None:
        """Match a bank's file with the books': what closes, what a person decides, what is open, and why."""
        from bots.reconciliation import export, report, shown  # noqa: PLC0415 - slow to load, for this verb alone
        from bots.reconciliation.proving import prove  # noqa: PLC0415
        from bots.reconciliation.reconcile import reconcile  # noqa: PLC0415

        desk = open_desk()
        told = load_one(definition, KINDS) if definition else DEFAULT
        outcome = reconcile(bank, book, told, asof=_day(asof), currency=_currency(currency))
        folder = out or desk.home / "reconciliations" / f"{bank.stem}-{book.stem}"
        proof, written = prove(outcome, folder, SystemClock().now())
        written += export.write_tables(outcome, folder)
        page = report.write_report(outcome, folder / "report.html", [path.name for path in written])
        if as_json:
            _print_json(shown.summary(outcome, proof, [page, *written]))
        else:
            shown.show(outcome, proof, page, desk.console)


def _print_json(data: object) -> None:
    text = json.dumps(data, ensure_ascii=False, indent=2)
    typer.echo(text.encode("utf-8", "backslashreplace"))


def _day(given: datetime | None) -> date | None:
    return given.date() if given else None


def _currency(given: str | None) -> str | None:
    if given is not None and not (len(given) == 3 and given.isascii() and given.isupper()):  # noqa: PLR2004 - ISO 4217
        raise UserError(f"--currency {given}: write the three letters of ISO 4217, e.g. EUR")
    return given
