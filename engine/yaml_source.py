"""YAML as people write it: plain data, the position of every key and value, and every problem in words.

Scalars follow the YAML 1.2 core schema, so that `no`, `on`, `12:30`, `007` and `2026-01-31` stay texts; numbers with a
fraction become `Decimal`. Aliases work within a budget; tags other than those of plain data are refused.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from engine.yaml_nodes import MAX_NODES, Builder, Keys, Mark, compose

MAX_BYTES = 1 << 20
"""Largest definition file."""


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong in one file; line and column count from 1."""

    path: str
    line: int
    col: int
    message: str
    rule: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.col}: {self.message} [{self.rule}]"


@dataclass(frozen=True)
class Document:
    """One parsed file: plain data, and a mark for every path into it."""

    path: str
    data: Any
    marks: dict[Keys, Mark] = field(default_factory=dict)

    def problem(self, path: Keys, message: str, rule: str, *, key: bool = False) -> Problem:
        """Return a problem at a value or at its key; a path that leads nowhere stands for what holds it."""
        while path not in self.marks:
            path = path[:-1]
        mark = self.marks[path]
        line, col = (mark.key_line, mark.key_col) if key else (mark.line, mark.col)
        return Problem(self.path, line, col, message, rule)

    def at(self, path: Keys) -> Any:
        """Return the data at a path, or None."""
        data = self.data
        for part in path:
            try:
                data = data[part]
            except (KeyError, IndexError, TypeError):
                return None
        return data

    def scalars(self, path: Keys = ()) -> Iterator[tuple[Keys, Any]]:
        """Yield every single value at or below a path, with its path."""
        data = self.at(path)
        if isinstance(data, (dict, list)):
            for part in data if isinstance(data, dict) else range(len(data)):
                yield from self.scalars((*path, part))
        else:
            yield path, data

    def texts(self, path: Keys = ()) -> Iterator[tuple[Keys, str]]:
        """Yield every text at or below a path, with its path."""
        return ((place, value) for place, value in self.scalars(path) if isinstance(value, str))


def suggest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that was probably meant; longer words must be closer."""
    cutoff = min(0.45 + 0.03 * len(word), 0.85)
    folded = {_fold(name): name for name in known}
    close = difflib.get_close_matches(_fold(word), folded, n=1, cutoff=cutoff)
    return folded[close[0]] if close else None


def unknown(what: str, word: str, known: Iterable[str]) -> str:
    """Return the sentence for a word that is none of the known ones."""
    names = sorted(known)
    close = suggest(word, names)
    hint = f', did you mean "{close}"?' if close else ";"
    return f'unknown {what} "{word}"{hint} known: {", ".join(names) or "none"}'


def _fold(word: str) -> str:
    return re.sub(r"[\s_-]+", "_", word.casefold())


def read(path: str, raw: bytes) -> tuple[Document | None, list[Problem]]:
    """Parse one file's bytes; `path` is how problems name it. Never raises for what the file holds."""
    text, problems = _decode(path, raw)
    if text is None:
        return None, problems
    return parse(path, text)


def parse(path: str, text: str) -> tuple[Document | None, list[Problem]]:
    """Parse one file's text; None instead of a document where nothing could be made of it."""
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "replace")) > MAX_BYTES:
        return None, [Problem(path, 1, 1, f"the file is larger than {MAX_BYTES >> 20} MiB", "size")]
    try:
        root = compose(text)
    except yaml.reader.ReaderError as error:
        line, col = _position(text, int(error.position))
        return None, [Problem(path, line, col, f"the character U+{int(error.character):04X} is not allowed", "yaml")]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, col = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        return None, [Problem(path, line, col, _said_plainly(error), "yaml")]
    if root is None:
        return None, [Problem(path, 1, 1, "the file is empty", "yaml")]
    builder = Builder()
    data = builder.build(root, (), root)
    problems = [Problem(path, *place, message, rule) for place, message, rule in builder.notes]
    if builder.count > MAX_NODES:
        return None, [Problem(path, 1, 1, f"more than {MAX_NODES} values, aliases expanded", "size")]
    if not isinstance(data, dict):
        return None, problems or [Problem(path, 1, 1, "the file must be a mapping of `key: value` lines", "yaml")]
    return Document(path, data, builder.marks), problems


def _decode(path: str, raw: bytes) -> tuple[str | None, list[Problem]]:
    if len(raw) > MAX_BYTES:
        return None, [Problem(path, 1, 1, f"the file is larger than {MAX_BYTES >> 20} MiB", "size")]
    try:
        return raw.decode("utf-8-sig"), []
    except UnicodeDecodeError as error:
        line, col = _position(raw[: error.start].decode("utf-8", "replace"), None)
        message = f"the file is not UTF-8: byte 0x{error.object[error.start]:02x} cannot be read; save it as UTF-8"
        return None, [Problem(path, line, col, message, "encoding")]


def _position(text: str, offset: int | None) -> tuple[int, int]:
    before = text if offset is None else text[:offset]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _said_plainly(error: yaml.MarkedYAMLError) -> str:
    said = str(error.problem or error.context or "this is not YAML")
    known = {
        r"found character '\\t'": "a tab cannot indent YAML; use spaces",
        r"mapping values are not allowed here": "a second `: ` on this line, or wrong indentation; quote the value",
        r"found character '%'|found character '@'|found character '`'": "a value cannot begin like this; quote it",
        r"expected <block end>": "wrong indentation: this line belongs to nothing above it",
        r"could not find expected ':'": "this line is neither `key: value` nor `- entry`, or its indentation is wrong",
        r"found another document": "one file holds one definition; `---` begins another",
        r"found undefined alias": f"{said}: no `&` of that name stands before it",
        r"found unexpected end of stream": "a quote is opened and never closed",
        r"expected ',' or": "a bracket or brace is open, or a comma is missing; quote values with `{`, `}` or `,`",
    }
    return next((plain for pattern, plain in known.items() if re.search(pattern, said)), said)
