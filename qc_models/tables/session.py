"""One call of `inspect`: read, pair, learn from labels, ask for more, report."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from engine.clock import Clock
from engine.errors import UserError
from qc_models.tables.inspection import Inspection, Inspector, Suspect
from qc_models.tables.labelling import Labelling
from qc_models.tables.labels import LabelsFile, file_hash
from qc_models.tables.pairing import Pairing, pair
from qc_models.tables.report import write_report
from qc_models.tables.table import Table, read_table
from qc_models.tables.trial import Figures, Trial
from qc_models.tables.words import counted, plain, rows, short

_PAGE = 500
_FEW = 20
"""Rows below which an inspection says that it says little; the usual of a column is counted in its other rows."""
_SPREADSHEETS = {".xlsx", ".xls", ".xlsm", ".ods", ".numbers"}


@dataclass(frozen=True)
class Wanted:
    """What the person asked for."""

    path: Path
    source: Path | None
    labels: int
    top: int
    html: Path
    labels_file: Path
    answers: Path | None
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What came out: the inspection with at most `top` cells to show, and the files that were written."""

    wanted: Wanted
    found: Inspection
    refused: int
    figures: Figures | None

    @property
    def shown(self) -> tuple[Suspect, ...]:
        """Return the cells to show."""
        return self.found.suspects[: self.wanted.top]


def inspect(wanted: Wanted, *, who: str, clock: Clock, out: Console, ask: Callable[[str], str | None]) -> Outcome:
    """Inspect a table; `ask` reads a person's answers, `out` is where questions go.

    Raises:
        UserError: a file cannot be read or written, or does not hold what it should.
    """
    table = _read(wanted.path)
    pairing = pair(table, _read(wanted.source)) if wanted.source else None
    inspector = Inspector(table, seed=wanted.seed, pairing=pairing)
    if wanted.labels > len(table.rows):
        out.print(Text(f"{wanted.path.name} has only {rows(len(table.rows))}: no more can be labelled", style="yellow"))
    goal = min(wanted.labels, len(table.rows))
    refused, figures = 0, None
    if wanted.answers:
        trial = Trial(inspector, _read(wanted.answers), wanted.answers)
        trial.label(goal)
        figures = trial.figures()
    else:
        labels = LabelsFile(wanted.labels_file, table, file_hash(wanted.path), clock=clock, who=who)
        known = labels.known()
        refused = known.refused
        for row, columns in known.wrong.items():
            inspector.label(row, {column: known.right.get((row, column)) for column in columns})
        if refused:
            out.print(Text(f"{counted(refused, 'label')} not used: the rows they were given to are not as they were"))
        if goal:
            Labelling(inspector, labels, out, ask).run(goal)
    found = inspector.inspect(max(wanted.top, _PAGE))
    write_report(found, wanted.path.name, wanted.html, clock.now())
    return Outcome(wanted, found, refused, figures)


def _read(path: Path) -> Table:
    if path.suffix.lower() in _SPREADSHEETS:
        raise UserError(f"{path}: a spreadsheet; save its sheet as CSV (UTF-8) and inspect that file")
    if path.is_dir():
        raise UserError(f"{path}: a folder; name a CSV file in it")
    table = read_table(path)
    if not table.rows:
        raise UserError(f"{path}: has a header and no rows; there is nothing to inspect")
    return table


def show(outcome: Outcome, console: Console) -> None:
    """Print the outcome for a person."""
    found = outcome.found
    if outcome.shown:
        console.print(_grid(outcome))
    of = f"in {rows(found.records)} of {len(found.table.rows):,}"
    more = f"; shown: the first {len(outcome.shown):,} (--top)" if len(outcome.shown) < found.total else ""
    said = f"{counted(found.total, 'suspicious cell')} {of}{more}" if found.total else "nothing suspicious"
    _say(console, f"{said}; {rows(found.labelled)} labelled")
    if len(found.table.rows) < _FEW:
        _say(console, f"{rows(len(found.table.rows))} are too few to tell what is usual: this says little")
    if found.pairing:
        _show_pairing(found.pairing, console)
    if found.total and not found.labelled:
        _say(console, "ranked by general rules; --labels 20 asks about twenty records and learns this table")
    if outcome.figures:
        for name, value in outcome.figures.as_dict().items():
            _say(console, f"{name.replace('_', ' ')}: {'unknown' if value is None else value}")
    _say(console, f"report: {outcome.wanted.html}")


def _grid(outcome: Outcome) -> Grid:
    grid = Grid("line", "column", "value", "P", "why", "probably")
    grid.columns[0].justify = grid.columns[3].justify = "right"
    for one in outcome.shown:
        grid.add_row(
            str(one.line),
            Text(short(one.name)),
            Text(short(one.value), style="red"),
            f"{one.probability:.2f}",
            Text(plain(one.reasons[0].text)),
            Text(short(one.correction.value), style="green") if one.correction else "",
        )
    return grid


def _show_pairing(pairing: Pairing, console: Console) -> None:
    near = f", {len(pairing.near):,} of them without an equal key" if pairing.near else ""
    _say(
        console,
        f"source: {rows(pairing.paired)} paired by {' and '.join(pairing.key)}{near}; "
        f"{counted(len(pairing.told), 'cell')} {'disagrees' if len(pairing.told) == 1 else 'disagree'}",
    )
    for lines, said in (
        (pairing.table_lines(pairing.ambiguous), "that more than one source record fits, left alone"),
        (pairing.table_lines(pairing.only_table), "without a source record"),
        (pairing.source_lines(pairing.only_source), "of the source never entered"),
    ):
        if lines:
            place = "line" if len(lines) == 1 else "lines"
            some = ", ".join(map(str, lines[:10])) + (" …" if len(lines) > 10 else "")  # noqa: PLR2004
            _say(console, f"  {rows(len(lines))} {said}: {place} {some}")
    if pairing.left_out:
        _say(console, f"  not compared, for they hold something else: {', '.join(pairing.left_out)}")


def _say(console: Console, text: str) -> None:
    console.print(plain(text), markup=False, highlight=False, soft_wrap=True)


def print_json(outcome: Outcome) -> None:
    """Print the outcome as one JSON document in UTF-8, whatever the terminal's own encoding."""
    text = json.dumps(as_data(outcome), ensure_ascii=False)
    typer.echo(text.encode("utf-8", "backslashreplace"))


def as_data(outcome: Outcome) -> dict[str, Any]:
    """Return the outcome as JSON-able data."""
    found, wanted = outcome.found, outcome.wanted
    columns = found.table.columns
    return {
        "file": str(wanted.path),
        "rows": len(found.table.rows),
        "columns": list(columns),
        "labelled": found.labelled,
        "labels_refused": outcome.refused,
        "suspicious_cells": found.total,
        "suspicious_records": found.records,
        "by_column": {name: count for name, count in zip(columns, found.by_column, strict=True) if count},
        "cells": [_cell(one) for one in outcome.shown],
        "source": _source(found.pairing) if found.pairing else None,
        "figures": outcome.figures.as_dict() if outcome.figures else None,
        "html": str(wanted.html),
    }


def _cell(one: Suspect) -> dict[str, Any]:
    correction = one.correction
    return {
        "line": one.line,
        "row": one.row + 1,
        "column": one.name,
        "value": one.value,
        "probability": round(one.probability, 4),
        "labelled": one.labelled,
        "reasons": [{"kind": reason.kind, "text": reason.text} for reason in one.reasons],
        "correction": correction
        and {
            "value": correction.value,
            "confidence": round(correction.confidence, 4),
            "support": correction.support,
        },
    }


def _source(pairing: Pairing) -> dict[str, Any]:
    columns, theirs = pairing.table.columns, pairing.source.columns
    return {
        "key": list(pairing.key),
        "columns": {columns[column]: theirs[link.source] for column, link in pairing.links.items()},
        "not_compared": list(pairing.left_out),
        "paired": pairing.paired,
        "paired_without_equal_key": pairing.table_lines(pairing.near),
        "ambiguous": pairing.table_lines(pairing.ambiguous),
        "without_source": pairing.table_lines(pairing.only_table),
        "never_entered": pairing.source_lines(pairing.only_source),
        "disagreements": len(pairing.told),
    }
