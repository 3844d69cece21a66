"""What a changed definition would do, on the terminal, as JSON and as a table."""

from __future__ import annotations

from collections import Counter
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
from bots.reconciliation.solution import Solution
from bots.reconciliation.versions import versions
from bots.reconciliation.what_if import CHANGES, Changed, Lines, counted, lines_of
from bots.reconciliation.wording import money, visible

_MOST = 20
"""Matches that the terminal lists; what-if.csv has all."""
_SIDES = ("bank", "books")


def table(found: Sequence[Changed], before: Solution, after: Solution) -> pd.DataFrame:
    """Return a row a line of each match that changes, with what it is now and what it would be."""
    lines = _lines(found, before, after)
    rows = [
        (at, one.change, one.confirmed, one.rejected, _kind(before, one.before), _kind(after, one.after), side, line)
        for at, (one, mine) in enumerate(zip(found, lines, strict=True))
        for side, line in sorted(mine)
    ]
    names = ["change", "what", "confirmed", "rejected", "kind_now", "kind_then", "side", "line"]
    told = pd.DataFrame(rows, columns=names)
    for name, solution in (("now", before), ("then", after)):
        told[name] = ""
        for side in (BANK, BOOK):
            mine = told["side"] == side
            told.loc[mine, name] = solution.states[side].astype("str").to_numpy(object)[told.loc[mine, "line"]]
    lines_told = line_columns(before.sides, told["side"], told["line"])
    return pd.concat([told.assign(side=told["side"].map(lambda side: _SIDES[side])), lines_told], axis=1)


def summary(found: Sequence[Changed], before: Solution, after: Solution, path: Path) -> dict[str, Any]:
    """Return what would change, as JSON-able data."""
    return {
        "now": _definition(before),
        "then": _definition(after),
        "changes": {row["change"]: row for row in counted(list(found)).to_dict("records")},
        "file": str(path),
    }


def show(found: Sequence[Changed], before: Solution, after: Solution, path: Path, console: Console) -> None:
    """Print what would change: how many, which first, and how the lines would stand."""
    states = Table("", *STATES, box=None, header_style="dim", pad_edge=False)
    for column in states.columns[1:]:
        column.justify = "right"
    for what, solution in (("now", before), ("then", after)):
        counts = sum((Counter(side.value_counts().to_dict()) for side in solution.states), Counter[str]())
        states.add_row(f"lines {what}", *(f"{counts[state]:,}" for state in STATES))
    console.print(states)
    for row in counted(list(found)).to_dict("records"):
        if row["matches"]:
            confirmed = "".join(
                f", {row[word]:,} of them {word} by a person" for word in ("confirmed", "rejected") if row[word]
            )
            console.print(
                Text(f"{row['matches']:>9,} {row['change']}: {CHANGES[row['change']]}{confirmed}"), soft_wrap=True
            )
    first = found[:_MOST]
    for one, lines in zip(first, _lines(first, before, after), strict=True):
        console.print(Text(f"  {one.change}  {_said(one, lines, before, after)}"), soft_wrap=True)
    if len(found) > _MOST:
        console.print(Text(f"  and {len(found) - _MOST:,} more"))
    none = "" if found else "nothing that closed or that a person decided would change; "
    console.print(Text(f"{none}all lines of what changes: {path}", style="bold"), soft_wrap=True)


def _said(one: Changed, lines: Lines, before: Solution, after: Solution) -> str:
    sides: tuple[list[str], list[str]] = ([], [])
    for side, line in sorted(lines):
        row: Any = (before.sides.bank, before.sides.book)[side].lines.iloc[line]
        who = visible(row["name"]) or visible(row["reference"]) or visible(row["text"]) or f"{_SIDES[side]} line {line}"
        sides[side].append(f"{row['booked']:%Y-%m-%d} {money(int(row['amount']), row['currency'])} {who}")
    kinds = dict.fromkeys(filter(None, (_kind(before, one.before), _kind(after, one.after))))
    return f"{' + '.join(sides[0]) or 'nothing'} = {' + '.join(sides[1]) or 'nothing'} ({' -> '.join(kinds)})"


def _lines(found: Sequence[Changed], before: Solution, after: Solution) -> list[Lines]:
    """Return the lines of each match that changes: those of now, where there is one."""
    now = lines_of(before.matched, [one.before for one in found if one.before is not None])
    then = lines_of(after.matched, [one.after or 0 for one in found if one.before is None])
    return [next(now if one.before is not None else then) for one in found]


def _kind(solution: Solution, number: int | None) -> str:
    return "" if number is None else str(solution.matched.matches["kind"].iloc[number])


def _definition(solution: Solution) -> dict[str, Any]:
    of = solution.definition
    return {"path": of.path or "(defaults)", "sha256": of.sha256, "decided_by": versions(of)}
