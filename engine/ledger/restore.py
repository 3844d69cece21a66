"""`db restore`: an empty ledger, SQLite or PostgreSQL, is filled from a backup, and does not believe itself.

What was committed after the backup is not in it. So whatever the bots may still work on is asked for in the
application before it is entered (`engine.ledger.trust`), and nothing that the backup says is held is held any more.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.errors import UserError
from engine.evidence import EvidenceStore
from engine.ledger import archive, schema
from engine.ledger import tables as t
from engine.ledger.database import Database, one_at_a_time, record_event
from engine.ledger.trust import distrust

_PAGE = 1000
_MAY_BE_WORKED = (*t.OPEN, *t.IN_REVIEW, "cancelled")
"""States from which the bots work an item, now or when a person gives it back to them."""


@dataclass(frozen=True)
class Restoration:
    """What a restore did."""

    backup_of: datetime
    rows: dict[str, int]
    """By table."""
    open_items: int
    """Items that a worker will ask the application for before it enters them."""
    evidence_files: int | None
    """None: the backup holds none."""
    model_files: int | None


def restore(
    database: Database, path: Path, who: str, *, store: EvidenceStore, models: Path | None = None
) -> Restoration:
    """Fill an empty ledger from a backup, all of it or nothing; every byte is verified before the first row is written.

    Args:
        database: an empty ledger, or where one is to be made.
        path: the backup.
        who: who restores.
        store: where the evidence files go.
        models: where the model artifacts go; None leaves them in the backup.

    Raises:
        UserError: the backup is damaged or of another version, or the ledger or the evidence folder is not empty.
    """
    with archive.opened(path) as (source, manifest):
        if manifest.schema != schema.newest():
            raise UserError(
                f"{path}: was made of schema {manifest.schema}, this version of Countersign has {schema.newest()}; "
                "restore it with the version that made it, then upgrade"
            )
        archive.verify(path, source, manifest)
        if archive.EVIDENCE in manifest.members and store.root.exists() and any(store.root.iterdir()):
            raise UserError(f"{store.root}: holds evidence already; move it aside, the backup brings its own")
        schema.prepare(database)
        try:
            evidence = store.root if archive.EVIDENCE in manifest.members else None
            with _emptied_on_failure(evidence), database.write() as connection:
                return _fill(connection, database, source, manifest, who, store=store, models=models)
        except (sa.exc.DataError, sa.exc.IntegrityError) as error:
            raise UserError(f"{database.name}: does not take the backup's rows ({error.orig})") from error


@contextmanager
def _emptied_on_failure(folder: Path | None) -> Iterator[None]:
    """Delete what was put into a folder that was empty, so that the restore can be tried again."""
    done = False
    try:
        yield
        done = True
    finally:
        if folder is not None and not done:
            shutil.rmtree(folder, ignore_errors=True)


def _fill(
    connection: Connection,
    database: Database,
    source: zipfile.ZipFile,
    manifest: archive.Manifest,
    who: str,
    *,
    store: EvidenceStore,
    models: Path | None,
) -> Restoration:
    one_at_a_time(connection, "restore")
    for table in t.metadata.sorted_tables:
        query = sa.select(sa.literal(1)).select_from(table).limit(1)
        if connection.execute(query.where(~archive.OF_A_HOST) if table is t.meta else query).first():
            raise UserError(f"{database.name}: is not empty (table {table.name}); a backup needs an empty ledger")
    for table in archive.TABLES:
        rows = archive.rows(source, table)
        while page := list(islice(rows, _PAGE)):
            connection.execute(sa.insert(table), page)
    set_sequences(connection)
    now = database.clock.now()
    open_items = _let_go(connection, now)
    for page_of_gone in _pages(manifest.gone):
        connection.execute(
            sa.update(t.evidence)
            .where(t.evidence.c.id.in_(page_of_gone), t.evidence.c.pruned_at.is_(None))
            .values(pruned_at=manifest.ledger_time)
        )
    distrust(connection, manifest.ledger_time, now)
    files = _extract(source, manifest, archive.EVIDENCE, store.root)
    artifacts = _extract(source, manifest, archive.MODELS, models)
    backup_of = manifest.ledger_time.isoformat()
    record_event(connection, database.clock, "ledger.restored", who, backup_of=backup_of, open_items=open_items)
    rows_by_table = {table.name: manifest.members[archive.table_member(table)].entries for table in archive.TABLES}
    return Restoration(manifest.ledger_time, rows_by_table, open_items, files, artifacts)


def _let_go(connection: Connection, now: datetime) -> int:
    """Void what the backup says is held, and mark what may have been committed since; return how many are open."""
    connection.execute(
        sa.update(t.attempts)
        .where(t.attempts.c.ended_at.is_(None))
        .values(ended_at=now, outcome="orphaned", error_kind="system", error_code="worker_lost")
    )
    connection.execute(
        sa.update(t.items)
        .where(t.items.c.state.in_(_MAY_BE_WORKED))
        .values(find_first=True, owner=None, lease_until=None)
    )
    connection.execute(
        sa.update(t.runs).where(t.runs.c.audit_owner.is_not(None)).values(audit_owner=None, audit_lease_until=None)
    )
    return int(connection.execute(sa.select(sa.func.count()).select_from(t.items).where(t.IS_OPEN)).scalar_one())


def set_sequences(connection: Connection) -> None:
    """Let new rows get ids after the restored ones; SQLite looks at the rows itself."""
    if connection.dialect.name != "postgresql":
        return
    for table in archive.TABLES:
        if "id" in table.c:
            last = connection.execute(sa.select(sa.func.max(table.c.id))).scalar_one()
            sequence = sa.func.pg_get_serial_sequence(table.name, "id")
            connection.execute(sa.select(sa.func.setval(sequence, last or 1, last is not None)))


def _pages(ids: tuple[int, ...]) -> list[tuple[int, ...]]:
    return [ids[start : start + _PAGE] for start in range(0, len(ids), _PAGE)]


def _extract(source: zipfile.ZipFile, manifest: archive.Manifest, name: str, folder: Path | None) -> int | None:
    if name not in manifest.members or folder is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return archive.extract(source, name, folder)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror or error}") from error
