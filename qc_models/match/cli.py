"""The verbs of the match-quality family: `model train-matches` and `model evaluate-matches`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer
from rich.console import Console

from engine.errors import UserError
from engine.ledger.database import Database
from qc_models.artifact import Artifact
from qc_models.match.context import Context
from qc_models.match.evaluation import evaluate
from qc_models.match.examples import Examples, reviewed, self_made
from qc_models.match.family import NAME
from qc_models.match.judge import MatchJudge
from qc_models.match.pair import Line
from qc_models.match.reading import read_labelled, read_lines
from qc_models.store import ModelStore

if TYPE_CHECKING:
    from qc_models.match.frames import FrameJudge

Pairs = Annotated[Path, typer.Argument(help="Reviewed matches, JSON Lines: pair, wrong, kind.")]
Bank = Annotated[Path | None, typer.Option("--bank", help="All bank lines of the period, JSON Lines.")]
Book = Annotated[Path | None, typer.Option("--book", help="All lines of the books of the period, JSON Lines.")]
Name = Annotated[str, typer.Option(help="Which model.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


class MatchDesk(Protocol):
    """What the verbs need of the one who runs them."""

    @property
    def database(self) -> Database:
        """The ledger."""
        ...

    @property
    def models(self) -> ModelStore:
        """The folder of artifacts."""
        ...

    @property
    def models_dir(self) -> Path:
        """Where artifacts are written."""
        ...

    @property
    def console(self) -> Console:
        """Standard output."""
        ...

    @property
    def user(self) -> str:
        """Who sits here."""
        ...


Register = Callable[[MatchDesk, Artifact, dict[str, Any]], None]
Show = Callable[..., None]


def add_match_verbs(app: typer.Typer, open_desk: Callable[[], MatchDesk], *, register: Register, show: Show) -> None:
    """Add the verbs to the `model` group; `register` enters an artifact in the ledger, `show` prints figures."""

    @app.command("train-matches")
    def _train(
        pairs: Annotated[
            Path | None,
            typer.Argument(help="Reviewed matches, JSON Lines: pair, wrong, kind. None yet: --bank, --book."),
        ] = None,
        bank: Bank = None,
        book: Book = None,
        seed: Annotated[int, typer.Option(help="Decides every draw.")] = 1,
        name: Name = NAME,
        as_json: AsJson = False,
    ) -> None:
        """Train the judge of reconciliation matches: from reviewed ones, from the two lists themselves, or both."""
        from qc_models.match.training import train  # noqa: PLC0415 - scikit-learn costs a second

        desk = open_desk()
        lists = _lists(bank, book)
        sets = [self_made(*lists, seed=seed)] if lists else []
        sets += [_reviewed(pairs, lists)] if pairs else []
        if not sets:
            raise UserError("name a file of reviewed matches, or both lists with --bank and --book")
        trained = train(sets, seed=seed, models_dir=desk.models_dir, name=name)
        register(desk, desk.models.get(name, trained.version), trained.metrics)
        show(desk, {"version": trained.version, "folder": str(trained.folder), **trained.metrics}, as_json=as_json)

    @app.command("evaluate-matches")
    def _evaluate(
        pairs: Pairs,
        bank: Bank = None,
        book: Book = None,
        name: Name = NAME,
        version: Annotated[str | None, typer.Option(help="Which version; default: the champion.")] = None,
        rules: Annotated[bool, typer.Option("--rules", help="Measure the rules of the first day instead.")] = False,
        target: Annotated[float, typer.Option(help="Share of wrong ones that closing may let through.")] = 1e-3,
        as_json: AsJson = False,
    ) -> None:
        """Judge matches whose truth is known: recall, precision, ranking, calibration, and what could be closed."""
        desk = open_desk()
        judge = MatchJudge(None if rules else desk.models.get(name, version))
        show(desk, evaluate(judge, _reviewed(pairs, _lists(bank, book)), target=target), as_json=as_json)


def frame_judge(models: ModelStore) -> FrameJudge | None:
    """Return the judge in service, the champion of match-quality; None while none is trained.

    The rules of the first day are no judge here: the matcher's own odds, which stand alone then, are better calibrated.

    Raises:
        UserError: the champion cannot be trusted.
    """
    if not models.versions(NAME):
        return None
    from qc_models.match.frames import FrameJudge  # noqa: PLC0415 - pandas costs half a second

    return FrameJudge(MatchJudge(models.get(NAME)))


def _lists(bank: Path | None, book: Path | None) -> tuple[list[Line], list[Line]] | None:
    if bank is None and book is None:
        return None
    if bank is None or book is None:
        raise UserError("--bank and --book belong together: give both lists of the period, or none")
    return read_lines(bank), read_lines(book)


def _reviewed(path: Path, lists: tuple[list[Line], list[Line]] | None) -> Examples:
    judged = read_labelled(path)
    context = Context.of(*lists) if lists else None
    return reviewed(
        [one.pair for one in judged],
        [one.wrong for one in judged],
        context=context,
        kinds=[one.kind or ("wrong" if one.wrong else "") for one in judged],
    )
