"""An inspected table as one HTML file: no script, no request to anywhere, printable, readable on a phone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from engine.errors import UserError
from engine.redact import replacing
from qc_models.tables.inspection import Inspection, Suspect
from qc_models.tables.words import counted, plain, rows, visible

_TEMPLATES = Path(__file__).parents[1] / "templates"
_MOST_LINES = 60
_LONGEST = 400


@dataclass(frozen=True)
class _Entry:
    """A record with suspicious cells: those that are listed, and all its cells with whether they are suspicious."""

    line: int
    suspects: tuple[Suspect, ...]
    cells: tuple[tuple[str, str, bool], ...]


def write_report(found: Inspection, name: str, path: Path, now: datetime) -> Path:
    """Write the report of a table called `name` to `path`, its folder included, replacing an older one; return `path`.

    Raises:
        UserError: the file cannot be written.
    """
    html = report(found, name, now)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as target:
            target.write(html.encode("utf-8", "xmlcharrefreplace"))
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); name another file with --html") from error
    return path


def report(found: Inspection, name: str, now: datetime) -> str:
    """Return the report of a table as HTML."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., str]] = {"visible": _value, "plain": plain, "lines": _lines}
    environment.filters |= filters
    environment.globals |= {"counted": counted, "rows": rows}
    columns = sorted(
        (one for one in zip(found.by_column, found.table.columns, strict=True) if one[0]), key=lambda one: -one[0]
    )
    return environment.get_template("inspection.html").render(
        found=found, name=name, at=f"{now:%Y-%m-%d %H:%M} UTC", entries=_entries(found), columns=columns
    )


def _entries(found: Inspection) -> list[_Entry]:
    """Return the records of the listed cells, the one with the most suspicious cell first."""
    by_row: dict[int, list[Suspect]] = {}
    for suspect in found.suspects:
        by_row.setdefault(suspect.row, []).append(suspect)
    return [
        _Entry(
            line=suspects[0].line,
            suspects=tuple(suspects),
            cells=tuple(
                (name, value, column in found.marked[row])
                for column, (name, value) in enumerate(zip(found.table.columns, found.table.rows[row], strict=True))
            ),
        )
        for row, suspects in by_row.items()
    ]


def _value(value: str) -> str:
    return visible(value, _LONGEST)


def _lines(numbers: list[int]) -> str:
    """Return line numbers as a person reads them, not more than a person would."""
    word = "line" if len(numbers) == 1 else "lines"
    shown = ", ".join(str(number) for number in numbers[:_MOST_LINES])
    more = len(numbers) - _MOST_LINES
    return f"{word} {shown} and {more:,} more" if more > 0 else f"{word} {shown}"
