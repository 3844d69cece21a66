"""Lines and judged candidates as JSON Lines files, with the names of `qc_models.match.pair`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from engine.errors import UserError
from qc_models.match.pair import Line, Pair

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Labelled:
    """A candidate, whether it is wrong, and what is wrong with it (empty for a right one)."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    pair: Pair
    wrong: bool
    kind: str = ""


_LINES, _LABELLED = TypeAdapter(Line), TypeAdapter(Labelled)


def read_lines(path: Path) -> list[Line]:
    """Read the lines of one side, one JSON object a line. Raises UserError with file and line."""
    return _read(path, _LINES)


def read_labelled(path: Path) -> list[Labelled]:
    """Read judged candidates, one JSON object a line. Raises UserError with file and line."""
    return _read(path, _LABELLED)


def write_lines(path: Path, lines: Iterable[Line]) -> None:
    """Write the lines of one side as `read_lines` reads them."""
    path.write_bytes(b"".join(_LINES.dump_json(one, exclude_defaults=True) + b"\n" for one in lines))


def write_labelled(path: Path, judged: Iterable[Labelled]) -> None:
    """Write judged candidates as `read_labelled` reads them."""
    path.write_bytes(b"".join(_LABELLED.dump_json(one, exclude_defaults=True) + b"\n" for one in judged))


def _read(path: Path, adapter: TypeAdapter[Kind]) -> list[Kind]:
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as UTF-8 text ({error})") from error
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(adapter.validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise UserError(f"{path}:{number}: {place or 'line'}: {first['msg']}") from error
    return found
