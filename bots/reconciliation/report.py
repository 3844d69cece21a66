"""A reconciliation as one HTML file: no script, no request to anywhere, printable, readable on a phone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bots.reconciliation.bridge import CLOSED, OPEN, SUGGESTED, Bridge, Step
from bots.reconciliation.lines import Delivery
from bots.reconciliation.matched import BANK, BOOK
from bots.reconciliation.pictures import Column, Waterfall, ages, columns, runs, waterfall
from bots.reconciliation.reconcile import Outcome
from bots.reconciliation.view import MOST, Views
from bots.reconciliation.wording import counted, money, share, signed, visible
from engine.errors import UserError
from engine.kept_heads import KeptHead
from engine.redact import replacing

_TEMPLATES = Path(__file__).with_name("templates")
_SIDES = ("Bank", "Books")
_MOST_LINES = 25
"""Lines of one side of a match that are shown; a batch may have thousands."""
_MOST_ACCOUNTS = 50
"""Accounts that are drawn; the JSON of the verb and the proof have all of them."""
_STEP = {
    "open": "open",
    "suggested": "difference in suggested matches",
    "closed": "difference in closed matches",
    "opening": "before the first line",
}


def write_report(outcome: Outcome, path: Path, beside: Sequence[str] = (), earlier: Sequence[KeptHead] = ()) -> Path:
    """Write the report to `path`, its folder included, replacing an older one; return `path`.

    Args:
        outcome: the reconciliation.
        path: the HTML file.
        beside: names of the files that were written into the same folder.
        earlier: how runs of the same reconciliation over other files ended, oldest first.

    Raises:
        UserError: the file cannot be written.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html = environment.get_template("reconciliation.html").render(page=_page(outcome, beside, earlier))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as target:
            target.write(html.encode("utf-8", "xmlcharrefreplace"))
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); name another folder with --out") from error
    return path


def headline(outcome: Outcome) -> str:
    """Say in one sentence how a reconciliation ended."""
    counts = outcome.counts()
    lines = sum(sum(counts[state]) for state in (CLOSED, SUGGESTED, OPEN))
    closed = sum(counts[CLOSED])
    waiting = int((~outcome.matched.matches["closed"].to_numpy(bool)).sum())
    parts = [counted(waiting, "suggestion")] if waiting else []
    parts += [counted(sum(counts[OPEN]), "open line")] if sum(counts[OPEN]) else []
    parts += (
        [counted(sum(counts["quarantined"]), "booking held back", "bookings held back")]
        if any(counts["quarantined"])
        else []
    )
    listed = " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))
    one = len(parts) == 1 and parts[0].startswith("1 ")
    rest = f" {listed} {'waits' if one else 'wait'} for a person." if parts else " Nothing waits for a person."
    if not any(one.closes for one in outcome.standings):
        return f"Nothing closes on its own: no kind of evidence is proven yet.{rest}"
    return f"{share(closed / lines) if lines else '0 %'} of {counted(lines, 'line')} closed on their own.{rest}"


def _page(outcome: Outcome, beside: Sequence[str], earlier: Sequence[KeptHead]) -> dict[str, Any]:
    views = Views(outcome)
    counts = outcome.counts()
    file = outcome.definition.file
    matches = outcome.matched.matches
    sides = (outcome.sides.bank, outcome.sides.book)
    period, shown = columns(pd.concat([one.lines["booked"] for one in sides]), pd.concat(outcome.states))
    held = [(delivery, one) for side in sides for delivery in side.deliveries for one in delivery.quarantined]
    closed = int(matches["closed"].sum())
    return {
        "title": file.name if outcome.definition.text else _names(outcome),
        "headline": headline(outcome),
        "files": [_file(what, one) for what, side in zip(_SIDES, sides, strict=True) for one in side.deliveries],
        "asof": str(outcome.asof),
        "definition": outcome.definition.path or "none: everything told from the files, default limits",
        "definition_hash": outcome.definition.sha256,
        "said": [visible(sentence) for sentence in outcome.sides.said],
        "counts": counts,
        "states": [
            _state(what, {state: both[side] for state, both in counts.items()}) for side, what in enumerate(_SIDES)
        ],
        "quarantine": [
            {
                "file": visible(delivery.path.name),
                "line": one.number,
                "field": visible(one.field),
                "value": visible(one.value),
                "problem": visible(one.problem),
                "lines": one.lines,
            }
            for delivery, one in held[:MOST]
        ],
        "quarantined": sum(counts["quarantined"]),
        "quarantine_entries": len(held),
        "falls": [_fall(one) for one in _largest(outcome.bridges)],
        "accounts": len(outcome.bridges),
        "ages": _ages(*_open_lines(outcome)),
        "period": period,
        "columns": [_column(one) for one in shown],
        "runs": [_column(one) for one in _runs(outcome, earlier)],
        "suggestions": list(views.suggestions()),
        "suggested": len(matches) - closed,
        "breaks": list(views.breaks()),
        "open": sum(counts[OPEN]),
        "closed": closed,
        "kinds": views.kinds(),
        "limit": f"{100 * file.gate.limit:f}".rstrip("0").rstrip(".") + " %",
        "confidence": f"{100 * file.gate.confidence:f}".rstrip("0").rstrip(".") + " %",
        "beside": list(beside),
        "most_lines": _MOST_LINES,
    }


def _largest(found: Sequence[Bridge]) -> list[Bridge]:
    """Return the accounts that are shown, in their order: all, or those whose two sides are furthest apart."""
    far = sorted(range(len(found)), key=lambda at: -abs(found[at].difference))[:_MOST_ACCOUNTS]
    return [found[at] for at in sorted(far)]


def _names(outcome: Outcome) -> str:
    names = [visible(side.deliveries[0].path.stem) for side in (outcome.sides.bank, outcome.sides.book)]
    return " against ".join(names)


def _file(what: str, delivery: Delivery) -> dict[str, str]:
    lines = sum(len(one.lines) for one in delivery.statements)
    held = sum(one.lines for one in delivery.quarantined)
    rest = f", {counted(held, 'booking')} held back" if held else ""
    return {
        "what": what,
        "name": visible(delivery.path.name),
        "format": delivery.format,
        "lines": f"{counted(lines, 'line')} in {counted(len(delivery.statements), 'statement')}{rest}",
        "sha256": delivery.sha256,
    }


def _state(what: str, counts: dict[str, int]) -> dict[str, Any]:
    total = sum(counts.values())
    parts, at = [], 0.0
    for state, count in counts.items():
        width = 1000 * count / total if total else 0.0
        if count:
            title = f"{counted(count, 'line')} {state}"
            parts.append({"state": state, "x": round(at, 1), "width": round(width, 1), "title": title})
        at += width
    words = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    return {"what": what, "parts": parts, "words": words or "no lines"}


def _fall(bridge: Bridge) -> dict[str, Any]:
    drawn = waterfall(bridge)
    what = "balance" if bridge.balances else "movements"
    return {
        "account": visible(bridge.account) or "unnamed account",
        "currency": bridge.currency,
        "broken": drawn.broken,
        "rows": list(_rows(bridge, drawn, what)),
        "sure": bridge.balances,
        "verdict": _verdict(bridge),
        "gaps": [visible(gap) for gap in bridge.gaps],
    }


def _rows(bridge: Bridge, drawn: Waterfall, what: str) -> Iterator[dict[str, Any]]:
    joint = drawn.bank.joint
    total = {"whole": True, "cls": "", "detail": "", "before": 0}
    yield total | {"label": f"Bank: {what}", "bar": drawn.bank, "amount": money(bridge.bank, bridge.currency)}
    for step, bar in zip(bridge.steps, drawn.steps, strict=True):
        label, detail = _label(step)
        yield {
            "whole": False,
            "cls": "down" if bar.falls else "up",
            "label": label,
            "detail": detail,
            "bar": bar,
            "before": joint,
            "amount": signed(step.amount, bridge.currency),
        }
        joint = bar.joint
    book = money(bridge.book, bridge.currency)
    yield total | {"label": f"Books: {what}", "bar": drawn.book, "amount": book, "before": joint}


def _label(step: Step) -> tuple[str, str]:
    if step.what == "opening":
        return "The opening balances differ", _STEP[step.what]
    sides = [f"{count:,} {side}" for count, side in ((step.bank, "bank"), (step.book, "books")) if count]
    lines = f"{' and '.join(sides)} line{'' if step.bank + step.book == 1 else 's'}"
    label = step.label.replace("_", " ")
    return label[:1].upper() + label[1:] or "Open", f"{_STEP[step.what]}: {lines}"


def _verdict(bridge: Bridge) -> str:
    gone = money(abs(bridge.difference), bridge.currency)
    if not bridge.difference:
        said = "Both agree to the cent."
    else:
        said = f"The difference of {gone} {bridge.currency} is explained to the cent by the items listed."
    if bridge.balances:
        return said
    return f"{said} Only what moved is compared: not both files state an opening and a closing balance."


def _open_lines(outcome: Outcome) -> tuple[list[pd.DataFrame], str]:
    """Return age and amount of each open line of both sides, and their currency; empty where there are several."""
    found, currencies = [], set[str]()
    for side, lines in ((BANK, outcome.sides.bank.lines), (BOOK, outcome.sides.book.lines)):
        mine = outcome.breaks[outcome.breaks["side"] == side]
        about = lines.iloc[mine["line"].to_numpy()]
        currencies |= set(about["currency"])
        found.append(pd.DataFrame({"age": mine["age"].to_numpy(), "amount": about["amount"].to_numpy()}))
    return found, currencies.pop() if len(currencies) == 1 else ""


def _ages(open_lines: Sequence[pd.DataFrame], currency: str) -> list[dict[str, Any]]:
    found = ages(open_lines)
    most = max((max(one.bank, one.book) for one in found), default=0) or 1
    return [
        {
            "label": one.label,
            "bank": one.bank,
            "book": one.book,
            "bank_width": round(1000 * one.bank / most, 1),
            "book_width": round(1000 * one.book / most, 1),
            "amounts": [money(amount, currency) for amount in (one.bank_amount, one.book_amount)]
            if currency and one.bank + one.book
            else [],
            "currency": currency,
        }
        for one in found
    ]


def _runs(outcome: Outcome, earlier: Sequence[KeptHead]) -> list[Column]:
    """Return a column a run, this one last; nothing where it is the only one."""
    if not earlier:
        return []
    now = {state: sum(both) for state, both in outcome.counts().items()}
    return runs([*((one.asof, one.states) for one in earlier), (str(outcome.asof), now)])


def _column(one: Column) -> dict[str, Any]:
    title = f"{one.label}: {counted(one.lines, 'line')}, {share(one.closed)} closed"
    return {"label": one.label, "parts": one.parts, "title": title}
