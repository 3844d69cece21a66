"""`db backup`, `db restore` and `db trust`: the ledger to a file, back from it, and believed again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from console.desk import As, AsJson, Keeper, OpenKeeper, bytes_text, plain, print_json
from engine.ledger import backup as backups
from engine.ledger import restore as restores
from engine.ledger.archive import EVIDENCE
from engine.ledger.trust import trust

BackupFile = Annotated[Path, typer.Argument(metavar="FILE", help="The backup, a .zip file.")]


def add_backup_verbs(app: typer.Typer, desk: OpenKeeper) -> None:
    """Add the verbs to the `db` group."""

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
            said = f"{path}: {counted}, as of {made.ledger_time:%Y-%m-%d %H:%M:%S} UTC; {bytes_text(size)}"
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
