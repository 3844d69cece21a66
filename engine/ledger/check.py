"""`db check`: is the ledger whole, does it agree with itself, are the files that it tells of there?"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import REGCLASS
from sqlalchemy.engine import Connection

from engine.evidence import EvidenceFile, EvidenceStore
from engine.ledger import schema
from engine.ledger import tables as t
from engine.ledger.database import Database
from engine.ledger.invariants import BACKUP, invariants
from engine.ledger.trust import restored

_PAGE = 1000
SHOWN = 5
"""How many of the rows that are wrong are named."""


@dataclass(frozen=True)
class Wrong:
    """One thing that is wrong, and what to do."""

    code: str
    message: str
    mend: str
    count: int = 1
    examples: tuple[str, ...] = ()


@dataclass
class Report:
    """What the check saw."""

    name: str
    schema: str | None
    newest: str
    rows: dict[str, int] = field(default_factory=dict)
    """By table."""
    items: dict[str, int] = field(default_factory=dict)
    """By state."""
    ledger_bytes: int = 0
    free_bytes: int = 0
    """Free on the disk of the evidence folder."""
    evidence_files: int = 0
    evidence_bytes: int = 0
    evidence_read: bool = False
    """Whether every evidence file was read and its SHA-256 compared."""
    notes: list[str] = field(default_factory=list)
    """What is no fault and worth knowing."""
    wrong: list[Wrong] = field(default_factory=list)


def check(database: Database, store: EvidenceStore, *, models: Path | None = None, deep: bool = False) -> Report:
    """Check connection, schema, integrity, the ledger's invariants and its files.

    Args:
        database: the ledger.
        store: where the evidence files are.
        models: the folder of the model artifacts; None does not look for them.
        deep: read every evidence file and compare its SHA-256, not its size alone.

    Raises:
        UserError: the database cannot be reached.
    """
    report = Report(database.name, schema.version(database), schema.newest(), evidence_read=deep)
    if report.schema != report.newest:
        mend = (
            "run `runner.py db upgrade`" if report.schema in (None, *schema.known_versions()) else "update Countersign"
        )
        report.wrong.append(Wrong("schema", f"the ledger has schema {report.schema}, not {report.newest}", mend))
        return report
    report.free_bytes = _free(store.root)
    known: list[tuple[str, str, str]] = []
    try:
        with database.read() as connection:
            known = _look(connection, report)
    except sa.exc.DatabaseError as error:
        report.wrong.append(Wrong("integrity", f"the ledger cannot be read: {error.orig}", BACKUP))
        return report
    report.wrong += _evidence(database, store, report, deep=deep)
    if models is not None:
        report.wrong += _artifacts(known, models)
    return report


def _look(connection: Connection, report: Report) -> list[tuple[str, str, str]]:
    """Look at everything that one transaction shows; return the registered models."""
    report.wrong += _sound(connection)
    for table in t.metadata.sorted_tables:
        report.rows[table.name] = _count(connection, table)
    by_state = sa.select(t.items.c.state, sa.func.count()).group_by(t.items.c.state).order_by(t.items.c.state)
    report.items = {str(row[0]): int(row[1]) for row in connection.execute(by_state)}
    report.ledger_bytes = _size(connection)
    for code, message, mend, query in invariants():
        report.wrong += _broken(connection, code, message, mend, query)
    last = restored(connection)
    if last is not None and last.trusted_at is None:
        report.notes.append(
            f"restored at {last.at:%Y-%m-%d %H:%M} UTC from a backup of {last.backup_of:%Y-%m-%d %H:%M} UTC: every "
            "new item is asked for before it is entered, until `runner.py db trust`"
        )
    return [(row.name, row.version, row.sha256) for row in connection.execute(sa.select(t.models))]


def _free(folder: Path) -> int:
    there = next(place for place in (folder, *folder.resolve().parents) if place.exists())
    return shutil.disk_usage(there).free


def _count(connection: Connection, table: sa.Table) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def _size(connection: Connection) -> int:
    if connection.dialect.name == "sqlite":
        return int(connection.exec_driver_sql("PRAGMA page_count").scalar_one()) * int(
            connection.exec_driver_sql("PRAGMA page_size").scalar_one()
        )
    return int(connection.execute(sa.select(sa.func.pg_database_size(sa.func.current_database()))).scalar_one())


def _sound(connection: Connection) -> Iterator[Wrong]:
    """Ask the database itself whether it is whole."""
    if connection.dialect.name == "sqlite":
        said = [row[0] for row in connection.exec_driver_sql(f"PRAGMA integrity_check({SHOWN})") if row[0] != "ok"]
        if said:
            yield Wrong("integrity", "the file is damaged", BACKUP, len(said), tuple(said))
        lost = [f"{row[0]} {row[1]}" for row in connection.exec_driver_sql("PRAGMA foreign_key_check")]
        if lost:
            yield Wrong("references", "rows name rows that are not there", BACKUP, len(lost), tuple(lost[:SHOWN]))
        return
    asked = {
        "index_invalid": (
            "select c.relname from pg_index i join pg_class c on c.oid = i.indexrelid where not i.indisvalid",
            "an index is not valid",
            "REINDEX it",
        ),
        "references": (
            "select conname from pg_constraint where not convalidated",
            "a constraint was never checked",
            "ALTER TABLE … VALIDATE CONSTRAINT",
        ),
    }
    for code, (query, message, mend) in asked.items():
        found = [str(name) for name in connection.execute(sa.text(query)).scalars()]
        if found:
            yield Wrong(code, message, mend, len(found), tuple(found[:SHOWN]))
    for table in t.metadata.sorted_tables:
        if "id" not in table.c:
            continue
        last = connection.execute(sa.select(sa.func.max(table.c.id))).scalar_one() or 0
        sequence = sa.func.pg_sequence_last_value(sa.cast(sa.func.pg_get_serial_sequence(table.name, "id"), REGCLASS))
        given = connection.execute(sa.select(sequence)).scalar_one() or 0
        if given < last:
            mend = f"select setval(pg_get_serial_sequence('{table.name}', 'id'), {last})"
            yield Wrong("sequence", f"{table.name} has id {last}, its sequence has given {given}", mend)


def _broken(connection: Connection, code: str, message: str, mend: str, query: sa.Select[Any]) -> Iterator[Wrong]:
    found = query.subquery()
    count = connection.execute(sa.select(sa.func.count()).select_from(found)).scalar_one()
    if count:
        ids = connection.execute(sa.select(found).limit(SHOWN)).scalars()
        yield Wrong(code, message, mend, count, tuple(f"item {item_id}" for item_id in ids))


def _evidence(database: Database, store: EvidenceStore, report: Report, *, deep: bool) -> Iterator[Wrong]:
    missing: list[str] = []
    changed: list[str] = []
    columns = [t.evidence.c[name] for name in ("id", "kind", "path", "sha256", "size")]
    query = sa.select(*columns).where(t.evidence.c.pruned_at.is_(None)).order_by(t.evidence.c.id).limit(_PAGE)
    counts = {"missing": 0, "changed": 0}
    after = 0
    while True:
        with database.read() as connection:  # a page a time: no transaction stands open while files are read
            page = connection.execute(query.where(t.evidence.c.id > after)).all()
        if not page:
            break
        doubtful = {}
        for row in page:
            file = EvidenceFile(row.kind, row.path, row.sha256, row.size)
            report.evidence_files += 1
            report.evidence_bytes += row.size
            if kind := _state(store, file, deep=deep):
                doubtful[row.id] = (kind, row.path)
        for evidence_id in _still_kept(database, list(doubtful)):
            kind, path = doubtful[evidence_id]
            counts[kind] += 1
            named = missing if kind == "missing" else changed
            if len(named) < SHOWN:
                named.append(path)
        after = page[-1].id
    if missing:
        mend = "put the evidence folder of this ledger in place, or take the files from a backup"
        yield Wrong("evidence_missing", "evidence files are not there", mend, counts["missing"], tuple(missing))
    if changed:
        mend = "somebody or something changed them: take the files from a backup"
        yield Wrong(
            "evidence_changed", "evidence files are not what was sealed", mend, counts["changed"], tuple(changed)
        )


def _state(store: EvidenceStore, file: EvidenceFile, *, deep: bool) -> str | None:
    try:
        size = store.path(file).stat().st_size
    except (OSError, ValueError):
        return "missing"
    if size != file.size or (deep and not store.verify(file)):
        return "changed"
    return None


def _still_kept(database: Database, ids: list[int]) -> list[int]:
    """Return those that were not pruned or erased since their page was read."""
    if not ids:
        return []
    query = sa.select(t.evidence.c.id).where(t.evidence.c.id.in_(ids), t.evidence.c.pruned_at.is_(None))
    with database.read() as connection:
        return list(connection.execute(query.order_by(t.evidence.c.id)).scalars())


def _artifacts(known: list[tuple[str, str, str]], models: Path) -> Iterator[Wrong]:
    for name, version, sha256 in known:
        path = models / name / version / "model.onnx"
        mend = "take the artifact from a backup, or train again and promote the new version"
        if not path.is_file():
            yield Wrong("model_missing", f"the artifact of {name} {version} is not there", mend)
        elif hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            yield Wrong("model_changed", f"the artifact of {name} {version} is not the one that was registered", mend)
