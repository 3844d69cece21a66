"""Labels that people gave to rows of a table, one JSON line each, appended at once and never changed.

A label belongs to what stood in its row, by hash: rows may move, but one that was edited must be looked at again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from engine.clock import Clock
from engine.errors import UserError
from qc_models.tables.table import Table


class Label(BaseModel):
    """One line: a row's wrong columns by name, right values where the person gave any; `undone` takes a label back."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    row: int
    reference: str
    wrong: list[str]
    right: dict[str, str] = {}
    verdict: Literal["labelled", "undone"] = "labelled"
    time: AwareDatetime
    who: str


@dataclass(frozen=True)
class Known:
    """What labels say of a table's rows as they are; `refused`: how many speak of a row that is not there any more.

    `wrong` are the wrong columns of each labelled row, `right` the values that people gave, by (row, column).
    """

    wrong: Mapping[int, frozenset[int]] = field(default_factory=dict)
    right: Mapping[tuple[int, int], str] = field(default_factory=dict)
    refused: int = 0


class LabelsFile:
    """The labels of one table; `path` need not exist yet."""

    def __init__(self, path: Path, table: Table, file_hash: str, *, clock: Clock, who: str) -> None:
        self.path = path
        self._table = table
        self._file = file_hash
        self._clock = clock
        self._who = who
        self._references = [reference(table, row) for row in range(len(table.rows))]

    def known(self) -> Known:
        """Return what the file says of the table's present rows; the newest label of a row counts.

        Raises:
            UserError: the file cannot be read, or a line is no label.
        """
        newest: dict[str, Label] = {}
        for label in self._lines():
            newest[label.reference] = label
        places = defaultdict[str, list[int]](list)
        for row, one in enumerate(self._references):
            places[one].append(row)
        wrong, right, refused = dict[int, frozenset[int]](), dict[tuple[int, int], str](), 0
        columns = {name: index for index, name in enumerate(self._table.columns)}
        for label in newest.values():
            rows = places.get(label.reference, [])
            if label.verdict == "undone":
                continue
            if not rows or not set(label.wrong) <= set(columns):
                refused += 1
                continue
            row = label.row if label.row in rows else rows[0]
            wrong[row] = frozenset(columns[name] for name in label.wrong)
            right.update({(row, columns[name]): value for name, value in label.right.items() if name in columns})
        return Known(wrong, right, refused)

    def append(self, row: int, wrong: Mapping[int, str | None]) -> None:
        """Add a label: the wrong columns of a row, each with its right value if known; on disk on return."""
        names = self._table.columns
        self._write(
            row,
            wrong=[names[column] for column in sorted(wrong)],
            right={names[column]: value for column, value in sorted(wrong.items()) if value is not None},
        )

    def undo(self, row: int) -> None:
        """Take a row's label back."""
        self._write(row, wrong=[], verdict="undone")

    def _write(self, row: int, **said: Any) -> None:
        label = Label(
            file=self._file, row=row, reference=self._references[row], time=self._clock.now(), who=self._who, **said
        )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab+") as target:
                line = label.model_dump_json().encode() + b"\n"
                target.write(line if _ends_well(target) else b"\n" + line)
                target.flush()
                os.fsync(target.fileno())
        except OSError as error:
            raise UserError(
                f"{self.path}: cannot be written ({error.strerror}); name another with --labels-file"
            ) from None

    def _lines(self) -> list[Label]:
        if not self.path.exists():
            return []
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{self.path}: cannot be read as UTF-8 text ({error})") from None
        found = []
        for number, line in enumerate(lines, start=1):
            try:
                if line.strip():
                    found.append(Label.model_validate_json(line))
            except ValidationError as error:
                said = error.errors()[0]
                place = ".".join(str(part) for part in said["loc"]) or "line"
                raise UserError(
                    f"{self.path}:{number}: not a label ({place}: {said['msg']}); mend or delete the line"
                ) from None
        return found


def reference(table: Table, row: int) -> str:
    """Return the hash of a row's content, column names included: SHA-256, first 24 hexadecimal digits."""
    text = json.dumps([table.columns, table.rows[row]], ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file that has been read already."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _ends_well(target: Any) -> bool:
    """Say whether what is in a file ends with a whole line: a process may have died while writing."""
    if not target.tell() and not target.seek(0, os.SEEK_END):
        return True
    target.seek(-1, os.SEEK_END)
    return bool(target.read(1) == b"\n")
