"""Second looks: a share of what people decided is decided once more, by somebody who is not told that it was.

Which items is drawn from the run's seed and written with the first decision. Two who disagree are told of each other
only through a third, who sees both opinions; what the third says is the label (`labels`), and what has to be done about
it in the application is done (`reviews`). A second opinion alone changes nothing.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.errors import UserError
from engine.ledger import tables as t
from engine.ledger.database import Database, insert_new, record_event

Kind = Literal["blind", "adjudication"]
Decision = Literal["accept", "correct", "reject"]
WAITS = t.second_reviews.c.decided_at.is_(None)


@dataclass(frozen=True)
class Opinion:
    """What one person said of an output."""

    decision: Decision
    reviewer: str
    reason: str | None = None
    changes: Mapping[str, Any] | None = None
    """The right values, encoded, where the decision is to correct."""

    @property
    def wrong(self) -> bool:
        """Say whether it calls the output wrong."""
        return self.decision != "accept"


@dataclass(frozen=True)
class Look:
    """A look that waits for a person."""

    id: int
    item_id: int
    review_id: int
    attempt_id: int
    """The attempt that the first person looked at; the item has no newer one."""
    kind: Kind
    opinions: tuple[Opinion, ...]
    """The first person's, and the second's where a third decides."""
    since: datetime


def agree(one: Opinion, other: Opinion) -> bool:
    """Say whether two people said the same: right, or wrong with nothing to contradict in what is right instead."""
    both_mend = one.decision == other.decision == "correct"
    return one.wrong == other.wrong and not (both_mend and one.changes != other.changes)


def draw(connection: Connection, database: Database, item: Any, review_id: int, share: float) -> None:
    """Write a waiting look at a decision, if the item is drawn; each output is looked at again once at most.

    The draw follows from the run's logged seed and the item's own draw, so that anybody can make it again.
    """
    if not share or item.corrects_item_id is not None:
        return
    review = connection.execute(sa.select(t.reviews).where(t.reviews.c.id == review_id)).one()
    if review.attempt_id is None or _looked_at(connection, review):
        return
    seed = connection.execute(sa.select(t.runs.c.seed).where(t.runs.c.id == item.run_id)).scalar_one()
    drawn = random.Random(f"second look {seed} {item.audit_draw!r}").random()  # noqa: S311 - repeatable, as above
    if drawn < share:
        _wait(connection, database, review, "blind", drawn, share)


def _looked_at(connection: Connection, review: Any) -> bool:
    """Say whether somebody looked again at this output; a look that was taken back is none."""
    made = (
        sa.select(t.second_reviews.c.id)
        .join(t.reviews, t.reviews.c.id == t.second_reviews.c.review_id)
        .where(t.reviews.c.item_id == review.item_id, t.reviews.c.attempt_id == review.attempt_id)
        .where(t.second_reviews.c.decision.is_not(None))
    )
    return connection.execute(made.limit(1)).first() is not None


def _wait(connection: Connection, database: Database, review: Any, kind: Kind, drawn: float, share: float) -> None:
    row = {"item_id": review.item_id, "review_id": review.id, "kind": kind, "draw": drawn, "probability": share}
    row["created_at"] = database.clock.now()
    insert_new(connection, t.second_reviews, [row], t.second_reviews.c.id)


def looks(connection: Connection, viewer: str | None, item_ids: Collection[int] | None = None) -> list[Look]:
    """Return the looks that wait, oldest first; for a viewer, those that this person may make.

    A look waits while its item stands decided on the output that the first person saw. Who had a say already gets none.
    """
    second = t.second_reviews
    newest = sa.select(sa.func.max(t.attempts.c.id)).where(t.attempts.c.item_id == second.c.item_id).scalar_subquery()
    query = (
        sa.select(second, t.reviews.c.attempt_id)
        .join(t.reviews, t.reviews.c.id == second.c.review_id)
        .join(t.items, t.items.c.id == second.c.item_id)
        .where(WAITS, t.items.c.state.in_(t.DECIDED), t.reviews.c.attempt_id == newest)
        .order_by(second.c.id)
    )
    if item_ids is not None:
        query = query.where(second.c.item_id.in_(item_ids))
    rows = connection.execute(query).all()
    said, people = _said(connection, {row.item_id for row in rows})
    return [
        Look(
            id=row.id,
            item_id=row.item_id,
            review_id=row.review_id,
            attempt_id=row.attempt_id,
            kind=row.kind,
            opinions=tuple(said[row.review_id]),
            since=row.created_at,
        )
        for row in rows
        if viewer not in people[row.item_id]
    ]


def _said(
    connection: Connection, item_ids: Collection[int]
) -> tuple[Mapping[int, list[Opinion]], Mapping[int, set[str]]]:
    """Return the opinions about these items by the first review, and who had a say by item."""
    said: dict[int, list[Opinion]] = defaultdict(list)
    people: dict[int, set[str]] = defaultdict(set)
    if not item_ids:
        return said, people
    first = sa.select(t.reviews).where(t.reviews.c.item_id.in_(item_ids)).order_by(t.reviews.c.id)
    for row in connection.execute(first):
        said[row.id].append(opinion(row))
        people[row.item_id].add(row.reviewer)
    again = sa.select(t.second_reviews).where(
        t.second_reviews.c.item_id.in_(item_ids), t.second_reviews.c.decision.is_not(None)
    )
    for row in connection.execute(again.order_by(t.second_reviews.c.id)):
        said[row.review_id].append(opinion(row))
        people[row.item_id].add(row.reviewer)
    return said, people


def opinion(row: Any) -> Opinion:
    """Return what a row of reviews or of second reviews says."""
    return Opinion(row.decision, row.reviewer, row.reason, row.changes)


def of_reviewer(connection: Connection, item_id: int, reviewer: str) -> Look | None:
    """Return the look at an item that waits for this person; None if there is none.

    Raises:
        UserError: a third person has to decide, and this one had a say already; or this one looked at it before.
    """
    found = looks(connection, reviewer, [item_id])
    if found:
        return found[0]
    for look in looks(connection, None, [item_id]):
        if look.kind == "adjudication":
            who = " and ".join(opinion.reviewer for opinion in look.opinions)
            raise UserError(f"item {item_id}: {who} disagree; a third person has to decide")
    mine = sa.select(t.second_reviews).where(
        t.second_reviews.c.item_id == item_id, t.second_reviews.c.reviewer == reviewer
    )
    made = connection.execute(mine.order_by(t.second_reviews.c.id.desc()).limit(1)).first()
    if made is not None:
        raise UserError(f"item {item_id}: {reviewer} decided it already, at {made.decided_at:%Y-%m-%d %H:%M} UTC")
    return None


def give(connection: Connection, database: Database, look: Look, said: Opinion) -> bool:
    """Write what a person says at a look; return whether it agrees with the first.

    Where a second person disagrees, a look by a third is made to wait.
    """
    now = database.clock.now()
    connection.execute(
        sa.update(t.second_reviews)
        .where(t.second_reviews.c.id == look.id)
        .values(
            reviewer=said.reviewer,
            decision=said.decision,
            reason=said.reason,
            changes=dict(said.changes) if said.changes else sa.null(),
            decided_at=now,
        )
    )
    agreed = agree(look.opinions[0], said)
    if look.kind == "blind" and not agreed:
        review = connection.execute(sa.select(t.reviews).where(t.reviews.c.id == look.review_id)).one()
        _wait(connection, database, review, "adjudication", 0.0, 1.0)
    outcome = {
        ("blind", True): "agreed",
        ("blind", False): "disputed",
        ("adjudication", True): "confirmed",
        ("adjudication", False): "overruled",
    }[look.kind, agreed]
    told: dict[str, Any] = {"first": look.opinions[0].decision, "now": said.decision}
    record_event(connection, database.clock, f"second_review.{outcome}", said.reviewer, item_id=look.item_id, **told)
    return agreed


def withdraw(connection: Connection, item_ids: Iterable[int], now: datetime) -> None:
    """Take back the looks at these items that wait: what they are about does not stand any more."""
    waiting = sa.and_(t.second_reviews.c.item_id.in_(list(item_ids)), WAITS)
    connection.execute(sa.update(t.second_reviews).where(waiting).values(decided_at=now))


def waits_for(item_id: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """Return the condition that an item waits for a second look."""
    return sa.exists().where(t.second_reviews.c.item_id == item_id, WAITS)


@dataclass(frozen=True)
class Veil:
    """How an item looked before it was decided, for somebody who is to decide without knowing."""

    state: str
    closed_at: datetime


def veils(connection: Connection, viewer: str | None, item_ids: Collection[int] | None = None) -> dict[int, Veil]:
    """Return, by item, how those look to a viewer that this person may be asked to decide without knowing."""
    if viewer is None:
        return {}
    blind = [look.attempt_id for look in looks(connection, viewer, item_ids) if look.kind == "blind"]
    query = sa.select(t.items.c.id, t.items.c.reason, t.attempts.c.ended_at).join(
        t.attempts, t.attempts.c.item_id == t.items.c.id
    )
    rows = connection.execute(query.where(t.attempts.c.id.in_(blind)))
    return {row.id: Veil("review" if row.reason else "passed", row.ended_at) for row in rows}


def hidden(connection: Connection, viewer: str | None) -> set[int]:
    """Return the items that must not be shown to a viewer: what corrects, directly or not, what is veiled would tell.

    They come to light when the look was made, or was taken back.
    """
    found: set[int] = set()
    newest = set(veils(connection, viewer))
    while newest:
        query = sa.select(t.items.c.id).where(t.items.c.corrects_item_id.in_(newest))
        newest = set(connection.execute(query).scalars())
        found |= newest
    return found
