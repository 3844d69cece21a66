"""Matching and the ledger: what may be matched, and writing what was found; nothing here reads what is closed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any, Final

import sqlalchemy as sa

from engine.ledger import reconciliation_tables as t
from engine.ledger.reconciliation_rows import Ledgered, chunks, free
from engine.ledger.reconciliation_tables import FRESH, IS_BARRED, IS_DUE, MATCHABLE
from engine.open_items import FACTS, Proposed, Window, key_of

_LINES, _MATCHES = t.recon_lines, t.recon_matches
COLUMNS: Final = ("id", "side", "fresh", "match_id", *FACTS)
_WINDOWS = 200
"""Windows in one question."""


def fresh(place: Ledgered) -> list[Window]:
    """Return account, day and day again of each fresh line."""
    query = sa.select(_LINES.c.account, _LINES.c.day).where(place.of(_LINES), FRESH, MATCHABLE)
    return [(row.account, row.day, row.day) for row in place.connection.execute(query)]


def known_until(place: Ledgered) -> dict[str, date]:
    """Return the day up to which both sides are known, by account; accounts of one side alone are left out."""
    table = t.recon_accounts
    query = sa.select(table.c.account, table.c.side, sa.func.max(table.c.latest)).where(place.of(table))
    found: dict[str, dict[int, date]] = defaultdict(dict)
    query = query.where(table.c.latest.is_not(None)).group_by(table.c.account, table.c.side)
    for account, side, latest in place.connection.execute(query):
        found[account][side] = latest
    return {account: min(days.values()) for account, days in found.items() if len(days) > 1}


def ripe(place: Ledgered) -> list[int]:
    """Return the suggestions that are due: both sides are known up to their day."""
    due = sa.select(_MATCHES.c.id, _MATCHES.c.due).where(place.of(_MATCHES), IS_DUE)
    found: list[int] = []
    for account, day in sorted(known_until(place).items()):
        mine = sa.exists().where(_LINES.c.match_id == _MATCHES.c.id, _LINES.c.account == account)
        found += place.connection.execute(due.where(_MATCHES.c.due <= day, mine)).scalars()
    return found


def refresh(place: Ledgered, match_ids: Sequence[int]) -> None:
    """Let matching look at suggestions anew."""
    for part in chunks(match_ids):
        place.connection.execute(sa.update(_LINES).where(_LINES.c.match_id.in_(part)).values(fresh=True))
        place.connection.execute(sa.update(_MATCHES).where(_MATCHES.c.id.in_(part)).values(due=None))


def open_lines(place: Ledgered, windows: Sequence[Window] | None) -> list[tuple[Any, ...]]:
    """Return what matching may use within windows that do not overlap, or everywhere, by id."""
    query = sa.select(*(_LINES.c[name] for name in COLUMNS)).where(place.of(_LINES), MATCHABLE)
    if windows is None:
        return sorted(map(tuple, place.connection.execute(query)))
    found: list[tuple[Any, ...]] = []
    for start in range(0, len(windows), _WINDOWS):
        part = windows[start : start + _WINDOWS]
        within = [sa.and_(_LINES.c.account == one[0], _LINES.c.day.between(one[1], one[2])) for one in part]
        found += map(tuple, place.connection.execute(query.where(sa.or_(*within))))
    return sorted(found)


def barred(place: Ledgered, keys: Iterable[str]) -> set[str]:
    """Return which keys are of matches that a person refused."""
    found: set[str] = set()
    for part in chunks(keys):
        query = sa.select(_MATCHES.c.key).where(place.of(_MATCHES), IS_BARRED, _MATCHES.c.key.in_(part))
        found |= set(place.connection.execute(query).scalars())
    return found


def settle(
    place: Ledgered,
    looked_at: Sequence[int],
    replaced: Sequence[int],
    kept: Mapping[int, Proposed],
    proposed: Sequence[Proposed],
    terms_id: int | None,
) -> None:
    """Write what matching found; nothing else was written since it read (`OpenItems.settle` sees to that).

    Raises:
        ValueError: a line is in two matches, or in one and not open: a bug of the matcher, and nothing is written.
    """
    for part in chunks(replaced):
        change = sa.update(_MATCHES).where(_MATCHES.c.id.in_(part), _MATCHES.c.state == "suggested")
        place.connection.execute(change.values(state="replaced"))
    free(place, replaced)
    for part in chunks(looked_at):
        place.connection.execute(sa.update(_LINES).where(_LINES.c.id.in_(part)).values(fresh=False))
    for match_id, again in kept.items():
        place.connection.execute(
            sa.update(_MATCHES).where(_MATCHES.c.id == match_id).values(**_figures(again), terms_id=terms_id)
        )
    for found in chunks(proposed):
        ids = write(place, found, made_by="countersign", terms_id=terms_id)
        take(place, {match_id: one.lines for match_id, one in zip(ids, found, strict=True)})


def write(
    place: Ledgered, found: Sequence[Proposed], *, made_by: str, manual: bool = False, terms_id: int | None = None
) -> list[int]:
    """Insert matches and their members; return their ids in the same order."""
    now = place.clock.now()
    rows = [
        _figures(one)
        | {"reconciliation_id": place.id, "key": key_of(one.lines), "manual": manual, "made_by": made_by}
        | {"state": "closed" if one.closes else "suggested", "made_at": now, "terms_id": terms_id}
        for one in found
    ]
    made = sa.insert(_MATCHES).returning(_MATCHES.c.id, sort_by_parameter_order=True)
    ids = list(place.connection.execute(made, rows).scalars())
    members = [
        {"match_id": match_id, "line_id": line_id}
        for match_id, one in zip(ids, found, strict=True)
        for line_id in one.lines
    ]
    place.connection.execute(sa.insert(t.recon_members), members)
    return ids


def take(place: Ledgered, lines_of: Mapping[int, Sequence[int]]) -> None:
    """Put open lines into matches, in the state of their match.

    Raises:
        ValueError: a line is not open (any more), or is in two of them.
    """
    wanted = sum(map(len, lines_of.values()))
    if not wanted:
        return
    members, ids = t.recon_members, list(lines_of)
    change = sa.update(_LINES).where(_LINES.c.id == members.c.line_id, members.c.match_id == _MATCHES.c.id)
    change = change.where(members.c.match_id.in_(ids), _LINES.c.match_id.is_(None), MATCHABLE)
    place.connection.execute(change.values(state=_MATCHES.c.state, match_id=_MATCHES.c.id, fresh=False))
    taken = sa.select(sa.func.count()).where(_LINES.c.match_id.in_(ids))
    if place.connection.execute(taken).scalar_one() != wanted:
        raise ValueError("a line that was matched is not open, or was matched twice")


def _figures(found: Proposed) -> dict[str, Any]:
    row = asdict(found)
    del row["lines"], row["closes"]
    return row
