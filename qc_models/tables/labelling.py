"""The labelling loop on a terminal: one record at a time, and every answer is kept at once."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from qc_models.tables.inspection import Inspector
from qc_models.tables.labels import LabelsFile
from qc_models.tables.words import counted, plain, short, visible

HELP = """\
Type the numbers or names of the wrong fields, with commas between them: 3,5 or city,zip.
Add the right value if you know it: 3=London. One with a comma goes into quotes: "3=Smith, John".
Enter: all right   s: skip   u: undo the last answer   q: stop   ?: this help"""
PROMPT = "wrong fields (Enter: all right, s skip, u undo, q stop, ? help): "
_LONGEST = 100

Wrong = Mapping[int, str | None]
"""Wrong columns, each with the right value where the person gave one."""


class Misunderstood(Exception):
    """An answer that names no field; the message says what to type."""


@dataclass(frozen=True)
class Ended:
    """How a session went: how many records got a label, and why it ended."""

    labelled: int
    why: str


def understand(answer: str, columns: Sequence[str]) -> Wrong:
    """Return the fields that an answer names by number (from 1) or by name, without regard to case.

    Raises:
        Misunderstood: a part of it names no field.
    """
    names = {name.casefold(): index for index, name in reversed(list(enumerate(columns)))}
    found: dict[int, str | None] = {}
    for part in next(csv.reader([answer], skipinitialspace=True), []):
        name, sign, value = part.partition("=")
        name = name.strip().casefold()
        if not name and not sign:
            continue
        if name.isdecimal() and 1 <= int(name) <= len(columns):
            found[int(name) - 1] = value.strip() if sign else None
        elif name in names:
            found[names[name]] = value.strip() if sign else None
        else:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f", did you mean {columns[names[near[0]]]}?" if near else f"; they are 1 to {len(columns)}"
            raise Misunderstood(f"no field {visible(name)}{hint}")
    return found


class Labelling:
    """Asks about records that the detector chooses, until so many have a label."""

    def __init__(
        self, inspector: Inspector, labels: LabelsFile, out: Console, ask: Callable[[str], str | None]
    ) -> None:
        """Prepare; `ask` shows a prompt and returns a line without its end, None when there is no more input."""
        self._inspector = inspector
        self._detector = inspector.detector
        self._labels = labels
        self._out = out
        self._ask = ask
        self._history: list[int] = []
        self._skipped: set[int] = set()

    def run(self, wanted: int) -> Ended:
        """Ask until `wanted` records have a label, those from earlier sessions included."""
        again: int | None = None
        while len(self._detector.labelled) < wanted:
            try:
                row = self._detector.next(self._skipped) if again is None else again
            except LookupError:
                return self._ended("every row is labelled or was skipped")
            again = None
            self._show(row, wanted)
            answer = self._answer()
            if answer is None:
                return self._ended("stopped; the same command goes on from here")
            if answer == "s":
                self._skipped.add(row)
            elif answer == "u":
                again = self._undo(row)
            elif not isinstance(answer, str):
                self._note(row, answer)
        return self._ended("thank you")

    def _answer(self) -> Wrong | str | None:
        """Return wrong fields, `s` or `u`; None to stop."""
        while True:
            line = self._ask(PROMPT)
            if line is None or line.strip().casefold() == "q":
                return None
            word = line.strip().casefold()
            if word in {"s", "u"}:
                return word
            if word == "?":
                self._out.print(HELP, markup=False, highlight=False)
                continue
            try:
                return understand(line.strip(), self._inspector.table.columns)
            except (Misunderstood, csv.Error) as error:
                self._out.print(Text(f"{error}; ? for help", style="yellow"))

    def _note(self, row: int, wrong: Wrong) -> None:
        self._labels.append(row, wrong)
        self._inspector.label(row, wrong)
        self._history.append(row)

    def _undo(self, row: int) -> int:
        if not self._history:
            self._out.print(Text("nothing to undo in this session", style="yellow"))
            return row
        last = self._history.pop()
        self._labels.undo(last)
        self._inspector.forget(last)
        return last

    def _show(self, row: int, wanted: int) -> None:
        table = self._inspector.table
        marks, reasons = self._inspector.doubts(row)
        self._out.print()
        self._out.print(
            Text(f"record {len(self._detector.labelled) + 1} of {wanted}, line {table.line(row)}", style="bold")
        )
        grid = Grid(box=None, show_header=False, pad_edge=False, padding=(0, 1))
        for column, name in enumerate(table.columns):
            doubted = column in marks
            why = reasons.of(row, column, 1)[0].text if doubted else ""
            grid.add_row(
                Text("*" if doubted else " ", style="bold red"),
                Text(str(column + 1), style="cyan"),
                Text(short(name)),
                Text(visible(table.rows[row][column], _LONGEST), style="bold red" if doubted else ""),
                Text(plain(why), style="dim"),
            )
        self._out.print(grid)

    def _ended(self, why: str) -> Ended:
        labelled = len(self._history)
        self._out.print(Text(f"{counted(labelled, 'record')} labelled, {len(self._detector.labelled)} in all; {why}"))
        return Ended(labelled, why)
