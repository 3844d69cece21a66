"""`db`: bring the ledger up to date, check it, back it up, restore it, and say that a restored one may be trusted."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from console.backups import add_backup_verbs
from console.desk import NEEDS_PERSON, AsJson, Keeper, OpenKeeper, bytes_text, plain, print_json
from engine.ledger import schema
from engine.ledger.check import Report, check
from engine.ledger.retention import prune
from engine.ledger.vacuum import rewrite


def build_db(desk: OpenKeeper) -> typer.Typer:
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

    @app.command("prune")
    def let_go(as_json: AsJson = False) -> None:
        """Let go of all files, payloads and rows that are older than their definitions keep them."""
        here = desk()
        done = prune(here.database, here.evidence, here.workflow)
        if as_json:
            print_json(done)
        else:
            said = f"{done.files} file(s) deleted, {done.payloads} payload(s) forgotten, {done.rows} old row(s) dropped"
            here.console.print(plain(said))

    @app.command()
    def vacuum() -> None:
        """Write the ledger's files anew without what was deleted; everybody else waits meanwhile."""
        here = desk()
        rewrite(here.database)
        here.console.print(plain(f"{here.ledger.name}: written anew"))

    add_backup_verbs(app, desk)
    return app


def _show(here: Keeper, report: Report) -> None:
    table = Table("what", "how much", show_header=False, box=None)
    table.add_row("ledger", plain(f"{report.name}, schema {report.schema or 'none'}"))
    if report.rows:
        table.add_row("items", plain(", ".join(f"{n} {state}" for state, n in report.items.items()) or "none"))
        rows = ", ".join(f"{n} {name}" for name, n in report.rows.items() if n and name != "items")
        table.add_row("rows", plain(rows or "none"))
        table.add_row(
            "disk",
            plain(
                f"ledger {bytes_text(report.ledger_bytes)}, {bytes_text(report.free_bytes)} free beside the evidence"
            ),
        )
        read = "read and compared" if report.evidence_read else "sizes compared; --deep reads them"
        kept = f"{report.evidence_files} file(s), {bytes_text(report.evidence_bytes)}, {read}"
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
