"""What a changed definition would do, on the terminal, as JSON and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bots.reconciliation.bridge import STATES
from bots.reconciliation.export import line_columns
from bots.reconciliation.matched import BANK, BOOK
from bots.reconciliation.reconcile import Outcome
from bots.reconciliation.what_if import CHANGES, Changed, counted, lines_of
from bots.reconciliation.wording import money, visible

_MOST = 20
"""Matches that the terminal lists; what-if.csv has all."""
_SIDES = ("bank", "books")


def table(found: Sequence[Changed], before: Outcome, after: Outcome) -> pd.DataFrame:
    """Return a row a line of each match that changes, with what it is now and what it would be."""
    rows = [
        (at, one.change, one.confirmed, _kind(before, one.before), _kind(after, one.after), side, line)
        for at, one in enumerate(found)
        for side, line in sorted(_lines(one, before, after))
    ]
    names = ["change", "what", "confirmed", "kind_now", "kind_then", "side", "line"]
    told = pd.DataFrame(rows, columns=names)
    for name, outcome in (("now", before), ("then", after)):
        stands = {(side, at): state for side in (BANK, BOOK) for at, state in enumerate(outcome.states[side])}
        told[name] = [stands[key] for key in zip(told["side"], told["line"], strict=True)]
    lines = line_columns(before, told["side"], told["line"])
    return pd.concat([told.assign(side=told["side"].map(lambda side: _SIDES[side])), lines], axis=1)


def summary(found: Sequence[Changed], before: Outcome, after: Outcome, path: Path) -> dict[str, Any]:
    """Return what would change, as JSON-able data."""
    return {
        "now": _definition(before),
        "then": _definition(after),
        "changes": {row["change"]: row for row in counted(list(found)).to_dict("records")},
        "file": str(path),
    }


def show(found: Sequence[Changed], before: Outcome, after: Outcome, path: Path, console: Console) -> None:
    """Print what would change: how many, which first, and how the lines would stand."""
    states = Table("", *STATES, box=None, header_style="dim", pad_edge=False)
    for column in states.columns[1:]:
        column.justify = "right"
    for what, outcome in (("now", before), ("then", after)):
        counts = outcome.counts()
        states.add_row(f"lines {what}", *(f"{sum(counts[state]):,}" for state in STATES))
    console.print(states)
    for row in counted(list(found)).to_dict("records"):
        if row["matches"]:
            confirmed = f", {row['confirmed']:,} of them confirmed by a person" if row["confirmed"] else ""
            console.print(
                Text(f"{row['matches']:>9,} {row['change']}: {CHANGES[row['change']]}{confirmed}"), soft_wrap=True
            )
    for one in found[:_MOST]:
        console.print(Text(f"  {one.change}  {_said(one, before, after)}"), soft_wrap=True)
    if len(found) > _MOST:
        console.print(Text(f"  and {len(found) - _MOST:,} more"))
    none = "" if found else "no closed match would change; "
    console.print(Text(f"{none}all lines of what changes: {path}", style="bold"), soft_wrap=True)


def _said(one: Changed, before: Outcome, after: Outcome) -> str:
    sides: tuple[list[str], list[str]] = ([], [])
    for side, line in sorted(_lines(one, before, after)):
        row: Any = (before.sides.bank, before.sides.book)[side].lines.iloc[line]
        who = visible(row["name"]) or visible(row["reference"]) or visible(row["text"]) or f"{_SIDES[side]} line {line}"
        sides[side].append(f"{row['booked']:%Y-%m-%d} {money(int(row['amount']), row['currency'])} {who}")
    kinds = dict.fromkeys(filter(None, (_kind(before, one.before), _kind(after, one.after))))
    return f"{' + '.join(sides[0]) or 'nothing'} = {' + '.join(sides[1]) or 'nothing'} ({' -> '.join(kinds)})"


def _lines(one: Changed, before: Outcome, after: Outcome) -> frozenset[tuple[int, int]]:
    if one.before is not None:
        return lines_of(before.matched, one.before)
    return lines_of(after.matched, one.after or 0)


def _kind(outcome: Outcome, number: int | None) -> str:
    return "" if number is None else str(outcome.matched.matches["kind"].iloc[number])


def _definition(outcome: Outcome) -> dict[str, str]:
    return {"path": outcome.definition.path or "(defaults)", "sha256": outcome.definition.sha256}
