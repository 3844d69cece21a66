"""What people and reports ask of a rolling reconciliation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

import sqlalchemy as sa

from engine.errors import UserError
from engine.ledger import reconciliation_tables as t
from engine.ledger.reconciliation_rows import Ledgered, chunks, open_line
from engine.ledger.reconciliation_tables import IS_BARRED, IS_PENDING, MATCHABLE, STANDS
from engine.open_items import (
    PAST,
    SIDES,
    AccountState,
    AgeRow,
    BooksName,
    Conventions,
    DecisionRow,
    DeliveryRow,
    MatchRow,
    MatchState,
    OpenLine,
    Past,
)

_LINES, _MATCHES, _MEMBERS = t.recon_lines, t.recon_matches, t.recon_members
_FIGURES = tuple(field.name for field in fields(MatchRow) if field.name != "lines")


_PART = 50_000
"""Lines that are in memory as objects at a time."""


def match(place: Ledgered, match_id: int) -> MatchRow:
    """Return a match (`OpenItems.match`)."""
    found = _matches(place, sa.select(_MATCHES).where(place.of(_MATCHES), _MATCHES.c.id == match_id))
    if not found:
        raise UserError(
            f"there is no match {match_id}; `runner.py reconciliation open` lists what waits, with its numbers"
        )
    return found[0]


def matches(
    place: Ledgered, states: Sequence[MatchState], limit: int | None, *, surest: bool = False
) -> list[MatchRow]:
    """Return matches in some states (`OpenItems.matches`)."""
    pending = set(states) <= {"suggested", "waiting"}
    query = sa.select(_MATCHES).where(place.of(_MATCHES), _MATCHES.c.state.in_(states))
    query = query.where(IS_PENDING) if pending else query
    order = [sa.func.coalesce(_MATCHES.c.probability_wrong, 1.0), _MATCHES.c.id] if surest else [_MATCHES.c.id.desc()]
    return _matches(place, query.order_by(*order).limit(limit))


def noticed(place: Ledgered) -> list[MatchRow]:
    """Return matches of people whose lines changed since, oldest first."""
    query = sa.select(_MATCHES).where(place.of(_MATCHES), _MATCHES.c.attention.is_not(None))
    return _matches(place, query.order_by(_MATCHES.c.id))


def lines(place: Ledgered, *, everything: bool, limit: int | None) -> list[OpenLine]:
    """Return lines (`OpenItems.lines`)."""
    query = sa.select(_LINES).where(place.of(_LINES), STANDS if everything else MATCHABLE)
    return [open_line(row) for row in place.connection.execute(query.order_by(_LINES.c.day, _LINES.c.id).limit(limit))]


def past(place: Ledgered) -> Past:
    """Return every line that stands and what people decided of them (`OpenItems.past`)."""
    columns = [_LINES.c["delivery_id" if name == "delivery" else name] for name in PAST]
    query = sa.select(*columns).where(place.of(_LINES), STANDS)
    rows = place.connection.execution_options(yield_per=_PART).execute(query)
    manual = sa.select(_MATCHES.c.id).where(place.of(_MATCHES), _MATCHES.c.state == "closed", _MATCHES.c.manual)
    of = sa.select(_MATCHES.c.id, _MEMBERS.c.line_id).join(_MEMBERS, _MEMBERS.c.match_id == _MATCHES.c.id)
    refused: defaultdict[int, list[int]] = defaultdict(list)
    for match_id, line_id in place.connection.execute(of.where(place.of(_MATCHES), IS_BARRED)):
        refused[match_id].append(line_id)
    return Past(
        lines=(list(zip(*part, strict=True)) for part in rows.partitions()),
        confirmed=frozenset(place.connection.execute(manual).scalars()),
        refused=[tuple(sorted(refused[match_id])) for match_id in sorted(refused)],
    )


def accounts(place: Ledgered) -> list[AccountState]:
    """Return the roll-forward of each account and side."""
    table = t.recon_accounts
    names = [field.name for field in fields(AccountState)]
    query = sa.select(*(table.c[name] for name in names)).where(place.of(table))
    order = (table.c.account, table.c.currency, table.c.side)
    return [AccountState(*row) for row in place.connection.execute(query.order_by(*order))]


def ages(place: Ledgered) -> list[AgeRow]:
    """Return what is open by side, account, currency and day."""
    by = [_LINES.c[name] for name in ("side", "account", "currency", "day")]
    query = sa.select(*by, sa.func.count(), sa.func.sum(_LINES.c.amount)).where(place.of(_LINES), MATCHABLE)
    rows = place.connection.execute(query.group_by(*by).order_by(*by))
    return [AgeRow(*row[:5], int(row[5])) for row in rows]


def counts(place: Ledgered) -> dict[str, dict[str, int]]:
    """Return side to state to number of lines."""
    found = {side: dict.fromkeys(("open", "suggested", "waiting", "closed"), 0) for side in SIDES}
    matchable = sa.select(_LINES.c.side, _LINES.c.state, sa.func.count()).where(place.of(_LINES), MATCHABLE)
    for side, state, count in place.connection.execute(matchable.group_by(_LINES.c.side, _LINES.c.state)):
        found[SIDES[side]][state] = count
    pending = sa.select(_MATCHES.c.id).where(place.of(_MATCHES), IS_PENDING, _MATCHES.c.state == "waiting")
    waiting = sa.select(_LINES.c.side, sa.func.count()).where(_LINES.c.match_id.in_(pending), STANDS)
    for side, count in place.connection.execute(waiting.group_by(_LINES.c.side)):
        found[SIDES[side]]["waiting"] = count
    for state in accounts(place):
        found[SIDES[state.side]]["closed"] += state.lines
    for states in found.values():
        states["closed"] -= states["open"] + states["suggested"] + states["waiting"]
    return found


def deliveries(place: Ledgered, limit: int | None) -> list[DeliveryRow]:
    """Return deliveries, newest first."""
    table = t.recon_deliveries
    query = sa.select(table).where(place.of(table)).order_by(table.c.id.desc()).limit(limit)
    return [
        DeliveryRow(
            id=row.id,
            side=row.side,
            name=row.name,
            sha256=row.sha256,
            format=row.format,
            by=row.received_by,
            at=row.received_at,
            repeats=row.repeats,
            counts=row.counts,
            terms_id=row.terms_id,
        )
        for row in place.connection.execute(query)
    ]


def conventions(place: Ledgered) -> Conventions:
    """Return what was told of the books (`OpenItems.conventions`)."""
    table = t.reconciliations
    kept = place.connection.execute(sa.select(table.c.conventions).where(table.c.id == place.id)).scalar()
    return Conventions(kept["turned"], tuple(BooksName(**one) for one in kept["names"])) if kept else Conventions()


def terms_id(place: Ledgered, sha256: str) -> int | None:
    """Return the number of terms by the hash of what they say; None where they are new."""
    table = t.recon_terms
    return place.connection.execute(sa.select(table.c.id).where(place.of(table), table.c.sha256 == sha256)).scalar()


def terms(place: Ledgered) -> dict[int, dict[str, Any]]:
    """Return all terms (`OpenItems.terms`)."""
    table = t.recon_terms
    rows = place.connection.execute(sa.select(table.c.id, table.c.versions).where(place.of(table)))
    return {row.id: row.versions for row in rows}


def decisions(place: Ledgered, match_id: int | None) -> list[DecisionRow]:
    """Return what was decided, oldest first."""
    table = t.recon_decisions
    query = sa.select(table).where(place.of(table))
    query = query if match_id is None else query.where(table.c.match_id == match_id)
    names = ("id", "match_id", "verb", "actor", "reason", "at", "data")
    rows = place.connection.execute(query.order_by(table.c.id))
    return [DecisionRow(*(getattr(row, name) for name in names)) for row in rows]


def problems(place: Ledgered) -> list[str]:
    """Add everything up again and say what does not agree."""
    return [*_accounts_off(place), *_states_off(place), *_members_off(place)]


def _accounts_off(place: Ledgered) -> Iterator[str]:
    by = [_LINES.c[name] for name in ("side", "account", "currency")]
    query = sa.select(*by, sa.func.count(), sa.func.sum(_LINES.c.amount)).where(place.of(_LINES), STANDS)
    sums = {tuple(row[:3]): (row[3], int(row[4])) for row in place.connection.execute(query.group_by(*by))}
    for one in accounts(place):
        count, movements = sums.pop((one.side, one.account, one.currency), (0, 0))
        if (count, movements) != (one.lines, one.movements):
            said = f"{one.lines} lines and {one.movements} are kept, its lines are {count} and add up to {movements}"
            yield f"{SIDES[one.side]} account {one.account}: {said}"
    yield from (f"{SIDES[side]} account {account} {currency} is not kept" for side, account, currency in sums)


def _states_off(place: Ledgered) -> Iterator[str]:
    query = sa.select(_LINES.c.id, _LINES.c.state, _MATCHES.c.state.label("of_match"), _LINES.c.match_id)
    query = query.outerjoin(_MATCHES, _MATCHES.c.id == _LINES.c.match_id).where(place.of(_LINES))
    wrong = sa.or_(
        sa.and_(_LINES.c.match_id.is_(None), _LINES.c.state != "open"),
        sa.and_(_LINES.c.match_id.is_not(None), _LINES.c.state != _MATCHES.c.state),
    )
    for row in place.connection.execute(query.where(wrong).order_by(_LINES.c.id)):
        yield f"line {row.id} is {row.state}, its match {row.match_id} is {row.of_match}"


def _members_off(place: Ledgered) -> Iterator[str]:
    going = _MATCHES.c.state.in_(("suggested", "waiting", "closed"))
    query = (
        sa.select(_MEMBERS.c.match_id, _MEMBERS.c.line_id, _LINES.c.match_id.label("of_line"))
        .join(_MATCHES, _MATCHES.c.id == _MEMBERS.c.match_id)
        .join(_LINES, _LINES.c.id == _MEMBERS.c.line_id)
        .where(place.of(_MATCHES), going, sa.func.coalesce(_LINES.c.match_id, 0) != _MEMBERS.c.match_id)
    )
    for row in place.connection.execute(query.order_by(_MEMBERS.c.match_id, _MEMBERS.c.line_id)):
        yield f"match {row.match_id} names line {row.line_id}, which is in match {row.of_line}"


def _matches(place: Ledgered, query: sa.Select[Any]) -> list[MatchRow]:
    rows = place.connection.execute(query).all()
    found = [MatchRow(**{name: getattr(row, name) for name in _FIGURES}) for row in rows]
    members: dict[int, list[OpenLine]] = defaultdict(list)
    for part in chunks(one.id for one in found):
        joined = sa.select(_LINES, _MEMBERS.c.match_id.label("of_match")).join(
            _MEMBERS, _MEMBERS.c.line_id == _LINES.c.id
        )
        asked = joined.where(_MEMBERS.c.match_id.in_(part)).order_by(_LINES.c.side, _LINES.c.id)
        for row in place.connection.execute(asked):
            members[row.of_match].append(open_line(row))
    return [replace(one, lines=tuple(members[one.id])) for one in found]
