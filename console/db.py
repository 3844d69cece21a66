"""`db`: bring the ledger up to date, check it, back it up, restore it, and say that a restored one may be trusted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Protocol

import typer
from rich.table import Table

from console.desk import NEEDS_PERSON, As, AsJson, Desk, plain, print_json
from engine.ledger import backup as backups
from engine.ledger import restore as restores
from engine.ledger import schema
from engine.ledger.archive import EVIDENCE
from engine.ledger.check import Report, check
from engine.ledger.database import Database
from engine.ledger.trust import trust

BackupFile = Annotated[Path, typer.Argument(metavar="FILE", help="The backup, a .zip file.")]


class Keeper(Desk, Protocol):
    """A desk that also reaches the ledger whose schema is not this version's, and the files beside it."""

    @property
    def ledger(self) -> Database:
        """The ledger as it is, opened without a look at its schema."""
        ...

    @property
    def home(self) -> Path:
        """The folder of logs and reports."""
        ...

    @property
    def models_dir(self) -> Path:
        """Where model artifacts lie."""
        ...


def build_db(desk: Callable[[], Keeper]) -> typer.Typer:
    """Build the `db` verbs for whoever sits at the desk."""
    app = typer.Typer(name="db", help="Upgrade, check, back up and restore the ledger.", no_args_is_help=True)

    @app.command()
    def upgrade(as_json: AsJson = False) -> None:
        """Bring the ledger's schema up to date; stop workers and make a backup first."""
        here = desk()
        before, after = schema.upgrade(here.ledger)
        if as_json:
            print_json({"ledger": here.ledger.name, "before": before, "after": after})
        else:
            said = f"has schema {after} already" if before == after else f"schema {before or 'none'} -> {after}"
            here.console.print(plain(f"{here.ledger.name}: {said}"))

    @app.command("check")
    def look(
        deep: Annotated[bool, typer.Option("--deep", help="Read every evidence file and compare its SHA-256.")] = False,
        as_json: AsJson = False,
    ) -> None:
        """Check connection, schema, integrity, the ledger's invariants and its files; exit 1 if something is wrong."""
        here = desk()
        report = check(here.ledger, here.evidence, models=here.models_dir, deep=deep)
        if as_json:
            print_json(report)
        else:
            _show(here, report)
        if report.wrong:
            raise typer.Exit(NEEDS_PERSON)

    @app.command()
    def backup(
        path: BackupFile,
        no_evidence: Annotated[bool, typer.Option("--no-evidence", help="Leave the evidence files out.")] = False,
        as_json: AsJson = False,
    ) -> None:
        """Write the ledger, its evidence and the models to one file, while workers go on."""
        here = desk()
        store = None if no_evidence else here.evidence
        made = backups.backup(here.ledger, path, store=store, models=here.models_dir)
        size = path.stat().st_size
        if as_json:
            print_json({"file": path, "bytes": size, **asdict(made)})
        else:
            items, files = (made.members.get(name) for name in ("tables/items.jsonl", EVIDENCE))
            counted = f"{items.entries if items else 0} item(s), {files.entries if files else 'no'} evidence file(s)"
            said = f"{path}: {counted}, as of {made.ledger_time:%Y-%m-%d %H:%M:%S} UTC; {_size(size)}"
            here.console.print(plain(said))

    @app.command()
    def restore(path: BackupFile, who: As = None, as_json: AsJson = False) -> None:
        """Fill an empty ledger from a backup; until `db trust`, nothing is entered before the application was asked."""
        here = desk()
        done = restores.restore(here.ledger, path, who or here.user, store=here.evidence, models=here.models_dir)
        if as_json:
            print_json(done)
        else:
            _tell(here, done)

    @app.command("trust")
    def believe(who: As = None, as_json: AsJson = False) -> None:
        """Say that a restored ledger is complete again: new items are entered without asking first."""
        here = desk()
        known = trust(here.database, who or here.user)
        if as_json:
            print_json(known)
        else:
            here.console.print(plain(f"{known.trusted_by} trusts the ledger restored at {known.at:%Y-%m-%d %H:%M} UTC"))

    return app


def _tell(here: Keeper, done: restores.Restoration) -> None:
    when = f"{done.backup_of:%Y-%m-%d %H:%M:%S} UTC"
    here.console.print(plain(f"{here.ledger.name}: restored as of {when}, {done.rows['items']} item(s)"))
    said = (
        f"what was committed since is not in it: {done.open_items} open item(s), and every new one, are asked for in "
        "the application before they are entered, until `runner.py db trust`"
    )
    here.console.print(plain(said))
    if done.evidence_files is None:
        here.console.print(plain(f"the backup holds no evidence: put the evidence folder at {here.evidence.root}"))


def _show(here: Keeper, report: Report) -> None:
    table = Table("what", "how much", show_header=False, box=None)
    table.add_row("ledger", plain(f"{report.name}, schema {report.schema or 'none'}"))
    if report.rows:
        table.add_row("items", plain(", ".join(f"{n} {state}" for state, n in report.items.items()) or "none"))
        rows = ", ".join(f"{n} {name}" for name, n in report.rows.items() if n and name != "items")
        table.add_row("rows", plain(rows or "none"))
        table.add_row(
            "disk", plain(f"ledger {_size(report.ledger_bytes)}, {_size(report.free_bytes)} free beside the evidence")
        )
        read = "read and compared" if report.evidence_read else "sizes compared; --deep reads them"
        kept = f"{report.evidence_files} file(s), {_size(report.evidence_bytes)}, {read}"
        table.add_row("evidence", plain(kept))
    here.console.print(table)
    for note in report.notes:
        here.console.print(plain(f"note: {note}", style="yellow"))
    for wrong in report.wrong:
        named = f" ({', '.join(wrong.examples)}{', …' if wrong.count > len(wrong.examples) else ''})"
        here.console.print(plain(f"wrong: {wrong.message}{named if wrong.examples else ''}", style="red"))
        here.console.print(plain(f"       {wrong.count} in all; {wrong.mend}"))
    if not report.wrong:
        here.console.print(plain("nothing is wrong", style="green"))


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:  # noqa: PLR2004
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
