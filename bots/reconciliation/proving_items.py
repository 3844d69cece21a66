"""Rolling open items as the facts of their proof: each line that stands, each decision, the ledger's roll-forward.

A line belongs to the delivery that brought it. Balances between two deliveries are not stated: deliveries overlap, and
only the first balance and the newest one are the sender's own words about the lines that stand now.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from typing import Any, Final

import pandas as pd

from bots.reconciliation.kept_gate import KEPT, Figures
from bots.reconciliation.lines import Quarantined
from bots.reconciliation.matched import MATCH, SIDE, Matched
from bots.reconciliation.ports import OpenItems
from bots.reconciliation.proven import Decision, Gated, InputFact, ProvenSide, Reconciliation, StatementFact, What
from engine.errors import UserError
from engine.open_items import BANK, BOOK, AccountState, DecisionRow, DeliveryRow, MatchRow, OpenLine

PROOF = "proof"
"""Verb of the note that keeps the head of a proof."""


@dataclass(frozen=True)
class Terms:
    """Under what the open items are proven."""

    made: datetime
    asof: date
    gate: Sequence[Gated]
    limit: float
    confidence: float
    definition: str = ""
    software: str = ""
    models: Mapping[str, str] = field(default_factory=dict)


def facts_of(items: OpenItems, terms: Terms) -> Reconciliation:
    """Return what a proof states of the open items as they are now.

    Raises:
        UserError: matches are closed on evidence that neither the figures kept with them nor those of now prove.
    """
    lines, decided = items.lines(everything=True), items.decisions()
    standing = {one.match_id for one in lines}
    rows = items.matches(["closed", "suggested", "waiting"])
    matches = sorted((row for row in rows if row.id in standing), key=lambda row: row.id)
    closed_by, before = _closed_by(matches, items.terms(), terms)
    place = {row.id: number for number, row in enumerate(matches)}
    deliveries = sorted(items.deliveries(), key=lambda row: row.id)
    sides, members = {}, []
    for side in (BANK, BOOK):
        own = sorted((one for one in lines if one.side == side), key=lambda one: one.id)
        sides[side] = _side(own, [row for row in deliveries if row.side == side], items.accounts(), side)
        members += [(place[one.match_id], side, at) for at, one in enumerate(own) if one.match_id in place]
    return Reconciliation(
        name=items.name,
        made=terms.made,
        asof=terms.asof,
        bank=sides[BANK],
        book=sides[BOOK],
        matched=_matched(matches, members, lines),
        gate=terms.gate,
        before=before,
        closed_by=closed_by,
        limit=terms.limit,
        confidence=terms.confidence,
        definition=terms.definition,
        decisions=_decisions(decided, matches, place),
        software=terms.software,
        models=terms.models,
        previous=next((str(one.data["head"]) for one in reversed(decided) if one.verb == PROOF), ""),
    )


def _closed_by(
    matches: Sequence[MatchRow], kept: Mapping[int, Mapping[str, Any]], terms: Terms
) -> tuple[dict[int, int], list[Figures]]:
    """Return by which figures each match closed, and those figures that are not the gate's of now.

    What closed before figures were kept (0.5) has to hold by those of now.
    """
    now = {one.kind: at for at, one in enumerate(terms.gate) if one.closes}
    places = {_as_kept(terms.gate[at], terms): at for at in now.values()}
    first = len(terms.gate) - len(places)

    @cache
    def place(terms_id: int | None, kind: str) -> int | None:
        under = kept.get(terms_id or 0, {})
        if KEPT not in under:
            return now.get(kind)
        figures = Figures.kept(under, kind)
        return places.setdefault(figures, first + len(places)) if figures and figures.closes else None

    closed = [(at, row) for at, row in enumerate(matches) if row.state == "closed" and not row.manual]
    by = {at: place(row.terms_id, row.kind) for at, row in closed}
    unproven = Counter(row.kind for at, row in closed if by[at] is None)
    if unproven:
        named = ", ".join(f"{count} on {kind}" for kind, count in sorted(unproven.items()))
        raise UserError(
            f"matches are closed on evidence that does not prove them ({named}), neither by the figures that were kept "
            "when they closed nor, where none were, by those of now: prove them under the definition by which they "
            "were closed, or undo them and let people decide"
        )
    found = {at: position for at, position in by.items() if position is not None}
    return found, [figures for figures, position in places.items() if position >= len(terms.gate)]


def _as_kept(one: Gated, terms: Terms) -> Figures:
    return Figures(one.kind, one.reviewed, one.wrong, one.source, terms.limit, terms.confidence)


def _side(lines: list[OpenLine], deliveries: list[DeliveryRow], accounts: list[AccountState], side: int) -> ProvenSide:
    number = {row.id: at for at, row in enumerate(deliveries)}
    states = {(one.account, one.currency): one for one in accounts if one.side == side}
    of = [(one.facts.account, one.facts.currency, number[one.delivery]) for one in lines]
    count = Counter(of)
    count.update({(*key, 0): 0 for key in states.keys() - {key[:2] for key in count}})  # accounts without a line
    keys = sorted(count)
    first = {key[:2]: key for key in reversed(keys)}
    last = {key[:2]: key for key in keys}
    statements = [
        _statement(key, states.get(key[:2]), count[key], (key == first[key[:2]], key == last[key[:2]])) for key in keys
    ]
    at = {key: position for position, key in enumerate(keys)}
    columns = {name: pd.Series([getattr(one.facts, name) for one in lines], dtype=kind) for name, kind in SIDE.items()}
    columns["statement"] = pd.Series([at[key] for key in of], dtype="int64")
    columns["row"] = pd.Series([one.number for one in lines], dtype="int64")
    inputs = [InputFact(row.name, row.sha256, None, row.format, None) for row in deliveries]
    return ProvenSide(pd.DataFrame(columns), statements, inputs, list(_held(deliveries)))


def _statement(
    key: tuple[str, str, int], told: AccountState | None, lines: int, ends: tuple[bool, bool]
) -> StatementFact:
    return StatementFact(
        input=key[2],
        account=key[0],
        currency=key[1],
        row=0,
        id="",
        opening=told.opening if told and ends[0] else None,
        closing=told.closing if told and ends[1] else None,
        opened=told.opened if told else None,
        closed=told.closed if told else None,
        bookings=lines,
    )


def _held(deliveries: Sequence[DeliveryRow]) -> Iterator[tuple[int, Quarantined]]:
    for number, row in enumerate(deliveries):
        held = int(row.counts.get("quarantined", 0))
        if held:
            yield number, Quarantined(0, "delivery", row.name, "held back when it was received", held)


def _matched(matches: Sequence[MatchRow], members: list[tuple[int, int, int]], lines: Sequence[OpenLine]) -> Matched:
    """Return the matches as they stand; what one leaves is counted anew if its lines changed since a person decided."""
    leaves: Counter[int | None] = Counter()
    for one in lines:
        leaves[one.match_id] += one.facts.amount if one.side == BANK else -one.facts.amount
    rows: list[dict[str, Any]] = [
        {
            "kind": row.kind,
            "difference": leaves[row.id] if row.attention else row.difference,
            "days": row.days,
            "score": 0.0 if row.score is None else row.score,
            "margin": float("inf") if row.margin is None else row.margin,
            "rivals": row.rivals,
            "alternatives": row.alternatives,
            "runner_up": -1,
            "closed": row.state == "closed" and not row.manual,
        }
        for row in matches
    ]
    frame = pd.DataFrame(rows, columns=list(MATCH)).astype(MATCH)
    of = pd.DataFrame(sorted(members), columns=["match", "side", "line"]).astype("int64")
    return Matched(frame, of, frame.iloc[:0], of.iloc[:0])


_WORDS: Final[Mapping[str, What]] = {
    "accept": "confirm", "match": "match", "approve": "approve", "reject": "reject", "undo": "undo",
}  # fmt: skip


def _decisions(rows: Sequence[DecisionRow], matches: Sequence[MatchRow], place: Mapping[int, int]) -> list[Decision]:
    """Return what people decided; the first of two who have to decide closes nothing."""
    settled = {row.id for row in matches if row.state == "closed"}
    found = []
    for row in rows:
        known = row.match_id if row.match_id in place else None
        what = _WORDS.get(row.verb, "note")
        if row.match_id is not None and row.match_id not in settled and what in {"confirm", "match"}:
            what = "first"
        subject = f"match {row.match_id}" if row.match_id is not None else row.verb
        reason = row.reason or (json.dumps(row.data, sort_keys=True, default=str) if what == "note" else "")
        found.append(Decision(row.at, row.actor, what, None if known is None else place[known], subject, reason))
    return found
