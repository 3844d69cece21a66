"""The files that prove what happened to an item: where they lie, that they hold no secret, that nobody changed them.

A file is written under a folder made of numbers only (`run-000012/item-000034/attempt-1`), because references come from
other systems and are hostile text. `seal` takes the secrets out and then fixes path, size and SHA-256 for the ledger.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from engine.errors import SystemException
from engine.redact import Redactor, replacing
from engine.values import FieldSpec, Record, Scalar, Value, display, encode, equal

_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class EvidenceFile:
    """One sealed file as the ledger keeps it; `path` is relative to the store's root, with forward slashes."""

    kind: str
    path: str
    sha256: str
    size: int


@dataclass(frozen=True)
class FieldDiff:
    """One compared field, or one cell (`lines[2].amount`, rows counted from 1); None is an empty or missing value."""

    field: str
    expected: str | None
    observed: str | None
    equal: bool


class EvidenceStore:
    """Writes, seals, verifies and forgets the evidence files under one root.

    Every method that writes raises `SystemException("evidence_not_written")` if the disk is full or refuses.
    """

    def __init__(self, root: Path, redactor: Redactor) -> None:
        self.root = root
        self._redactor = redactor

    def folder(self, run_id: int, item_id: int, attempt: int) -> Path:
        """Return the attempt's folder, made if need be."""
        path = self.root / _run_folder(run_id) / f"item-{item_id:06d}" / f"attempt-{attempt:d}"
        with _written(path):
            path.mkdir(parents=True, exist_ok=True)
        return path

    def write_json(self, path: Path, data: Any) -> Path:
        """Write `data` (values as `engine.values.encode` takes them) without secrets, atomically; return `path`."""
        clean = self._redactor.scrub_data(encode(data))
        text = json.dumps(clean, ensure_ascii=False, sort_keys=True, indent=2, allow_nan=False) + "\n"
        # A lone surrogate from a page is no UTF-8; escaped it is what JSON itself would write.
        return self.write_bytes(path, text.encode("utf-8", "backslashreplace"))

    def write_bytes(self, path: Path, data: bytes) -> Path:
        """Write a file atomically as it is, e.g. a picture; return `path`."""
        self._relative(path)
        with _written(path), replacing(path) as target:
            target.write(data)
        return path

    def seal(self, path: Path, kind: str) -> EvidenceFile:
        """Take the secrets out of a written file and fix its size and SHA-256.

        Raises:
            SystemException: the file is missing, cannot be rewritten, or is an archive that cannot be read; such an
                archive is deleted, because nobody can say whether it holds a secret.
        """
        relative = self._relative(path)
        with _written(path):
            try:
                self._redactor.scrub_file(path)
            except zipfile.BadZipFile as error:
                path.unlink(missing_ok=True)
                raise SystemException("evidence_not_written", f"{path.name} is damaged: {error}") from error
            digest, size = _fingerprint(path)
        return EvidenceFile(kind, relative.as_posix(), digest, size)

    def path(self, file: EvidenceFile) -> Path:
        """Return where a sealed file lies.

        Raises:
            ValueError: its path leads out of the store.
        """
        path = self.root.joinpath(*PurePosixPath(file.path).parts)
        self._relative(path)
        return path

    def verify(self, file: EvidenceFile) -> bool:
        """Say whether the file still is, byte for byte, what was sealed."""
        try:
            return _fingerprint(self.path(file)) == (file.sha256, file.size)
        except (OSError, ValueError):
            return False

    def forget(self, run_id: int, item_id: int) -> int:
        """Delete everything that was kept of an item, sealed or not; return how many files.

        Raises:
            SystemException: a file could not be deleted.
        """
        run = self.root / _run_folder(run_id)
        folder = run / f"item-{item_id:06d}"
        if not folder.exists():
            return 0
        with _written(folder):
            count = sum(1 for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
            shutil.rmtree(folder)
        with suppress(OSError):  # other items still have files
            run.rmdir()
        return count

    @cached_property
    def _resolved_root(self) -> Path:
        return self.root.resolve()

    def _relative(self, path: Path) -> Path:
        root, resolved = self._resolved_root, path.resolve()
        if not resolved.is_relative_to(root) or resolved == root:
            raise ValueError(f"{path} is not inside the evidence folder")
        return resolved.relative_to(root)


def field_diff(payload: Record, record: Record, fields: Mapping[str, FieldSpec]) -> list[FieldDiff]:
    """Compare what was to be entered with what was read back, typed; fields that were not read are left out.

    Tables are compared row by row in the columns that were read; a row that one side lacks is one difference.
    """
    diff: list[FieldDiff] = []
    for name, spec in fields.items():
        if name not in record:
            continue
        if spec.type == "table":
            diff.extend(_table_diff(name, spec, _rows(payload.get(name)), _rows(record[name])))
        else:
            diff.append(_cell_diff(name, spec, payload.get(name), record[name]))
    return diff


def _table_diff(
    name: str, spec: FieldSpec, expected: list[dict[str, Scalar]], observed: list[dict[str, Scalar]]
) -> Iterator[FieldDiff]:
    columns = spec.columns or {}
    if not expected and not observed:
        yield FieldDiff(name, None, None, equal=True)
    for index in range(max(len(expected), len(observed))):
        place = f"{name}[{index + 1}]"
        if index >= len(observed):
            yield FieldDiff(place, _row_text(expected[index], columns), None, equal=False)
        elif index >= len(expected):
            yield FieldDiff(place, None, _row_text(observed[index], columns), equal=False)
        else:
            for column, part in columns.items():
                if column in observed[index]:
                    cells = expected[index].get(column), observed[index][column]
                    yield _cell_diff(f"{place}.{column}", part, *cells)


def _cell_diff(place: str, spec: FieldSpec, expected: Value, observed: Value) -> FieldDiff:
    return FieldDiff(place, _text(expected, spec), _text(observed, spec), equal=equal(expected, observed))


def _rows(value: Value) -> list[dict[str, Scalar]]:
    return value if isinstance(value, list) else []


def _row_text(row: Mapping[str, Scalar], columns: Mapping[str, FieldSpec]) -> str:
    return " | ".join(_text(row.get(name), spec) or "" for name, spec in columns.items())


def _text(value: Value, spec: FieldSpec) -> str | None:
    if isinstance(value, list):
        return f"{len(value)} rows"
    return display(value, money=spec.type == "money") or None


def _run_folder(run_id: int) -> str:
    return f"run-{run_id:06d}"


def _fingerprint(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()


@contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = "the disk is full" if error.errno in _FULL else error.strerror or type(error).__name__
        raise SystemException("evidence_not_written", f"{path.name}: {why}") from error
