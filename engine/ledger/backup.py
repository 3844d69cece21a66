"""`db backup`: the ledger as of one instant, and the files it tells of, while workers go on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.errors import UserError
from engine.evidence import EvidenceFile, EvidenceStore
from engine.ledger import archive, schema
from engine.ledger import tables as t
from engine.ledger.database import Database

_PAGE = 1000
_SKEW = timedelta(hours=1)
"""How far the clocks of hosts may differ; what is named too much does no harm."""


def backup(
    database: Database, path: Path, *, store: EvidenceStore | None = None, models: Path | None = None
) -> archive.Manifest:
    """Write everything that the ledger holds to a file that any ledger can be restored from.

    The tables are read in one transaction, so that they agree with each other; the files follow, and one that is
    pruned or erased meanwhile is noted as gone. Memory does not grow with the ledger.

    Args:
        database: the ledger; workers may go on.
        path: the file; it gets its name when it is whole.
        store: where the evidence files are; None leaves them out.
        models: the folder of the model artifacts; None leaves them out.

    Raises:
        UserError: the ledger's schema is not this version's, or the file is there already or cannot be written.
    """
    found = schema.version(database)
    if found != schema.newest():
        raise UserError(f"{database.name}: has schema {found}; run `runner.py db upgrade` first")
    with archive.written(path) as writer:
        with database.read() as connection:
            ledger_time = database.clock.now()  # before the first row is read: what is written later is not promised
            for table in archive.TABLES:
                writer.table(table, _rows(connection, table))
            last = connection.execute(sa.select(sa.func.max(t.evidence.c.id))).scalar_one() or 0
            kept = connection.execute(_kept().with_only_columns(sa.func.count())).scalar_one()
        gone: list[int] = []
        if store is not None:
            writer.files(archive.EVIDENCE, _evidence(database, store, last))
            if kept != writer.members[archive.EVIDENCE].entries:
                gone = _pruned_since(database, last, ledger_time - _SKEW)
        if models is not None:
            writer.files(archive.MODELS, _below(models))
        manifest = archive.Manifest(
            archive.FORMAT,
            found,
            ledger_time,
            database.engine.dialect.name,
            writer.members,
            tuple(gone),
        )
        writer.manifest(manifest)
    return manifest


def _rows(connection: Connection, table: sa.Table) -> Iterator[sa.RowMapping]:
    query = sa.select(table).order_by(*table.primary_key.columns)
    if table is t.meta:
        query = query.where(~archive.OF_A_HOST)
    with connection.execution_options(yield_per=_PAGE).execute(query) as result:
        yield from result.mappings()


def _kept() -> sa.Select[Any]:
    return sa.select(t.evidence.c.id, *(t.evidence.c[name] for name in EvidenceFile.__dataclass_fields__)).where(
        t.evidence.c.pruned_at.is_(None)
    )


def _evidence(database: Database, store: EvidenceStore, last: int) -> Iterator[tuple[str, Path]]:
    """Yield the files that the ledger tells of, page by page, so that no transaction stands open meanwhile."""
    after = 0
    while True:
        page = _kept().where(t.evidence.c.id > after, t.evidence.c.id <= last).order_by(t.evidence.c.id).limit(_PAGE)
        with database.read() as connection:
            rows = connection.execute(page).all()
        if not rows:
            return
        for row in rows:
            file = EvidenceFile(row.kind, row.path, row.sha256, row.size)
            yield file.path, store.path(file)
        after = rows[-1].id


def _pruned_since(database: Database, last: int, since: datetime) -> list[int]:
    query = sa.select(t.evidence.c.id).where(t.evidence.c.id <= last, t.evidence.c.pruned_at >= since)
    with database.read() as connection:
        return list(connection.execute(query).scalars())


def _below(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")) if folder.exists() else ():
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path.relative_to(folder).as_posix(), path
