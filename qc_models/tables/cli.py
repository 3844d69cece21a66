"""The verb `inspect`: which cells of a table look wrong, why, and what they should probably say."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Protocol

import typer
from rich.console import Console

from engine.clock import SystemClock
from engine.errors import UserError

EXIT_CLEAN, EXIT_PERSON = 0, 1


class InspectDesk(Protocol):
    """What the verb needs of the one who runs it; the runner provides it."""

    @property
    def home(self) -> Path:
        """The folder of reports."""
        ...

    @property
    def console(self) -> Console:
        """Standard output."""
        ...

    @property
    def errors(self) -> Console:
        """Standard error, where questions go."""
        ...

    @property
    def user(self) -> str:
        """Who sits here."""
        ...


def add_inspect(app: typer.Typer, open_desk: Callable[[], InspectDesk]) -> None:
    """Add `inspect` over a desk that is opened when it runs."""

    @app.command("inspect")
    def _inspect(
        path: Annotated[Path, typer.Argument(metavar="FILE.csv", help="Any table: CSV with a header row.")],
        source: Annotated[Path | None, typer.Option(help="The records it was entered from, CSV, in any order.")] = None,
        labels: Annotated[int, typer.Option(min=0, help="Ask until so many records have a label in all.")] = 0,
        top: Annotated[int, typer.Option(min=1, help="Show at most so many cells.")] = 50,
        html: Annotated[Path | None, typer.Option(help="Where the report goes; default: HOME/reports.")] = None,
        labels_file: Annotated[Path | None, typer.Option(help="Default: FILE.csv.labels.jsonl.")] = None,
        answers: Annotated[
            Path | None, typer.Option(help="The same table without errors: answers, and judges.")
        ] = None,
        seed: Annotated[int, typer.Option(help="Decides every draw.")] = 0,
        as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")] = False,
    ) -> None:
        """Find the cells of a table that look wrong: why, and what they should probably say."""
        from qc_models.tables import session  # noqa: PLC0415 - scikit-learn costs a second that only this verb should pay

        desk = open_desk()
        wanted = session.Wanted(
            path=path,
            source=source,
            labels=labels,
            top=top,
            html=html or desk.home / "reports" / f"inspect-{path.stem}.html",
            labels_file=labels_file or path.with_name(f"{path.name}.labels.jsonl"),
            answers=answers,
            seed=seed,
        )
        outcome = session.inspect(wanted, who=desk.user, clock=SystemClock(), out=desk.errors, ask=asker(desk.errors))
        if as_json:
            session.print_json(outcome)
        else:
            session.show(outcome, desk.console)
        raise typer.Exit(EXIT_CLEAN if outcome.found.clean else EXIT_PERSON)


def asker(out: Console) -> Callable[[str], str | None]:
    """Return what asks one question on a console and reads one line of standard input; None at its end."""

    def ask(prompt: str) -> str | None:
        out.print(prompt, end="", markup=False, highlight=False)
        try:
            line = sys.stdin.readline()
        except KeyboardInterrupt:
            line = ""
        except UnicodeDecodeError:
            raise UserError("an answer is not text in the terminal's encoding") from None
        if not line or not sys.stdin.isatty():
            out.print()
        return line.rstrip("\r\n") if line else None

    return ask
