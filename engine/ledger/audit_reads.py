"""What the watch over the rates asks the ledger: scores without labels, fresh decisions, how long people take."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from engine.ledger import tables as t
from engine.ledger.database import Database
from engine.ledger.labels import CANARY, MODEL


def scores(database: Database, scope: str, *, after: int = 0, limit: int = 20_000) -> list[tuple[str, float]]:
    """Return reference and P(wrong) of the newest outputs of a scope that only a model could hold back; no labels.

    Args:
        database: the ledger.
        scope: under which they were inspected.
        after: only verdicts with a larger id.
        limit: the newest so many.
    """
    query = (
        sa.select(t.items.c.reference, t.verdicts.c.probability, t.verdicts.c.findings)
        .join(t.items, t.items.c.id == t.verdicts.c.item_id)
        .join(t.runs, t.runs.c.id == t.items.c.run_id)
        .where(t.verdicts.c.scope == scope, t.verdicts.c.id > after, t.verdicts.c.probability.is_not(None))
        .where(t.items.c.corrects_item_id.is_(None), t.runs.c.kind != CANARY)
        .order_by(t.verdicts.c.id.desc())
        .limit(limit)
    )
    with database.read() as connection:
        rows = connection.execute(query).all()
    return [(row.reference, row.probability) for row in rows if {one["check"] for one in row.findings} <= {MODEL}]


def counters(database: Database) -> str:
    """Return a text that changes whenever people decide something; three looks at indexes, however large the ledger."""
    made = sa.select(sa.func.count(), sa.func.max(t.second_reviews.c.decided_at))
    with database.read() as connection:
        newest = connection.execute(sa.select(sa.func.max(t.reviews.c.id))).scalar_one()
        again = connection.execute(made.where(t.second_reviews.c.decided_at.is_not(None))).one()
    return f"{newest} {again[0]} {again[1].isoformat() if again[1] else ''}"


@dataclass(frozen=True)
class Decided:
    """An item that people decided on in a while."""

    item_id: int
    anew: bool
    """Whether it was decided; otherwise it was only looked at again."""
    turned: bool
    """Whether somebody who looked again, without knowing, calls wrong what was called right."""


def decided_between(database: Database, workflow: str, since: datetime | None, upto: datetime) -> list[Decided]:
    """Return the items of a workflow that people decided on after `since` and up to `upto`, in that order."""
    second = t.second_reviews
    first = sa.select(t.reviews.c.item_id, t.reviews.c.created_at.label("at"), sa.true().label("anew"))
    before = t.reviews.alias("before")
    same = sa.and_(before.c.item_id == t.reviews.c.item_id, before.c.attempt_id == t.reviews.c.attempt_id)
    settled = sa.and_(
        second.c.kind == "adjudication", second.c.decision.is_not(None), second.c.decided_at <= t.reviews.c.created_at
    )
    # what is decided after a third person's word on an output is about mending it; it was counted before
    first = first.where(~sa.exists().where(same, second.c.review_id == before.c.id, settled))
    turned = sa.and_(second.c.kind == "blind", second.c.decision != "accept", t.reviews.c.decision == "accept")
    again = sa.select(
        second.c.item_id, second.c.decided_at.label("at"), sa.false().label("anew"), turned.label("turned")
    )
    again = again.join(t.reviews, t.reviews.c.id == second.c.review_id).where(second.c.decision.is_not(None))
    first, again = _within(first, t.reviews.c.created_at, since, upto), _within(again, second.c.decided_at, since, upto)
    both = sa.union_all(first.add_columns(sa.false().label("turned")), again).subquery()
    query = sa.select(both.c.item_id, both.c.anew, both.c.turned).join(t.items, t.items.c.id == both.c.item_id)
    found: dict[int, Decided] = {}
    with database.read() as connection:
        for row in connection.execute(query.where(t.items.c.workflow == workflow).order_by(both.c.at, both.c.item_id)):
            known = found.get(row.item_id, Decided(row.item_id, anew=False, turned=False))
            anew, turned_ = known.anew or bool(row.anew), known.turned or bool(row.turned)
            found[row.item_id] = Decided(row.item_id, anew=anew, turned=turned_)
    return list(found.values())


def _within(query: sa.Select[Any], at: sa.Column[Any], since: datetime | None, upto: datetime) -> sa.Select[Any]:
    return query.where(at <= upto) if since is None else query.where(at <= upto, at > since)


def waiting_since(database: Database, workflow: str) -> datetime | None:
    """Return since when the longest waiting item of a workflow has been waiting for a person."""
    # the concatenation keeps databases from looking through all items of the workflow instead of the few that wait
    mine = sa.and_(t.items.c.workflow.concat("") == workflow, t.items.c.id.not_in(sa.select(t.canaries.c.item_id)))
    query = sa.select(t.items.c.closed_at).where(t.WAITS_FOR_PERSON, mine, t.items.c.closed_at.is_not(None))
    with database.read() as connection:
        found: datetime | None = connection.execute(query.order_by(t.items.c.closed_at).limit(1)).scalar_one_or_none()
    return found
