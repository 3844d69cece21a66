"""Takes secrets out of everything that is written: log lines, evidence, traces."""

from __future__ import annotations

import io
import math
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from engine.secret_forms import MARK, Needles, forms

SHORTEST = len(MARK) + 1
"""Fewest characters of a value that can be taken out; anything shorter stands in every ordinary text."""

_ZIP = b"PK\x03\x04"
_NESTED_LIMIT = 64 * 1024 * 1024
_NESTED_DEPTH = 3
_REMOVED = b"removed: too large or too deeply packed to be searched for secrets\n"


class Redactor:
    """Knows the secrets of this process and takes them out of texts, bytes and files; safe to share by threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: set[str] = set()
        self._forms: set[str] = set()
        self._compiled: Needles | None = None

    def add(self, value: str, *, at_least: int = SHORTEST) -> bool:
        """Take `value` out of everything from now on; False if it has under `at_least` characters.

        A session cookie is added with a larger `at_least`: a cookie that holds `true` or `light` is no secret, and
        taking it out would spoil ordinary texts.
        """
        if len(value) < max(at_least, SHORTEST):
            return False
        with self._lock:
            if value not in self._values:
                self._values.add(value)
                self._forms |= forms(value)
                self._compiled = None
        return True

    @property
    def _needles(self) -> Needles:
        with self._lock:
            if self._compiled is None:  # compiled when needed: a login adds several cookies in a row
                self._compiled = Needles(self._forms)
            return self._compiled

    def contains(self, text: str) -> bool:
        """Say whether any form of any secret stands in `text`."""
        return self._needles.in_text(text)

    def scrub(self, text: str) -> str:
        """Return `text` with a mark where a secret stood."""
        return self._needles.out_of_text(text)

    def scrub_bytes(self, data: bytes) -> bytes:
        """Return `data` with a mark where a secret stood in UTF-8; bytes without one come back untouched."""
        return self._needles.out_of_bytes(data)

    def scrub_data(self, value: Any) -> Any:
        """Return a copy that JSON can hold, free of secrets in texts, keys and numbers; other objects become text.

        Unlike scrubbing the written JSON, this can never break its syntax.
        """
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float) and math.isfinite(value):
            return MARK if self.contains(str(value)) else value
        if isinstance(value, Mapping):
            return {self.scrub(str(key)): self.scrub_data(part) for key, part in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.scrub_data(part) for part in value]
        if isinstance(value, bytes):
            value = value.decode("utf-8", "backslashreplace")
        return self.scrub(str(value))

    def scrub_file(self, path: Path) -> bool:
        """Scrub a file in place, atomically; an archive member by member. True if something was taken out.

        Raises:
            OSError: the file could not be read or written.
            zipfile.BadZipFile: the file is a damaged archive, so nothing can be said about what it holds.
        """
        data = path.read_bytes()
        if path.suffix.lower() == ".zip" or data.startswith(_ZIP):
            return self.scrub_zip(path)
        clean = self.scrub_bytes(data)
        if clean is not data:
            with replacing(path) as target:
                target.write(clean)
        return clean is not data

    def scrub_zip(self, path: Path) -> bool:
        """Scrub a zip (a Playwright trace) member by member, atomically; True if something was taken out.

        Members without a secret keep their bytes; an archive inside is opened too. An archive without any secret is
        not written at all.

        Raises:
            OSError: the file could not be read or written.
            zipfile.BadZipFile: it is damaged, so nothing can be said about what it holds.
        """
        with _opened(path) as source:
            if not self._is_dirty(source, 0):
                return False
            with replacing(path) as target:
                self._rewrite(source, target, 0)
        return True

    def _is_dirty(self, source: zipfile.ZipFile, depth: int) -> bool:
        if self._needles.in_bytes(source.comment):
            return True
        for info in source.infolist():
            data = source.read(info)
            if self.contains(info.filename) or self._needles.in_bytes(info.comment + info.extra):
                return True
            if self._member(data, depth) is not data:
                return True
        return False

    def _rewrite(self, source: zipfile.ZipFile, target: IO[bytes], depth: int) -> None:
        with zipfile.ZipFile(target, "w") as clean:
            for info in source.infolist():
                fresh = zipfile.ZipInfo(self.scrub(info.filename), info.date_time)
                fresh.compress_type, fresh.external_attr = info.compress_type, info.external_attr
                clean.writestr(fresh, self._member(source.read(info), depth))

    def _member(self, data: bytes, depth: int) -> bytes:
        clean = self.scrub_bytes(data)
        if clean is not data or not data.startswith(_ZIP):
            return clean
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as inner:
                return self._nested(inner, data, depth + 1)
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError):
            return _REMOVED  # damaged or encrypted: it cannot be shown to be clean

    def _nested(self, inner: zipfile.ZipFile, data: bytes, depth: int) -> bytes:
        if depth > _NESTED_DEPTH or sum(info.file_size for info in inner.infolist()) > _NESTED_LIMIT:
            return _REMOVED
        if not self._is_dirty(inner, depth):
            return data
        packed = io.BytesIO()
        self._rewrite(inner, packed, depth)
        return packed.getvalue()


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as source:
            yield source
    except (zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise zipfile.BadZipFile(f"{path.name} cannot be read: {type(error).__name__}") from error


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Write a file beside `path` and put it in its place at the end; on any error the old file stays.

    Raises:
        OSError: the file could not be written.
    """
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False) as target:
        fresh = Path(target.name)
        try:
            yield target
            target.close()
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
