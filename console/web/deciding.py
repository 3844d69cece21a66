"""What a decision on the review desk goes through: what was seen still stands, one person decides, it is recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from console.corrections import parse_changes
from console.review_view import Compared, compared
from console.web.house import House
from console.web.rendering import visible
from engine.errors import UserError
from engine.ledger import audit_log, claims, review_queue, reviews
from engine.ledger.review_queue import Place
from engine.ledger.rows import QueueRow, Waiting

Decision = Literal["accept", "reject", "correct"]
_MORE = 10


@dataclass(frozen=True)
class Seen:
    """What stood on the page on which somebody decided."""

    attempt: int | None
    accepted_by: str | None


class StaleView(Exception):
    """The item is not any more what stood on the page; the text says what happened to it, who did it, and when."""


def decide(
    house: House, item_id: int, person: str, decision: Decision, reason: str, seen: Seen, typed: Mapping[str, str]
) -> reviews.Reviewed:
    """Decide an item as a person asked for it, with its entry in the audit log, in one transaction.

    Args:
        house: the ledger.
        item_id: the item.
        person: who decides.
        decision: what.
        reason: in words; empty if none.
        seen: what the page showed.
        typed: for a correction, what now stands in the form, by place.

    Raises:
        StaleView: somebody decided it, looks at it, or the bot worked on it meanwhile.
        UserError: the decision cannot be made as it is.
    """
    database = house.database
    with audit_log.recorded(database, person, f"review.{decision}", f"item {item_id}") as (connection, said):
        held = claims.take(connection, database, item_id, person)
        if held.reviewer != person:
            raise StaleView(f"{held.reviewer} looks at item {item_id}, since {held.since:%H:%M} UTC")
        found = _still(house, item_id, person, seen)
        workflow = house.definition(found.row.definition_hash)
        how = {"workflow": workflow, "reason": reason or None, "seen_attempt": seen.attempt}
        if decision == "correct":
            changes = parse_changes(changed(compared(found, workflow.fields), typed), found.payload, workflow.fields)
            done = reviews.correct(database, item_id, changes, person, **how)  # type: ignore[arg-type]
            said |= {"fields": sorted(changes)}
        else:
            done = reviews.decide(database, item_id, decision, person, **how)  # type: ignore[arg-type]
        claims.release(connection, item_id, person)
        said |= {"attempt": seen.attempt, "state": done.state, "needs_second": done.needs_second}
        said |= {"seconds": round((database.clock.now() - held.since).total_seconds(), 1)}
    return done


def changed(lines: Sequence[Compared], typed: Mapping[str, str]) -> list[str]:
    """Return `field=value` for every place where something else stands now than the page had put there."""
    return [
        f"{line.place}={typed[line.place]}"
        for line in lines
        if line.place in typed and typed[line.place] != visible(line.meant)
    ]


def _still(house: House, item_id: int, person: str, seen: Seen) -> Waiting:
    """Return the item as it waits now.

    Raises:
        StaleView: it does not wait any more, or not as it was seen.
    """
    try:
        found = review_queue.waiting(house.database, item_id, person)
    except UserError:
        found = None
    if found is None:
        raise StaleView(reviews.standing(house.database, item_id, person))
    if found.row.attempt_id != seen.attempt:
        raise StaleView(f"the bot worked on item {item_id} since you looked")
    if found.row.accepted_by != seen.accepted_by:
        raise StaleView(f"item {item_id} was accepted by {found.row.accepted_by} meanwhile")
    return found


def open_item(house: House, item_id: int, person: str, *, take_over: bool = False) -> claims.ReviewClaim:
    """Claim an item that somebody opens; return who holds it now.

    Args:
        house: the ledger.
        item_id: the item.
        person: who opens it.
        take_over: also from somebody else, which is recorded.
    """
    database = house.database
    if take_over:
        with audit_log.recorded(database, person, "review.take_over", f"item {item_id}") as (connection, said):
            said["from"] = claims.take(connection, database, item_id, person).reviewer
            claims.release(connection, item_id, said["from"])
            return claims.take(connection, database, item_id, person)
    with database.write() as connection:
        return claims.take(connection, database, item_id, person)


def next_item(house: House, person: str, after: Place | None = None) -> QueueRow | None:
    """Return the item that waits longest and that nobody else looks at, claimed; from a place in the queue on.

    Behind the last one it starts over, so that what was skipped comes again.
    """
    others = claims.held(house.database, but_of=person)
    for start in (after, None) if after is not None else (None,):
        for row in _from(house, person, start, len(others) + _MORE):
            if row.id in others or row.accepted_by == person:
                continue
            if open_item(house, row.id, person).reviewer == person:
                return row
    return None


def _from(house: House, person: str, start: Place | None, size: int) -> Iterator[QueueRow]:
    """Walk the queue from a place on, a page at a time."""
    while page := review_queue.review_queue(house.database, viewer=person, after=start, limit=size):
        yield from page
        start = page[-1].since, page[-1].id


def place_of(text: str) -> Place | None:
    """Read a place in the queue as `written` wrote it; None if it is none."""
    since, _, number = text.rpartition("~")
    try:
        at = datetime.fromisoformat(since)
        return (at, int(number)) if at.tzinfo is not None else None
    except ValueError:
        return None


def written(row: QueueRow) -> str:
    """Write the place of an item in the queue, for an address."""
    return f"{row.since.isoformat()}~{row.id}"
