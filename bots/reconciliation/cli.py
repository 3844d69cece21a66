"""`reconcile BANK BOOK`: two file names and nothing else make a first reconciliation, its report and its tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer
from rich.console import Console

from bots.reconciliation.definition import DEFAULT
from bots.reconciliation.kinds import KINDS
from bots.reconciliation.loading import load_one
from bots.reconciliation.ports import Heads, OpenItems
from engine.clock import SystemClock
from engine.errors import UserError

if TYPE_CHECKING:
    from bots.reconciliation.judging import Judge


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

    @property
    def user(self) -> str:
        """Who sits here."""
        ...

    def heads(self) -> Heads:
        """Return the heads of proofs that the ledger keeps."""
        ...

    def open_items(self, name: str | None) -> OpenItems:
        """Return the open items that are kept of a reconciliation."""
        ...

    def reviewed(self, name: str) -> Mapping[str, tuple[int, int]]:
        """Return what people reviewed of each kind in a reconciliation: how many, and how many wrong ones."""
        ...


def add_reconcile(
    app: typer.Typer, open_desk: Callable[[], ReconcileDesk], *, judge: Callable[[], Judge | None] | None = None
) -> None:
    """Add `reconcile` over a desk that is opened when it runs; `judge` gives suggestions a probability."""

    @app.command("reconcile")
    def _reconcile(
        bank: Annotated[
            Path | None, typer.Argument(metavar="BANK", help="The bank's file: CAMT, MT940, OFX, BAI2, CSV, XLSX.")
        ] = None,
        book: Annotated[
            Path | None, typer.Argument(metavar="BOOK", help="The books' file: CSV, XLSX, XLS, ODS.")
        ] = None,
        definition: Annotated[Path | None, typer.Option(help="What is declared; default: told from the files.")] = None,
        out: Annotated[Path | None, typer.Option(help="Folder of the report and tables; default: in HOME.")] = None,
        asof: Annotated[
            datetime | None,
            typer.Option(formats=["%Y-%m-%d"], help="Day to which lines are old; default: the last one."),
        ] = None,
        what_if: Annotated[
            Path | None, typer.Option(help="A changed definition: which closed matches would it touch?")
        ] = None,
        currency: Annotated[str | None, typer.Option(help="Of tables without a currency column, e.g. EUR.")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")] = False,
    ) -> None:
        """Match a bank's file with the books': what closes, what a person decides, what is open, and why."""
        from bots.reconciliation import session  # noqa: PLC0415 - slow to load, for this verb alone
        from bots.reconciliation.gate import own_evidence  # noqa: PLC0415 - loads scipy

        desk = open_desk()
        now = load_one(definition, KINDS) if definition else DEFAULT
        then = load_one(what_if, KINDS) if what_if else None
        if bank is None or book is None:
            if then is None or bank is not None:
                raise UserError(
                    "name the bank's file and the books' file, or only --what-if for the history that is kept"
                )
            name = now.file.name if definition else then.file.name
            folder = out or desk.home / "reconciliations" / name
            session.replay(desk.open_items(name), now, then, folder, desk.console, as_json=as_json)
            return
        wanted = session.Wanted(
            bank=bank,
            book=book,
            definition=now,
            folder=out or desk.home / "reconciliations" / f"{bank.stem}-{book.stem}",
            asof=asof.date() if asof else None,
            currency=_currency(currency),
            judge=judge() if judge else None,
            evidence=own_evidence(desk.reviewed(now.file.name)) if definition else (),
        )
        if then is not None:
            session.compare(wanted, then, desk.console, as_json=as_json)
        else:
            keep = session.Keep(desk.heads(), desk.user)
            session.conclude(wanted, keep, SystemClock().now(), desk.console, as_json=as_json)


def _currency(given: str | None) -> str | None:
    if given is not None and not (len(given) == 3 and given.isascii() and given.isupper()):  # noqa: PLR2004 - ISO 4217
        raise UserError(f"--currency {given}: write the three letters of ISO 4217, e.g. EUR")
    return given
