"""The records of a run: read, joined with their tables, typed and checked; every row ends in exactly one place."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.contract import parse_record
from engine.definition import Source, TableSource, Workflow
from engine.errors import UserError
from engine.source_files import RawRow, read_csv, read_jsonl
from engine.template import key_of, references
from engine.values import FieldSpec, Record, clean_text, display, encode
from engine.yaml_source import unknown


@dataclass(frozen=True)
class SourceItem:
    """One record that may be worked on."""

    reference: str
    payload: Record
    origin: str
    """File and line, e.g. `invoices.csv:12`."""


@dataclass(frozen=True)
class RejectedRow:
    """One row that may not; with a reference it is a record that a person can mend."""

    origin: str
    reference: str | None
    problems: tuple[str, ...]
    """Each begins with its field where there is one, e.g. `lines[2].amount: is required`."""
    raw: dict[str, Any]
    conflict: bool = False
    """The reference stands earlier in the file with other data."""


@dataclass(frozen=True)
class RepeatedRow:
    """The same record once more, identical to the first: counted once."""

    reference: str
    origin: str
    first: str


@dataclass(frozen=True)
class SourceBatch:
    """Everything a source holds."""

    items: list[SourceItem] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)
    repeated: list[RepeatedRow] = field(default_factory=list)


def read_source(workflow: Workflow, source: Path | None = None) -> SourceBatch:
    """Read the records of a workflow.

    Args:
        workflow: its `source` and `fields` say what to read and what is right.
        source: None for the files as the workflow names them, relative to its own file; a file to read instead (its
            tables are looked for beside it, under the names they have in the workflow); or a folder, below which the
            workflow's files are looked for by path, then by name.

    Raises:
        UserError: there is no source, or a whole file cannot be used; the message says where and what to do.
    """
    if workflow.source is None:
        raise UserError(f"the workflow {workflow.name} names no source; add `source:` to it")
    if workflow.source.follows is not None and source is None:
        raise UserError(f"the records of {workflow.name} come from {workflow.source.follows}: start that instead")
    files = _Files(workflow.source, Path(workflow.snapshot.workflow_path).parent, source)
    reader = _Reader(workflow.source, workflow.fields)
    for name, table in workflow.source.tables.items():
        reader.read_table(name, table, files.find(table.csv))
    statements = workflow.statements if workflow.source.statement is not None else None
    rows = reader.records(files.main()) if statements is None else statements(files.main())
    return _taken(reader, rows)


def take_rows(source: Source, fields: Mapping[str, FieldSpec], rows: Iterable[RawRow]) -> SourceBatch:
    """Type and check rows that come from no file, as `read_source` does those of one."""
    return _taken(_Reader(source, fields), rows)


def _taken(reader: _Reader, rows: Iterable[RawRow]) -> SourceBatch:
    for row in rows:
        reader.take(row)
    reader.reject_unclaimed()
    return reader.batch


@dataclass(frozen=True)
class _Files:
    source: Source
    home: Path
    instead: Path | None

    def main(self) -> Path:
        if self.instead is not None and not self.instead.is_dir():
            return self.instead
        return self.find(self.source.csv or self.source.jsonl or self.source.statement or "")

    def find(self, written: str) -> Path:
        if self.instead is None:
            return self.home / written
        if not self.instead.is_dir():
            return self.instead.parent / Path(written).name
        below = self.instead / written
        return below if below.is_file() else self.instead / Path(written).name


@dataclass
class _TableRows:
    """The rows of one table by the key of their record; a key that is claimed has found its record."""

    source: TableSource
    rows: dict[tuple[str, ...], list[RawRow]] = field(default_factory=lambda: defaultdict(list))
    claimed: set[tuple[str, ...]] = field(default_factory=set)


class _Reader:
    def __init__(self, source: Source, fields: Mapping[str, FieldSpec]) -> None:
        self.source = source
        self.fields = fields
        self.batch = SourceBatch()
        self.keys = [reference.name for reference in references(source.reference)]
        self._tables: dict[str, _TableRows] = {}
        self._first: dict[str, tuple[str, str]] = {}

    def read_table(self, name: str, table: TableSource, path: Path) -> None:
        """Read the rows of a table field."""
        columns = self.fields[name].columns or {}
        needed = {*table.on, *(column for column, spec in columns.items() if spec.required)}
        read = _TableRows(table)
        for row in read_csv(path, required=needed, known=[*table.on, *columns]):
            read.rows[_key(row.cells, table.on)].append(row)
        self._tables[name] = read

    def records(self, path: Path) -> Sequence[RawRow]:
        """Read the main file."""
        if path.suffix.lower() in {".jsonl", ".ndjson"} or (self.source.csv is None and path.suffix.lower() != ".csv"):
            return list(read_jsonl(path))
        flat = [name for name, spec in self.fields.items() if spec.type != "table"]
        ties = {column for table in self.source.tables.values() for column in table.on}
        needed = {*self.keys, *ties, *(name for name in flat if self.fields[name].required)}
        return list(read_csv(path, required=needed, known=flat))

    def take(self, row: RawRow) -> None:
        """Put one record where it belongs: an item, a rejected row, or a repetition."""
        if row.problem is not None:
            self.batch.rejected.append(RejectedRow(row.origin, None, (row.problem,), encode(row.cells)))
            return
        raw, torn = self._joined(row.cells)
        payload, found = parse_record(raw, self.fields)
        problems = [*torn, *map(str, found)]
        problems += [unknown("field", str(key), self.fields) for key in raw if key not in self.fields]
        reference = self._reference(raw, payload)
        if reference is None:
            problems.insert(0, f"no reference: {' and '.join(self.keys)} must not be empty")
        elif (known := self._first.get(reference)) is not None:
            self._again(reference, row, raw, known)
            return
        else:
            self._first[reference] = (row.origin, _canonical(raw))
        if problems or reference is None:
            self.batch.rejected.append(RejectedRow(row.origin, reference, tuple(problems), encode(raw)))
        else:
            self.batch.items.append(SourceItem(reference, payload, row.origin))

    def reject_unclaimed(self) -> None:
        """Report the rows of tables that belong to no record."""
        for table in self._tables.values():
            for key, rows in table.rows.items():
                if key in table.claimed:
                    continue
                named = ", ".join(f"{name} {part!r}" for name, part in zip(table.source.on, key, strict=True))
                for row in rows:
                    problems = (f"belongs to no record: there is none with {named}", *filter(None, [row.problem]))
                    self.batch.rejected.append(RejectedRow(row.origin, None, problems, encode(row.cells)))

    def _joined(self, cells: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        raw, torn = dict(cells), []
        for name, table in self._tables.items():
            key = _key(cells, table.source.on)
            table.claimed.add(key)
            rows = table.rows.get(key, [])
            torn += [f"{name}: {row.origin} {row.problem}" for row in rows if row.problem]
            if name in raw:
                torn.append(f"{name}: stands here and in {table.source.csv}; only one can be right")
            own = self.fields[name].columns or {}
            raw[name] = [{c: v for c, v in row.cells.items() if c in own or c not in table.source.on} for row in rows]
        return raw, torn

    def _reference(self, raw: Mapping[str, Any], payload: Record) -> str | None:
        values: dict[str, str] = {}
        for name in self.keys:
            value = payload.get(name)
            money = self.fields[name].type == "money"
            values[name] = clean_text(str(raw.get(name) or "")) if value is None else display(value, money=money)  # type: ignore[arg-type]
            if not values[name]:
                return None
        return key_of(self.source.reference, values)

    def _again(self, reference: str, row: RawRow, raw: dict[str, Any], known: tuple[str, str]) -> None:
        first, data = known
        if data == _canonical(raw):
            self.batch.repeated.append(RepeatedRow(reference, row.origin, first))
            return
        message = f"conflicts with {first}: the same reference with other data"
        self.batch.rejected.append(RejectedRow(row.origin, reference, (message,), encode(raw), conflict=True))


def _key(cells: Mapping[str, Any], names: Sequence[str]) -> tuple[str, ...]:
    return tuple(clean_text(str(cells.get(name) or "")) for name in names)


def _canonical(raw: Mapping[str, Any]) -> str:
    folded = encode({key: clean_text(value) if isinstance(value, str) else value for key, value in raw.items()})
    return json.dumps(folded, sort_keys=True, ensure_ascii=False)
