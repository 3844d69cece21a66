"""The file of a backup: a zip of JSON Lines, one member a table, with a manifest; any database can be filled from it.

    manifest.json           format, schema, when, and of each member: rows or files, bytes, SHA-256
    tables/<name>.jsonl     one row a line: names of columns to values; instants in ISO 8601, UTC
    evidence.tar            the evidence files, under the paths that the ledger knows (may be left out)
    models.tar              the model artifacts (may be left out)

The files lie in tar streams because a zip keeps a line on each member in memory, and there may be millions of them.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any, cast

import sqlalchemy as sa

from engine.errors import UserError
from engine.ledger import tables as t

FORMAT = 1
LEFT_OUT = frozenset({"workers", "sessions", "throttles", "review_claims"})
"""Tables that tell of living processes, which a backup cannot bring back."""
TABLES = tuple(table for table in t.metadata.sorted_tables if table.name not in LEFT_OUT)
EVIDENCE, MODELS = "evidence.tar", "models.tar"
_MANIFEST = "manifest.json"
OF_A_HOST = t.meta.c.key == "clock"
"""What `meta` holds of the host alone."""
_PIECE = 1 << 20
_LINES = 1000


@dataclass(frozen=True)
class Member:
    """One part of the archive, as the manifest knows it."""

    entries: int
    """Rows of a table, or files."""
    size: int
    """Bytes, uncompressed."""
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What an archive holds."""

    format: int
    schema: str
    ledger_time: datetime
    """Everything committed up to here, by the clock of the host that made it, is in the archive."""
    source: str
    """sqlite or postgresql."""
    members: dict[str, Member] = field(default_factory=dict)
    gone: tuple[int, ...] = ()
    """Evidence that the tables tell of and that was pruned or erased before its file could be copied."""


class _Hashing:
    """Counts and hashes what is written."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        """Hand on."""
        self._digest.update(data)
        self.size += len(data)
        return self._target.write(data)

    def member(self, entries: int) -> Member:
        """Return the manifest's line."""
        return Member(entries, self.size, self._digest.hexdigest())


class Writer:
    """Writes one archive; the manifest comes last."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._zip = archive
        self.members: dict[str, Member] = {}

    def table(self, table: sa.Table, rows: Iterable[Mapping[str, Any] | sa.RowMapping]) -> None:
        """Write a table's rows."""
        name, count, lines = table_member(table), 0, iter(map(_line, rows))
        with self._member(name) as target:
            while page := list(islice(lines, _LINES)):  # a call a page: a call a line costs more than the line
                target.write("".join(page).encode())
                count += len(page)
            self.members[name] = target.member(count)

    def files(self, name: str, files: Iterable[tuple[str, Path]]) -> None:
        """Write files (their name inside, and where they lie); one that is gone by now is left out."""
        count = 0
        with self._member(name) as target, tarfile.open(fileobj=cast("IO[bytes]", target), mode="w|") as tar:
            for inside, path in files:
                try:
                    source = path.open("rb")
                except FileNotFoundError:
                    continue
                with source:
                    info = tarfile.TarInfo(inside)
                    info.size, info.mtime = os.fstat(source.fileno()).st_size, int(os.fstat(source.fileno()).st_mtime)
                    tar.addfile(info, source)
                _forget(tar)
                count += 1
        self.members[name] = target.member(count)

    def manifest(self, manifest: Manifest) -> None:
        """End the archive."""
        text = json.dumps(asdict(manifest), ensure_ascii=False, default=_plain, indent=2)
        self._zip.writestr(_MANIFEST, text)

    @contextmanager
    def _member(self, name: str) -> Iterator[_Hashing]:
        with self._zip.open(name, "w", force_zip64=True) as target:
            yield _Hashing(target)


def table_member(table: sa.Table) -> str:
    """Return the name of a table's member."""
    return f"tables/{table.name}.jsonl"


@contextmanager
def written(path: Path) -> Iterator[Writer]:
    """Write an archive beside its name and give it the name when it is whole and on the disk; only we may read it.

    Raises:
        UserError: there is a file of that name, or it cannot be written.
    """
    if path.exists():
        raise UserError(f"{path}: is there already; name another file")
    part: Path | None = None
    try:
        # a name of its own: another backup may be going to the same file
        handle, name = tempfile.mkstemp(".part", f"{path.name}.", path.parent)
        part = Path(name)
        with os.fdopen(handle, "w+b") as target:
            with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                yield Writer(archive)
            target.flush()
            os.fsync(target.fileno())
        part.replace(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


@contextmanager
def opened(path: Path) -> Iterator[tuple[zipfile.ZipFile, Manifest]]:
    """Open an archive.

    Raises:
        UserError: it is none, is damaged, or is of another format.
    """
    try:
        source = path.open("rb")
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        with source, zipfile.ZipFile(source) as archive:
            yield archive, _manifest(path, archive)
    except (zipfile.BadZipFile, zlib.error, tarfile.TarError, EOFError) as error:
        raise UserError(f"{path}: is no whole backup ({error}); take another one") from error


def _manifest(path: Path, archive: zipfile.ZipFile) -> Manifest:
    try:
        raw = json.loads(archive.read(_MANIFEST))
        if raw["format"] != FORMAT:
            raise UserError(f"{path}: has format {raw['format']}, this version of Countersign reads {FORMAT}")
        members = {name: Member(**member) for name, member in raw["members"].items()}
        when = datetime.fromisoformat(raw["ledger_time"])
        return Manifest(FORMAT, raw["schema"], when, raw["source"], members, tuple(raw["gone"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: is no backup of a ledger: its manifest cannot be read ({error})") from error


def verify(path: Path, archive: zipfile.ZipFile, manifest: Manifest) -> None:
    """Compare every member with the manifest, byte for byte.

    Raises:
        UserError: a member is missing, changed, or not in the manifest.
    """
    there, known = set(archive.namelist()) - {_MANIFEST}, set(manifest.members)
    for name in sorted(there ^ known | {table_member(table) for table in TABLES} - known):
        raise UserError(f"{path}: {name} {'is missing' if name not in there else 'was added'}; take another backup")
    for name, member in manifest.members.items():
        digest, size = hashlib.sha256(), 0
        with archive.open(name) as source:
            while piece := source.read(_PIECE):
                digest.update(piece)
                size += len(piece)
        if (size, digest.hexdigest()) != (member.size, member.sha256):
            raise UserError(f"{path}: {name} is not what was written; take another backup")


def rows(archive: zipfile.ZipFile, table: sa.Table) -> Iterator[dict[str, Any]]:
    """Read a table's rows back, instants and days as such; what was NULL is NULL again, in JSON columns too."""
    instants = {column.name for column in table.columns if isinstance(column.type, t.UtcDateTime)}
    days = {column.name for column in table.columns if isinstance(column.type, sa.Date)}
    documents = {column.name for column in table.columns if isinstance(column.type, sa.JSON) and column.nullable}
    with archive.open(table_member(table)) as source:
        for line in source:
            row = json.loads(line)
            for name in instants:
                row[name] = datetime.fromisoformat(row[name]) if row[name] is not None else None
            for name in days:
                row[name] = date.fromisoformat(row[name]) if row[name] is not None else None
            for name in documents:
                row[name] = sa.null() if row[name] is None else row[name]
            yield row


def extract(archive: zipfile.ZipFile, name: str, folder: Path) -> int:
    """Write the files of a member below a folder; return how many.

    Raises:
        tarfile.TarError: one leads out of the folder, or is no plain file.
    """
    count = 0
    with archive.open(name) as source, tarfile.open(fileobj=source, mode="r|", bufsize=_PIECE) as tar:
        while (info := tar.next()) is not None:
            if not info.isreg():
                raise tarfile.TarError(f"{name} holds {info.name}, which is no file")
            tar.extract(info, folder, filter="data")
            _forget(tar)
            count += 1
    return count


def _forget(tar: tarfile.TarFile) -> None:
    """Let go of what a tar stream remembers of every file that went through it."""
    tar.members = []  # type: ignore[attr-defined]


def _line(row: Mapping[str, Any] | sa.RowMapping) -> str:
    return _to_json(dict(row)) + "\n"


def _plain(value: Any) -> str:
    if isinstance(value, date):  # and so an instant
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in a backup")


_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain).encode
