"""`reconcile BANK BOOK`: two file names and nothing else make a first reconciliation, its report and its tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bots.reconciliation.bridge import Bridge
from bots.reconciliation.definition import DEFAULT
from bots.reconciliation.kinds import KINDS
from bots.reconciliation.loading import load_one
from bots.reconciliation.wording import decimal, money, signed, visible
from engine.errors import UserError

_MOST = 10
"""Quarantined bookings that the terminal shows; the report and quarantine.csv hold all."""


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
        from bots.reconciliation import export, report  # noqa: PLC0415 - slow to load, for this verb alone
        from bots.reconciliation.reconcile import reconcile  # noqa: PLC0415

        desk = open_desk()
        told = load_one(definition, KINDS) if definition else DEFAULT
        outcome = reconcile(bank, book, told, asof=_day(asof), currency=_currency(currency))
        folder = out or desk.home / "reconciliations" / f"{bank.stem}-{book.stem}"
        written = export.write_tables(outcome, folder)
        page = report.write_report(outcome, folder / "report.html", [path.name for path in written])
        if as_json:
            text = json.dumps(summary(outcome, [page, *written]), ensure_ascii=False, indent=2)
            typer.echo(text.encode("utf-8", "backslashreplace"))
        else:
            _show(outcome, report.headline(outcome), page, desk.console)


def summary(outcome: Any, written: list[Path]) -> dict[str, Any]:
    """Return what an outcome comes to, as JSON-able data; amounts are texts in major units."""
    kinds = outcome.matched.matches.assign(kind=outcome.matched.matches["kind"].astype("str"))
    return {
        "said": list(outcome.sides.said),
        "asof": str(outcome.asof),
        "definition": {"path": outcome.definition.path, "sha256": outcome.definition.sha256},
        "inputs": [
            {"side": name, "file": str(one.path), "sha256": one.sha256, "format": one.format}
            for name, side in (("bank", outcome.sides.bank), ("books", outcome.sides.book))
            for one in side.deliveries
        ],
        "lines": {state: {"bank": bank, "books": book} for state, (bank, book) in outcome.counts().items()},
        "matches": [
            {"kind": kind, "state": "closed" if closed else "suggested", "matches": int(count)}
            for (kind, closed), count in kinds.groupby(["kind", "closed"], observed=True).size().items()
        ],
        "causes": {
            str(cause): int(count) for cause, count in outcome.breaks["cause"].value_counts().sort_index().items()
        },
        "accounts": [_account(one) for one in outcome.bridges],
        "quarantine": [
            problem
            for side in (outcome.sides.bank, outcome.sides.book)
            for one in side.deliveries
            for problem in one.problems()
        ],
        "files": [str(path) for path in written],
    }


def _account(one: Bridge) -> dict[str, Any]:
    steps = [
        {
            "what": step.what,
            "why": step.label,
            "amount": decimal(step.amount, one.currency),
            "bank_lines": step.bank,
            "book_lines": step.book,
        }
        for step in one.steps
    ]
    return {
        "account": one.account,
        "currency": one.currency,
        "compared": "balances" if one.balances else "movements",
        "bank": decimal(one.bank, one.currency),
        "books": decimal(one.book, one.currency),
        "difference": decimal(one.difference, one.currency),
        "unexplained": decimal(one.unexplained, one.currency),
        "steps": steps,
    }


def _show(outcome: Any, headline: str, page: Path, console: Console) -> None:
    for sentence in outcome.sides.said:
        console.print(Text(visible(sentence), style="dim"))
    console.print(_states(outcome.counts()))
    for one in outcome.bridges:
        console.print(_bridge(one))
        for gap in one.gaps:
            console.print(Text(visible(gap), style="red"))
    problems = [
        problem
        for side in (outcome.sides.bank, outcome.sides.book)
        for one in side.deliveries
        for problem in one.problems()
    ]
    if problems:
        console.print(Text(f"held back ({len(problems):,}):", style="red"))
        for problem in problems[:_MOST]:
            console.print(Text(f"  {visible(problem)}"))
        if len(problems) > _MOST:
            console.print(Text(f"  and {len(problems) - _MOST:,} more in quarantine.csv"))
    console.print(Text(headline, style="bold"))
    console.print(Text(f"report: {page}"), soft_wrap=True)


def _states(counts: dict[str, tuple[int, int]]) -> Table:
    table = Table("", *counts, "lines read", box=None, header_style="dim", pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for side, what in enumerate(("bank", "books")):
        read = sum(both[side] for state, both in counts.items() if state != "quarantined")
        table.add_row(what, *(f"{both[side]:,}" for both in counts.values()), f"{read:,}")
    return table


def _bridge(one: Bridge) -> Table:
    what = "balance" if one.balances else "movements"
    title = Text(f"{visible(one.account) or 'unnamed account'} {one.currency}", style="bold")
    table = Table(title=title, title_justify="left", box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    table.add_row(f"bank's {what}", money(one.bank, one.currency), "")
    for step in one.steps:
        sides = [f"{count:,} {side}" for count, side in ((step.bank, "bank"), (step.book, "books")) if count]
        table.add_row(f"  {_STEP[step.what]}{step.label}", signed(step.amount, one.currency), " + ".join(sides))
    table.add_row(f"books' {what}", money(one.book, one.currency), "explained to the cent")
    return table


_STEP = {"open": "open: ", "suggested": "in suggestions: ", "closed": "closed: ", "opening": "opening balances differ"}


def _day(given: datetime | None) -> date | None:
    return given.date() if given else None


def _currency(given: str | None) -> str | None:
    if given is not None and not (len(given) == 3 and given.isascii() and given.isupper()):  # noqa: PLR2004 - ISO 4217
        raise UserError(f"--currency {given}: write the three letters of ISO 4217, e.g. EUR")
    return given
