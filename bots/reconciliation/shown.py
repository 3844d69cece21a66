"""An outcome on the terminal and as JSON: the same figures as in the report."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bots.reconciliation.bridge import Bridge
from bots.reconciliation.proof import Proof
from bots.reconciliation.reconcile import Outcome
from bots.reconciliation.report import headline
from bots.reconciliation.wording import decimal, money, signed, visible

_MOST = 10
"""Quarantined bookings that the terminal shows; the report and quarantine.csv hold all."""
_STEP = {"open": "open: ", "suggested": "in suggestions: ", "closed": "closed: ", "opening": "opening balances differ"}


def summary(outcome: Outcome, proof: Proof, written: list[Path]) -> dict[str, Any]:
    """Return what an outcome comes to, as JSON-able data; amounts are texts in major units."""
    matches = outcome.matched.matches
    kinds = Counter(zip(matches["kind"].astype("str"), matches["closed"], strict=True))
    return {
        "said": list(outcome.sides.said),
        "asof": str(outcome.asof),
        "definition": {"path": outcome.definition.path, "sha256": outcome.definition.sha256},
        "inputs": [
            {"side": name, "file": str(one.path), "sha256": one.sha256, "format": one.format}
            for name, side in (("bank", outcome.sides.bank), ("books", outcome.sides.book))
            for one in side.deliveries
        ],
        "lines": {state: {"bank": bank, "books": book} for state, (bank, book) in outcome.counts().items()},
        "matches": [
            {"kind": kind, "state": "closed" if closed else "suggested", "matches": count}
            for (kind, closed), count in sorted(kinds.items())
        ],
        "causes": {
            str(cause): int(count) for cause, count in outcome.breaks["cause"].value_counts().sort_index().items()
        },
        "accounts": [_account(one) for one in outcome.bridges],
        "quarantine": [
            problem
            for side in (outcome.sides.bank, outcome.sides.book)
            for one in side.deliveries
            for problem in one.problems()
        ],
        "proof": {"head": proof.head, "holds": proof.holds},
        "files": [str(path) for path in written],
    }


def _account(one: Bridge) -> dict[str, Any]:
    steps = [
        {
            "what": step.what,
            "why": step.label,
            "amount": decimal(step.amount, one.currency),
            "bank_lines": step.bank,
            "book_lines": step.book,
        }
        for step in one.steps
    ]
    return {
        "account": one.account,
        "currency": one.currency,
        "compared": "balances" if one.balances else "movements",
        "bank": decimal(one.bank, one.currency),
        "books": decimal(one.book, one.currency),
        "difference": decimal(one.difference, one.currency),
        "unexplained": decimal(one.unexplained, one.currency),
        "steps": steps,
    }


def show(outcome: Outcome, proof: Proof, page: Path, console: Console) -> None:
    """Print how a reconciliation ended."""
    for sentence in outcome.sides.said:
        console.print(Text(visible(sentence), style="dim"), soft_wrap=True)
    console.print(_states(outcome.counts()))
    for one in outcome.bridges:
        console.print(_bridge(one))
        for gap in one.gaps:
            console.print(Text(visible(gap), style="red"))
    problems = [
        problem
        for side in (outcome.sides.bank, outcome.sides.book)
        for one in side.deliveries
        for problem in one.problems()
    ]
    if problems:
        console.print(Text(f"held back ({len(problems):,}):", style="red"))
        for problem in problems[:_MOST]:
            console.print(Text(f"  {visible(problem)}"), soft_wrap=True)
        if len(problems) > _MOST:
            console.print(Text(f"  and {len(problems) - _MOST:,} more in quarantine.csv"))
    console.print(Text(headline(outcome), style="bold"), soft_wrap=True)
    console.print(Text(f"report: {page}"), soft_wrap=True)
    console.print(Text(f"proof:  {proof.path}, head {proof.head}"), soft_wrap=True)


def _states(counts: dict[str, tuple[int, int]]) -> Table:
    table = Table("", *counts, "lines read", box=None, header_style="dim", pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for side, what in enumerate(("bank", "books")):
        read = sum(both[side] for state, both in counts.items() if state != "quarantined")
        table.add_row(what, *(f"{both[side]:,}" for both in counts.values()), f"{read:,}")
    return table


def _bridge(one: Bridge) -> Table:
    what = "balance" if one.balances else "movements"
    title = Text(f"{visible(one.account) or 'unnamed account'} {one.currency}", style="bold")
    table = Table(title=title, title_justify="left", box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    table.add_row(f"bank's {what}", money(one.bank, one.currency), "")
    for step in one.steps:
        sides = [f"{count:,} {side}" for count, side in ((step.bank, "bank"), (step.book, "books")) if count]
        table.add_row(f"  {_STEP[step.what]}{step.label}", signed(step.amount, one.currency), " + ".join(sides))
    table.add_row(f"books' {what}", money(one.book, one.currency), "explained to the cent")
    return table
