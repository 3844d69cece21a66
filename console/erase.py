"""`erase`: take a person's data out by reference; what was erased is shown and asked about first."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from console.desk import As, AsJson, Keeper, OpenKeeper, plain, print_json
from console.items import Name, Why
from console.tables import table
from engine.errors import UserError
from engine.ledger.erasure import Erasable, erase, look, see_reason
from engine.ledger.reconciliation import open_items
from engine.ledger.vacuum import wipe
from engine.log_scrub import scrub_logs

Reference = Annotated[str, typer.Argument(metavar="REFERENCE", help="The item's whole reference, or a subject.")]
Rolling = Annotated[
    str | None,
    typer.Option("--reconciliation", help="Erase lines of this one: by name, reference, end-to-end id or account."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


_TELLING = 4
"""Characters of which a text found in a file is no accident."""


def add_erase(app: typer.Typer, desk: OpenKeeper) -> None:
    """Add the `erase` verb for whoever sits at the desk."""

    @app.command("erase")
    def erase_one(
        reference: Reference,
        reason: Why,
        workflow: Name = None,
        reconciliation: Rolling = None,
        who: As = None,
        yes: Yes = False,
        as_json: AsJson = False,
    ) -> None:
        """Erase the personal data of an item and its corrections; hashes, figures and times stay."""
        here = desk()
        if reconciliation is not None:
            _erase_lines(here, reconciliation, reference, who or here.user, reason, asks=not yes, as_json=as_json)
            return
        found = look(here.database, reference, workflow)
        see_reason(found, reason)
        if not as_json:
            _show(here, found)
        if not yes:
            if as_json:
                raise UserError("--json asks nothing: add --yes")
            typer.confirm("Erase this for good?", abort=True, err=True)
        # the log first: if it failed after the erasure, nobody would know any more what to look for in it
        # (references of corrections begin with the item's own)
        lines = scrub_logs(here.home / "logs", (found.reference,), found.item_ids)
        done = erase(here.database, here.evidence, found, who or here.user, reason)
        reports = _drop_reports(here.home / "reports", done.run_ids)
        wiped = wipe(here.database)
        if as_json:
            print_json({**asdict(done), "reports": reports, "log_lines": lines, "wiped": wiped})
            return
        items = ", ".join(str(item_id) for item_id in done.item_ids)
        here.console.print(plain(f"erased item(s) {items}: {done.files} file(s), {len(reports)} report(s) deleted"))
        here.console.print(plain(f"{lines} log line(s) of this computer blanked; other computers keep theirs 90 days"))
        if not wiped:
            here.console.print(plain(f"no query shows it any more; {_left(here)}"))


def _erase_lines(here: Keeper, name: str, subject: str, who: str, reason: str, *, asks: bool, as_json: bool) -> None:
    """Erase the lines of a subject from a rolling reconciliation."""
    items = open_items(here.database, name)
    found = items.erasable(subject)
    if asks:
        if as_json:
            raise UserError("--json asks nothing: add --yes")
        here.console.print(plain(f"{name}: words of {len(found.line_ids)} line(s); amounts, days and hashes stay"))
        typer.confirm("Erase this for good?", abort=True, err=True)
    long_enough = [one for one in found.mentions if len(one) >= _TELLING]
    lines = scrub_logs(here.home / "logs", long_enough, ())
    done = items.erase(subject, who, reason)
    files = _still_naming(here.home / "reconciliations", long_enough)
    wiped = wipe(here.database)
    if as_json:
        print_json({"lines": list(done.line_ids), "files_left": files, "log_lines": lines, "wiped": wiped})
        return
    here.console.print(plain(f"erased the words of {len(done.line_ids)} line(s); {lines} log line(s) blanked"))
    for path in files:
        here.console.print(plain(f"still named in {path}: delete it, or keep it as long as your proofs must be kept"))
    if not wiped:
        here.console.print(plain(f"no query shows it any more; {_left(here)}"))


def _still_naming(folder: Path, mentions: Iterable[str]) -> list[str]:
    """Return proofs, reports and tables that name one of these; a workbook is packed, and counts as its neighbours."""
    wanted = [form.encode() for one in mentions for form in {one, html.escape(one)}]
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    found = {path for path in files if any(one in path.read_bytes() for one in wanted)}
    return [str(path) for path in files if path in found or (path.suffix == ".xlsx" and _beside(path, found))]


def _beside(path: Path, found: Iterable[Path]) -> bool:
    return any(other.parent == path.parent for other in found)


def _show(here: Keeper, found: Erasable) -> None:
    listed = table("item", "state")
    for item_id, state in zip(found.item_ids, found.states, strict=True):
        listed.add_row(str(item_id), plain(state))
    here.console.print(plain(f"{found.workflow}, {found.reference}"))
    here.console.print(listed)
    rows = ", ".join(f"{count} {name}" for name, count in found.rows.items() if count)
    here.console.print(plain(f"payload, read-backs, words and files of: {rows or 'nothing else'}"))


def _left(here: Keeper) -> str:
    if here.database.is_sqlite:
        return (
            "its bytes are still in the ledger's file, which is in use: run `runner.py db vacuum` when no worker runs"
        )
    return (
        "its bytes stay in the server's free space until that is used again: `runner.py db vacuum` in a quiet hour "
        "rewrites the tables; the server's write-ahead log and its backups have their own time"
    )


def _drop_reports(folder: Path, run_ids: Iterable[int]) -> list[str]:
    """Delete the HTML reports of these runs; `report RUN --html FILE` writes one anew.

    Raises:
        UserError: one cannot be deleted.
    """
    found = [path for run_id in run_ids if (path := folder / f"run-{run_id:06d}.html").exists()]
    for path in found:
        try:
            path.unlink()
        except OSError as error:
            raise UserError(f"erased, but {path} still shows it: {error.strerror}; delete it by hand") from error
    return [str(path) for path in found]
