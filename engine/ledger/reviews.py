"""What people decide: accept, correct, reject, re-open; each on the attempt they saw."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.definition import Workflow
from engine.errors import UserError
from engine.ledger import tables as t
from engine.ledger.database import Database, record_event
from engine.ledger.runs import NewItem, close_corrected, open_run_within, reopen_run
from engine.ledger.trust import is_distrusted
from engine.values import Record, decode, encode

Decision = Literal["accept", "correct", "reject"]


@dataclass(frozen=True)
class Reviewed:
    """What a decision led to."""

    item_id: int
    state: str
    needs_second: bool = False
    """Four eyes: another person has to decide too."""
    correction_run_id: int | None = None
    correction_item_id: int | None = None


def decide(
    database: Database,
    item_id: int,
    decision: Literal["accept", "reject"],
    reviewer: str,
    *,
    workflow: Workflow,
    reason: str | None = None,
    seen_attempt: int | None = None,
) -> Reviewed:
    """Accept or reject an item that waits for a person.

    Args:
        database: the ledger.
        item_id: the item.
        decision: accept (the output is right) or reject (it is wrong and stays out).
        reviewer: who decides.
        workflow: the item's definition, for the four-eyes limits.
        reason: in words; required for a rejection.
        seen_attempt: id of the attempt the reviewer looked at; a newer one refuses the decision.

    Raises:
        UserError: the item is not in review, was decided by someone else, or moved on since it was looked at.
    """
    if decision == "reject" and not reason:
        raise UserError('a rejection needs a reason: add --reason "…"')
    with database.write() as connection:
        item = _reviewable(connection, item_id, seen_attempt)
        review_id = _record(connection, database, item, decision, reviewer, reason=reason)
        first = _earlier_accept(connection, item_id, review_id)
        if decision == "accept" and _over_limit(item.payload, workflow) and first is None:
            return Reviewed(item_id, item.state, needs_second=True)
        if decision == "accept" and first == reviewer:
            raise UserError(f"item {item_id}: {reviewer} accepted it already; four eyes means a second person")
        state = "accepted" if decision == "accept" else "rejected"
        _move(connection, database, item_id, state)
        if state == "accepted":
            close_corrected(connection, item.corrects_item_id, database.clock.now())
        elif item.corrects_item_id is not None:
            _move(connection, database, item.corrects_item_id, "review")
        return Reviewed(item_id, state)


def correct(
    database: Database,
    item_id: int,
    changes: Record,
    reviewer: str,
    *,
    workflow: Workflow,
    reason: str | None = None,
    seen_attempt: int | None = None,
) -> Reviewed:
    """Order a correction: a work item of its own makes the bot mend the record in the application.

    Where the application holds no record of the item yet, the correction enters it; where it does, the definition's
    `correction` steps edit it.

    Raises:
        UserError: the item is not in review, or its definition cannot correct records.
    """
    with database.write() as connection:
        item = _reviewable(connection, item_id, seen_attempt)
        mends = item.record_url is not None
        if not mends and _may_exist(connection, item_id):
            raise UserError(
                f"the record of item {item_id} may exist without our knowing where; look in the application first, "
                "then accept, reject or re-open the item"
            )
        if mends and not workflow.correction:
            raise UserError(
                f"{workflow.name} has no `correction:` steps: mend the record by hand, then accept item {item_id}"
            )
        number = (
            connection.execute(sa.select(sa.func.count()).where(t.items.c.corrects_item_id == item_id)).scalar_one() + 1
        )
        payload = _mended(item.payload, changes, workflow)
        new = NewItem(
            reference=f"{item.reference}#correction-{number}",
            payload=payload,
            origin=f"review of item {item_id} by {reviewer}",
            corrects=item_id,
            record_url=item.record_url,
        )
        kind = "correction" if mends else "entry"
        trigger = f"review by {reviewer}"
        run = open_run_within(connection, database, workflow, [new], trigger=trigger, kind=kind, priority=10)
        new_id = connection.execute(sa.select(t.items.c.id).where(t.items.c.run_id == run.run_id)).scalar_one()
        _record(connection, database, item, "correct", reviewer, reason=reason, changes=changes, correction=new_id)
        _move(connection, database, item_id, "correcting")
        return Reviewed(item_id, "correcting", correction_run_id=run.run_id, correction_item_id=new_id)


def _mended(stored: dict[str, Any], changes: Record, workflow: Workflow) -> Record:
    try:
        return decode({**stored, **encode(changes)}, workflow.fields)
    except ValueError as error:
        raise UserError(f"the corrected record is still not valid: {error}; correct that field too") from error


def reopen(database: Database, item_id: int, actor: str, reason: str) -> int:
    """Give an item back to the bots; a finished commit is not repeated, an open one is recovered first.

    Returns:
        The id of the item's run.

    Raises:
        UserError: the item is still open, or was decided by a person.
    """
    with database.write() as connection:
        item = connection.execute(
            sa.select(t.items).where(t.items.c.id == item_id).with_for_update(key_share=True)
        ).first()
        if item is None:
            raise UserError(f"there is no item {item_id}; `runner.py items list` shows what there is")
        if item.state not in {"review", "cancelled"}:
            raise UserError(f"item {item_id} is {item.state}: only items in review or cancelled can be tried again")
        if item.erased_at or item.pruned_at:
            raise UserError(f"the data of item {item_id} were erased: there is nothing left to work with")
        if item.reason == "invalid_input":
            raise UserError(
                f"item {item_id} has invalid data: `runner.py review correct {item_id} field=value` mends it"
            )
        connection.execute(
            sa.update(t.items)
            .where(t.items.c.id == item_id)
            .values(
                state="ready",
                reason=None,
                failures=0,
                available_at=database.clock.now(),
                closed_at=None,
                owner=None,
                lease_until=None,
                **({} if is_distrusted(connection) else {"find_first": False}),
            )
        )
        reopen_run(connection, item.run_id)
        record_event(
            connection, database.clock, "item.reopened", actor, run_id=item.run_id, item_id=item_id, reason=reason
        )
        return int(item.run_id)


def _reviewable(connection: Connection, item_id: int, seen_attempt: int | None) -> Any:
    item = connection.execute(sa.select(t.items).where(t.items.c.id == item_id).with_for_update(key_share=True)).first()
    if item is None:
        raise UserError(f"there is no item {item_id}; `runner.py review list` shows what waits")
    last = sa.select(t.reviews).where(t.reviews.c.item_id == item_id).order_by(t.reviews.c.id.desc()).limit(1)
    review = connection.execute(last).first()
    waits = item.state == "review" or (item.state == "passed" and item.audited)
    if not waits:
        by = f", decided by {review.reviewer} at {review.created_at:%Y-%m-%d %H:%M} UTC" if review else ""
        raise UserError(f"item {item_id} does not wait for a review: it is {item.state}{by}")
    newest = connection.execute(
        sa.select(sa.func.max(t.attempts.c.id)).where(t.attempts.c.item_id == item_id)
    ).scalar_one()
    if seen_attempt is not None and newest != seen_attempt:
        raise UserError(f"item {item_id} was worked on since you looked (attempt {newest}); look again, then decide")
    return item


def _record(
    connection: Connection,
    database: Database,
    item: Any,
    decision: Decision,
    reviewer: str,
    *,
    reason: str | None = None,
    changes: Record | None = None,
    correction: int | None = None,
) -> int:
    attempt = sa.select(sa.func.max(t.attempts.c.id)).where(t.attempts.c.item_id == item.id).scalar_subquery()
    row = sa.insert(t.reviews).values(
        item_id=item.id,
        attempt_id=attempt,
        decision=decision,
        reason=reason,
        changes=encode(changes) if changes else None,
        reviewer=reviewer,
        correction_item_id=correction,
        created_at=database.clock.now(),
    )
    record_event(
        connection, database.clock, f"review.{decision}", reviewer, run_id=item.run_id, item_id=item.id, reason=reason
    )
    return int(connection.execute(row.returning(t.reviews.c.id)).scalar_one())


def _earlier_accept(connection: Connection, item_id: int, review_id: int) -> str | None:
    """Return who accepted the item before this review, on the same attempt."""
    this, earlier = t.reviews.alias("this"), t.reviews
    query = (
        sa.select(earlier.c.reviewer)
        .join(this, sa.and_(this.c.item_id == earlier.c.item_id, this.c.id == review_id))
        .where(
            earlier.c.item_id == item_id,
            earlier.c.id < review_id,
            earlier.c.decision == "accept",
            earlier.c.attempt_id.is_not_distinct_from(this.c.attempt_id),
        )
        .order_by(earlier.c.id.desc())
        .limit(1)
    )
    return connection.execute(query).scalar_one_or_none()


def _may_exist(connection: Connection, item_id: int) -> bool:
    """Say whether a commit of the item was confirmed, or may have landed unseen."""
    unclear = sa.or_(t.intents.c.outcome.is_(None), t.intents.c.outcome == "sent")
    query = sa.select(t.intents.c.id).where(t.intents.c.item_id == item_id, unclear).limit(1)
    return connection.execute(query).first() is not None


def _over_limit(payload: dict[str, Any], workflow: Workflow) -> bool:
    limits = workflow.review.four_eyes_over
    return any(payload.get(name) not in {None, ""} and Decimal(payload[name]) > limit for name, limit in limits.items())


def _move(connection: Connection, database: Database, item_id: int, state: str) -> None:
    connection.execute(
        sa.update(t.items).where(t.items.c.id == item_id).values(state=state, closed_at=database.clock.now())
    )
