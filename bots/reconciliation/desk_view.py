"""Rolling open items on the terminal and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bots.reconciliation.ageing import Bucket
from bots.reconciliation.receiving import COUNTED, Received
from bots.reconciliation.wording import counted, money, share, visible
from engine.open_items import SIDES, AccountState, DecisionRow, MatchRow, OpenLine

if TYPE_CHECKING:  # it takes a second to load
    from bots.reconciliation.rolling import Outcome

_STATE = {"closed": "green", "suggested": "yellow", "waiting": "magenta", "undone": "red", "rejected": "red"}


def as_data(value: Any) -> Any:
    """Return rows as JSON-able data; sides by their name, amounts in minor units."""
    if is_dataclass(value) and not isinstance(value, type):
        told = {one.name: as_data(getattr(value, one.name)) for one in fields(value)}
        return told | {"side": SIDES[told["side"]]} if "side" in told else told
    if isinstance(value, Mapping):
        return {str(key): as_data(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [as_data(part) for part in value]
    return value.isoformat() if isinstance(value, date | datetime) else value


def say(console: Console, sentence: str, problems: Sequence[str]) -> None:
    """Print a sentence and what is wrong."""
    if sentence:
        console.print(Text(sentence), soft_wrap=True)
    for problem in problems:
        console.print(Text(visible(problem), style="red"), soft_wrap=True)


def told(console: Console, sentences: Sequence[str]) -> None:
    """Print what files told that nobody had declared."""
    for sentence in sentences:
        console.print(Text(visible(sentence), style="dim"), soft_wrap=True)


def received(names: Sequence[str], rows: Sequence[Received]) -> Table:
    """Show what was in each delivery; what never occurred has no column."""
    keys = [key for key in COUNTED if key in {"new", "again"} or any(one.counts[key] for one in rows)]
    made = _table("file", *(key.replace("_", "-") for key in keys))
    for name, one in zip(names, rows, strict=True):
        said = f"{visible(name)} (as delivery {one.repeats})" if one.repeats else visible(name)
        made.add_row(said, *(f"{one.counts[key]:,}" for key in keys))
    return made


def matched(outcome: Outcome) -> str:
    """Say what matching did."""
    return (
        f"{counted(outcome.fresh, 'line')} looked at beside {max(0, outcome.loaded - outcome.fresh):,} open ones near: "
        f"{outcome.closed:,} closed, {outcome.suggested:,} suggested, {outcome.kept:,} suggestions kept, "
        f"{outcome.replaced:,} taken back"
        f"{'; `runner.py reconciliation open` lists what waits' if outcome.suggested or outcome.kept else ''}"
    )


def accounts(rows: Sequence[AccountState]) -> Table:
    """Show opening + movements = closing of each account and side."""
    made = _table("account", "side", "opening", "movements", "closing", "lines", "unexplained")
    for one in rows:
        opening, closing, off = (
            "not stated" if amount is None else money(amount, one.currency)
            for amount in (one.opening, one.closing, one.difference)
        )
        wrong = Text(off, style="red" if one.difference else "dim")
        account = f"{visible(one.account) or 'unnamed'} {one.currency}"
        moved = money(one.movements, one.currency)
        made.add_row(account, SIDES[one.side], opening, moved, closing, f"{one.lines:,}", wrong)
    return made


def states(counts: Mapping[str, Mapping[str, int]]) -> Table:
    """Show how many lines are in which state."""
    made = _table("", *next(iter(counts.values())))
    for side, of in counts.items():
        made.add_row(side, *(f"{count:,}" for count in of.values()))
    return made


def ages(buckets: Sequence[Bucket]) -> Table:
    """Show how old open lines are."""
    made = _table("open for days", "account", "side", "lines", "amount")
    for one in buckets:
        account = f"{visible(one.account) or 'unnamed'} {one.currency}"
        made.add_row(one.label, account, SIDES[one.side], f"{one.lines:,}", money(one.amount, one.currency))
    return made


def matches(rows: Sequence[MatchRow], title: str) -> Text:
    """Show matches with their lines."""
    made = Text(f"{title}\n" if title else "", style="bold")
    for row in rows:
        about = [row.kind.replace("_", " "), f"{money(row.amount, row.currency)} {row.currency}"]
        about += [f"difference {money(row.difference, row.currency)}"] if row.difference else []
        wrong = row.probability_wrong
        about += [f"P(wrong) {share(wrong)}"] if wrong is not None and row.state == "suggested" else []
        about += [f"first decided by {visible(row.first)}"] if row.first and row.state == "waiting" else []
        made.append(f"{row.id:>6} ").append(row.state, style=_STATE.get(row.state, "dim"))
        made.append(f"  {'; '.join(about)}\n", style="not bold")
        for one in row.lines:
            made.append(f"       {_line(one)}\n", style="not bold")
        if row.attention:
            made.append(f"       {visible(row.attention)}\n", style="red")
    made.rstrip()
    return made


def lines(rows: Sequence[OpenLine], asof: date) -> Table:
    """Show open lines with their age in days."""
    made = _table("line", "side", "day", "age", "amount", "reference", "name", "text")
    for one in rows:
        facts = one.facts
        amount = f"{money(facts.amount, facts.currency)} {facts.currency}"
        told = (visible(text) for text in (facts.reference, facts.name, facts.text))
        made.add_row(str(one.id), SIDES[one.side], str(facts.day), str((asof - facts.day).days), amount, *told)
    return made


def decisions(rows: Sequence[DecisionRow]) -> Table:
    """Show what was decided."""
    made = _table("when (UTC)", "what", "who", "why")
    for one in rows:
        made.add_row(f"{one.at:%Y-%m-%d %H:%M}", one.verb, visible(one.actor), visible(one.reason))
    return made


def _line(one: OpenLine) -> str:
    facts = one.facts
    told = " ".join(visible(text) for text in (facts.reference, facts.name) if text)
    gone = ", withdrawn" if one.withdrawn else ""
    return f"{SIDES[one.side]} line {one.id}: {facts.day}  {money(facts.amount, facts.currency)}  {told}{gone}"


def _table(*headings: str, title: str = "") -> Table:
    made = Table(title=title or None, title_justify="left", box=None, header_style="dim", pad_edge=False)
    for heading in headings:
        right = heading in {"opening", "movements", "closing", "unexplained", "amount", "age", *COUNTED}
        made.add_column(heading, justify="right" if right else "left", overflow="fold")
    return made
