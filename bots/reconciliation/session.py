"""What the verb does: reconcile two files, or ask what a changed definition would do to the same lines."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import typer
from rich.console import Console

from bots.reconciliation import export, report, shown, what_if_shown
from bots.reconciliation.definition import DEFAULT, Definition
from bots.reconciliation.gate import Evidence
from bots.reconciliation.judging import Judge
from bots.reconciliation.ports import Heads, OpenItems
from bots.reconciliation.proving import prove, series, told_of
from bots.reconciliation.reading import read_sides
from bots.reconciliation.reconcile import Outcome, reconcile
from bots.reconciliation.replay import history
from bots.reconciliation.solution import Solution, solutions
from bots.reconciliation.what_if import Lines, changes
from engine.errors import UserError
from engine.kept_heads import KeptHead

_READING = ("bank", "book", "accounts")
"""What a definition says of how files are read."""


@dataclass(frozen=True)
class Wanted:
    """What a person asked for."""

    bank: Path
    book: Path
    definition: Definition
    folder: Path
    asof: date | None = None
    currency: str | None = None
    judge: Judge | None = None
    evidence: Sequence[Evidence] = ()
    """What own reviews found of each kind of evidence."""


@dataclass(frozen=True)
class Keep:
    """Where the head of the proof is kept, and in whose name."""

    heads: Heads
    who: str


def conclude(wanted: Wanted, keep: Keep, now: datetime, console: Console, *, as_json: bool) -> None:
    """Reconcile two files, write everything, keep the head of the proof, and show it.

    Raises:
        UserError: a file cannot be read or written, or something can be told in more than one way.
    """
    known = list(keep.heads)  # before all the work: a ledger that cannot be opened is told at once
    outcome = reconcile(
        wanted.bank,
        wanted.book,
        wanted.definition,
        asof=wanted.asof,
        currency=wanted.currency,
        judge=wanted.judge,
        evidence=wanted.evidence,
    )
    name = outcome.definition.file.name
    same = series(name, outcome.bridges)
    earlier = [one for one in known if one.series == same]
    previous = earlier[0].head if earlier else ""
    proof, written = prove(outcome, wanted.folder, now, judge=wanted.judge, previous=previous)
    keep.heads.keep(told_of(proof, name, definition=outcome.definition, inputs=_inputs(outcome)), keep.who)
    written += export.write_tables(outcome, wanted.folder)
    beside = [path.name for path in written]
    page = report.write_report(outcome, wanted.folder / "report.html", beside, _others(earlier, _inputs(outcome)))
    if as_json:
        _print_json(shown.summary(outcome, proof, [page, *written]))
    else:
        shown.show(outcome, proof, page, console)


def _inputs(outcome: Outcome) -> dict[str, str]:
    sides = (("bank", outcome.sides.bank), ("book", outcome.sides.book))
    return {f"{name} {one.path.name}": one.sha256 for name, side in sides for one in side.deliveries}


def _others(earlier: Sequence[KeptHead], inputs: Mapping[str, str]) -> list[KeptHead]:
    """Return the newest run of each other set of files, oldest first."""
    found: dict[frozenset[str], KeptHead] = {}
    for one in earlier:
        found.setdefault(frozenset(one.inputs.values()), one)
    found.pop(frozenset(inputs.values()), None)
    return sorted(found.values(), key=lambda one: (one.asof, one.at))


def compare(wanted: Wanted, changed: Definition, console: Console, *, as_json: bool) -> None:
    """Match the same lines under the definition of now and under a changed one, and show which closed matches differ.

    Raises:
        UserError: the changed definition reads the files in another way, or a file cannot be read or written.
    """
    now = wanted.definition
    if now is DEFAULT:
        reading = changed
    else:
        reading = now
        other = [key for key in _READING if getattr(now.file, key) != getattr(changed.file, key)]
        if other:
            raise UserError(
                f"{changed.path} reads the files in another way than {now.path} ({', '.join(other)}): "
                "what-if matches the same lines twice; change only what may match, or reconcile both apart"
            )
    sides = read_sides(wanted.bank, wanted.book, reading, currency=wanted.currency)
    _compared(solutions(sides, (now, changed), wanted.evidence), (), (), wanted.folder, console, as_json=as_json)


def replay(
    items: OpenItems, now: Definition, changed: Definition, folder: Path, console: Console, *, as_json: bool
) -> None:
    """Match the history of a reconciliation under the definition of now and under a changed one; see `compare`.

    Raises:
        UserError: there is no history, or the table cannot be written.
    """
    past = history(items)
    found = solutions(past.sides, (now, changed), past.evidence)
    _compared(found, past.confirmed, past.refused, folder, console, as_json=as_json)


def _compared(
    found: Sequence[Solution],
    confirmed: Collection[Lines],
    rejected: Collection[Lines],
    folder: Path,
    console: Console,
    *,
    as_json: bool,
) -> None:
    before, after = found
    touched = changes(before.matched, after.matched, confirmed, rejected)
    path = export.write_table(what_if_shown.table(touched, before, after), folder / "what-if.csv")
    if as_json:
        _print_json(what_if_shown.summary(touched, before, after, path))
    else:
        what_if_shown.show(touched, before, after, path, console)


def _print_json(data: object) -> None:
    text = json.dumps(data, ensure_ascii=False, indent=2)
    typer.echo(text.encode("utf-8", "backslashreplace"))
