"""Erases what a person could be known by from the lines of a rolling reconciliation; what adds up stays.

Gone: reference, text, name, ids and counter account of the lines and of what they said before corrections, and every
mention of these in reasons and data of decisions. Kept: account, currency, amount, days, states, matches, balances, who
decided what when, and the hash of what a line said, by which it is known when it is delivered again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from engine.errors import UserError
from engine.ledger import reconciliation_tables as t
from engine.ledger.reconciliation_rows import Ledgered, chunks
from engine.ledger.reconciliation_tables import HAS_WORDS
from engine.ledger.redaction import ERASED, replaced

WORDS = ("reference", "text", "name", "bank_id", "end_to_end", "counter_account", "batch")
"""What of a line may tell who it is about."""
_FOUND_BY = ("reference", "name", "end_to_end", "counter_account")
_SAID = ("reference", "name", "end_to_end", "counter_account", "bank_id")
_LINES, _CORRECTIONS = t.recon_lines, t.recon_corrections


@dataclass(frozen=True)
class ErasableLines:
    """Lines whose reference, name, end-to-end id or counter account, now or before a correction, is the subject."""

    subject: str
    line_ids: tuple[int, ...]
    mentions: tuple[str, ...]
    """What these lines say of themselves: replaced wherever decisions name it; longest first."""


def look(place: Ledgered, subject: str) -> ErasableLines:
    """Find the lines of a subject, and see that they may be erased.

    Raises:
        UserError: there is none, or one is open or waits for a person.
    """
    wanted = " ".join(subject.split())
    if not wanted:
        raise UserError("say whose lines: a name, a reference, an end-to-end id or a counter account")
    query = sa.select(_CORRECTIONS.c.line_id, _CORRECTIONS.c.before).where(place.of(_CORRECTIONS))
    earlier = [row for row in place.connection.execute(query) if wanted in (row.before.get(one) for one in _FOUND_BY)]
    found = sa.select(_LINES).where(place.of(_LINES), sa.or_(*(_LINES.c[one] == wanted for one in _FOUND_BY)))
    rows = {row.id: row for row in place.connection.execute(found)}
    for part in chunks({row.line_id for row in earlier} - rows.keys()):
        rows |= {row.id: row for row in place.connection.execute(sa.select(_LINES).where(_LINES.c.id.in_(part)))}
    if not rows:
        raise UserError("no line has this as its whole reference, name, end-to-end id or counter account")
    for row in rows.values():
        if row.state != "closed" and row.withdrawn_in is None:
            first = "match it first" if row.state == "open" else f"decide match {row.match_id} first"
            raise UserError(f"line {row.id} is {row.state}: a person still needs its words; {first}")
    said = {getattr(row, name) for row in rows.values() for name in _SAID}
    said |= {str(row.before.get(name) or "") for row in earlier for name in _SAID}
    return ErasableLines(wanted, tuple(sorted(rows)), tuple(sorted(said - {""}, key=lambda one: (-len(one), one))))


def let_go(place: Ledgered, before: datetime) -> int:
    """Blank the words of lines that were delivered and closed before an instant; return how many.

    It walks through what was delivered before and still has its words: what is due, and what was closed late.
    """
    deliveries, matches, decided = t.recon_deliveries, t.recon_matches, t.recon_decisions
    old = sa.select(sa.func.max(deliveries.c.id)).where(place.of(deliveries), deliveries.c.received_at < before)
    newest = place.connection.execute(old).scalar()
    if newest is None:
        return 0
    since = sa.exists().where(decided.c.match_id == matches.c.id, decided.c.at >= before)
    due = sa.select(_LINES.c.id).join(matches, matches.c.id == _LINES.c.match_id)
    due = due.where(place.of(_LINES), HAS_WORDS, _LINES.c.delivery_id <= newest, matches.c.made_at < before, ~since)
    ids = sorted(place.connection.execute(due).scalars())
    _blank(place, ids)
    if ids:
        place.decide("let go", "countersign", f"closed before {before:%Y-%m-%d}", lines=len(ids))
    return len(ids)


def erase(place: Ledgered, found: ErasableLines, who: str, reason: str) -> None:
    """Erase lines; who, when and why is a decision that stays (`OpenItems.erase`).

    Raises:
        UserError: the reason names the subject.
    """
    if found.subject.casefold() in reason.casefold():
        raise UserError("the reason is kept: say it without naming whom it is about")
    _blank(place, found.line_ids)
    _forget_mentions(place, found.mentions)
    place.decide("erase", who, reason, lines=list(found.line_ids))


def _blank(place: Ledgered, line_ids: Sequence[int]) -> None:
    now = place.clock.now()
    for part in chunks(line_ids):
        change = sa.update(_LINES).where(_LINES.c.id.in_(part))
        place.connection.execute(change.values(dict.fromkeys(WORDS, "") | {"erased_at": now}))
        query = sa.select(_CORRECTIONS).where(_CORRECTIONS.c.line_id.in_(part))
        for row in place.connection.execute(query).all():
            values = {"before": _bare(row.before), "after": _bare(row.after)}
            place.connection.execute(sa.update(_CORRECTIONS).where(_CORRECTIONS.c.id == row.id).values(values))


def _forget_mentions(place: Ledgered, mentions: Sequence[str]) -> None:
    table = t.recon_decisions
    query = sa.select(table.c.id, table.c.reason, table.c.data).where(place.of(table))
    for row in place.connection.execute(query).all():
        reason, data = row.reason, row.data
        for one in mentions:
            reason, data = replaced(reason, one, ERASED), replaced(data, one, ERASED)
        if (reason, data) != (row.reason, row.data):
            change = sa.update(table).where(table.c.id == row.id)
            place.connection.execute(change.values(reason=reason, data=data))


def _bare(said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: "" if name in WORDS else value for name, value in said.items()}
