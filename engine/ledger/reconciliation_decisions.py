"""What people decide of matches: each decision is one row that stays, and over a limit it takes two people."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from engine.errors import UserError
from engine.ledger import reconciliation_tables as t
from engine.ledger.reconciliation_matching import take, write
from engine.ledger.reconciliation_rows import Ledgered, free
from engine.open_items import BANK, BOOK, Conventions, Proposed

_LINES, _MATCHES = t.recon_lines, t.recon_matches
BY_HAND = "by hand"
"""Kind of a match that a person made."""


def limit(place: Ledgered, limits: Mapping[str, int], who: str) -> None:
    """Write the limits, if they changed."""
    if dict(limits) == dict(place.limits):
        return
    change = sa.update(t.reconciliations).where(t.reconciliations.c.id == place.id)
    place.connection.execute(change.values(limits=dict(limits)))
    place.decide("limit", _named(who), "", before=dict(place.limits), after=dict(limits))


def keep_conventions(place: Ledgered, told: Conventions, who: str) -> None:
    """Keep what was told of the books (`OpenItems.keep_conventions`)."""
    kept = asdict(told)
    change = sa.update(t.reconciliations).where(t.reconciliations.c.id == place.id).values(conventions=kept)
    place.connection.execute(change)
    place.decide("told", _named(who), "", **kept)


def keep_head(place: Ledgered, head: str, name: str, who: str) -> None:
    """Keep the head of a proof (`OpenItems.keep_head`)."""
    place.decide("proof", _named(who), "", head=head, file=name)


def accept(place: Ledgered, match_id: int, who: str, reason: str) -> None:
    """Accept a suggestion (`OpenItems.accept`)."""
    row = _match(
        place,
        match_id,
        "suggested",
        f"is no suggestion (any more); `runner.py reconciliation show {match_id}` says who decided",
    )
    _settle(place, row.id, _named(who))
    place.decide("accept", _named(who), reason.strip(), row.id)


def approve(place: Ledgered, match_id: int, who: str, reason: str) -> None:
    """Decide as the second person (`OpenItems.approve`)."""
    row = _match(place, match_id, "waiting", "does not wait for a second person; a suggestion is accepted")
    if _same(row.first, who):
        raise UserError(f"match {match_id}: {row.first} decided it first; a second person has to approve it")
    if row.attention:
        said = f"its lines are not those any more that {row.first} decided on ({row.attention}): reject it, decide anew"
        raise UserError(f"match {match_id}: {said}")
    _become(place, row.id, "closed")
    place.decide("approve", _named(who), reason.strip(), row.id)


def reject(place: Ledgered, match_id: int, who: str, reason: str) -> None:
    """Refuse a match that waits for a person (`OpenItems.reject`)."""
    row = _match(place, match_id, ("suggested", "waiting"), "waits for nobody; a closed match is undone")
    _open_again(place, row.id, "rejected")
    place.decide("reject", _named(who), _because(reason), row.id)


def undo(place: Ledgered, match_id: int, who: str, reason: str) -> None:
    """Open a closed match again (`OpenItems.undo`)."""
    row = _match(place, match_id, "closed", "is not closed; a suggestion is rejected")
    _open_again(place, row.id, "undone")
    place.decide("undo", _named(who), _because(reason), row.id)


def note(place: Ledgered, verb: str, who: str, reason: str, data: Mapping[str, Any]) -> None:
    """Append a decision that is about no match (`OpenItems.note`)."""
    place.decide(verb, _named(who), reason.strip(), **data)


def match_by_hand(place: Ledgered, line_ids: Sequence[int], who: str, reason: str) -> int:
    """Match lines (`OpenItems.match_by_hand`) and return the match's number."""
    rows = _usable(place, sorted(set(line_ids)))
    bank, book = (sum(row.amount for row in rows if row.side == side) for side in (BANK, BOOK))
    if not any(row.side == BOOK for row in rows) or not any(row.side == BANK for row in rows):
        _refuse(bank + book != 0, f"lines of one side alone must add up to 0, not to {bank + book}")
    suggestions = sorted({row.match_id for row in rows if row.match_id is not None})
    change = sa.update(_MATCHES).where(_MATCHES.c.id.in_(suggestions)).values(state="replaced")
    place.connection.execute(change)
    free(place, suggestions)
    amount = max(abs(bank), abs(book), *(abs(row.amount) for row in rows))
    lines, difference = tuple(row.id for row in rows), bank - book
    made = Proposed(BY_HAND, True, lines, amount, rows[0].currency, difference, _days(rows), 0.0, None, 0, 0)
    (match_id,) = write(place, [made], made_by=_named(who), manual=True)
    change = sa.update(_MATCHES).where(_MATCHES.c.id.in_(suggestions)).values(replaced_by=match_id)
    place.connection.execute(change)
    take(place, {match_id: lines})
    _settle(place, match_id, _named(who))
    place.decide("match", _named(who), _because(reason), match_id, replaced=suggestions, difference=difference)
    return match_id


def _match(place: Ledgered, match_id: int, states: str | tuple[str, ...], otherwise: str) -> Any:
    query = sa.select(_MATCHES).where(place.of(_MATCHES), _MATCHES.c.id == match_id)
    row = place.connection.execute(query).first()
    if row is None:
        raise UserError(
            f"there is no match {match_id}; `runner.py reconciliation open` lists what waits, with its numbers"
        )
    if row.state not in (states if isinstance(states, tuple) else (states,)):
        raise UserError(f"match {match_id} is {row.state}: it {otherwise}")
    return row


def _settle(place: Ledgered, match_id: int, who: str) -> None:
    """Close a match, or let it wait for a second person."""
    state = "waiting" if _over_a_limit(place, match_id) else "closed"
    change = sa.update(_MATCHES).where(_MATCHES.c.id == match_id).values(manual=True, first=who)
    place.connection.execute(change)
    _become(place, match_id, state)


def _over_a_limit(place: Ledgered, match_id: int) -> bool:
    """Say whether a line, what the lines of one side add up to, or what they leave, is over its currency's limit."""
    query = sa.select(_LINES.c.side, _LINES.c.currency, _LINES.c.amount).where(_LINES.c.match_id == match_id)
    sums: Counter[tuple[int, str]] = Counter()
    amounts = []
    for side, currency, amount in place.connection.execute(query):
        sums[side, currency] += amount
        amounts.append((currency, abs(amount)))
    amounts += [(currency, abs(amount)) for (_, currency), amount in sums.items()]
    amounts += [(currency, abs(sums[BANK, currency] - sums[BOOK, currency])) for currency in place.limits]
    return any(amount > place.limits[currency] for currency, amount in amounts if currency in place.limits)


def _become(place: Ledgered, match_id: int, state: str) -> None:
    place.connection.execute(sa.update(_MATCHES).where(_MATCHES.c.id == match_id).values(state=state))
    place.connection.execute(sa.update(_LINES).where(_LINES.c.match_id == match_id).values(state=state))


def _open_again(place: Ledgered, match_id: int, state: str) -> None:
    change = sa.update(_MATCHES).where(_MATCHES.c.id == match_id).values(state=state, attention=None)
    place.connection.execute(change)
    free(place, [match_id])


def _usable(place: Ledgered, line_ids: Sequence[int]) -> list[Any]:
    query = sa.select(_LINES).where(place.of(_LINES), _LINES.c.id.in_(line_ids)).order_by(_LINES.c.id)
    rows = list(place.connection.execute(query))
    missing = sorted(set(line_ids) - {row.id for row in rows})
    _refuse(
        bool(missing),
        f"there is no line {missing[0]}; `runner.py reconciliation open` lists open lines" if missing else "",
    )
    for row in rows:
        gone = row.withdrawn_in is not None
        said = "was withdrawn" if gone else f"is {row.state} in match {row.match_id}"
        _refuse(gone or row.state not in ("open", "suggested"), f"line {row.id} {said}")
    _refuse(len(rows) < 2, "a match has at least two lines")  # noqa: PLR2004 (as it says)
    accounts = {(row.account, row.currency) for row in rows}
    said = "the lines are of different accounts or currencies: the books have to be corrected, not the match"
    _refuse(len(accounts) > 1, said)
    return rows


def _days(rows: Sequence[Any]) -> int:
    """Return the days from the books' lines to the bank's, the farthest; of one side alone from first to last."""
    bank, book = ([row.day for row in rows if row.side == side] for side in (BANK, BOOK))
    ends = [(max(bank) - min(book)).days, (min(bank) - max(book)).days] if bank and book else []
    days = [row.day for row in rows]
    return int(max(ends, key=abs, default=(max(days) - min(days)).days))


def _refuse(wrong: bool, said: str) -> None:
    if wrong:
        raise UserError(said)


def _named(who: str) -> str:
    name = who.strip()
    _refuse(not name, "say who decides")
    return name


def _because(reason: str) -> str:
    said = reason.strip()
    _refuse(not said, "say why: the reason is kept with the decision")
    return said


def _same(one: str | None, other: str) -> bool:
    """Say whether two names are one person's; case, spaces and forms of letters make no second person."""
    plain = (" ".join(unicodedata.normalize("NFKC", name).casefold().split()) for name in (one or "", other))
    return one is not None and next(plain) == next(plain)
