"""What people decide: accept, correct, reject, re-open; each on the attempt they saw.

Everything that waits for a person is decided through the same door: items in doubt, the audit sample, second looks
(`second_looks`) and canaries (`canaries`). A second opinion and what is said of a canary have no effect but to be kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.definition import Workflow
from engine.errors import UserError
from engine.ledger import canaries, second_looks
from engine.ledger import tables as t
from engine.ledger.database import Database, record_event
from engine.ledger.handing_on import hand_on
from engine.ledger.mending import mend, mended, obstacle
from engine.ledger.runs import close_corrected, reopen_run
from engine.ledger.second_looks import Look, Opinion
from engine.ledger.trust import is_distrusted
from engine.values import Record, encode

OVERRULED = "overruled"
"""The reason of an item that waits again because a third person decided otherwise than was done."""
_DONE = {"accept": "accepted", "reject": "rejected", "correct": "correcting"}


@dataclass(frozen=True)
class Reviewed:
    """What a decision led to."""

    item_id: int
    state: str
    needs_second: bool = False
    """Four eyes: another person has to decide too."""
    correction_run_id: int | None = None
    """None for a correction that was only asked to measure the reviewer."""
    correction_item_id: int | None = None
    following_run_id: int | None = None
    """The run of what was handed on to the workflow that follows, if any was."""


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
        reason: in words; required for a rejection, and to accept what no bot worked on.
        seen_attempt: id of the attempt the reviewer looked at; a newer one refuses the decision.

    Raises:
        UserError: the item is not in review, was decided by someone else, moved on since it was looked at, has no
            reason where one is needed, or is to hand on an output that it does not have.
    """
    if decision == "reject" and not reason:
        raise UserError('a rejection needs a reason: add --reason "…"')
    with database.write() as connection:
        item, look = _reviewable(connection, item_id, reviewer, seen_attempt)
        if look is None and (why := obstacle(connection, item, None)):
            raise UserError(why)
        said = Opinion(decision, reviewer, reason)
        two = decision == "accept" and _over_limit(item.payload, workflow)
        if look is not None:
            return _look(connection, database, item, look, said, workflow, two=two)
        review_id = _record(connection, database, item, said)
        if canaries.is_canary(connection, item_id):
            _move(connection, database, item_id, _DONE[decision])
            return Reviewed(item_id, item.state if two else _DONE[decision], needs_second=two)
        first = _earlier_accept(connection, item, review_id)
        if two and first is None:
            return Reviewed(item_id, item.state, needs_second=True)
        if decision == "accept" and first == reviewer:
            raise UserError(f"item {item_id}: {reviewer} accepted it already; four eyes means a second person")
        following = None
        if decision == "accept" and item.state == "review":
            _refuse_unworked(connection, item, reason)
            following = hand_on(connection, database, item, workflow)
        _move(connection, database, item_id, _DONE[decision])
        second_looks.withdraw(connection, [item_id], database.clock.now())
        second_looks.draw(connection, database, item, review_id, workflow.review.second_review)
        if decision == "accept":
            close_corrected(connection, item.corrects_item_id, database.clock.now())
        elif item.corrects_item_id is not None:
            _move(connection, database, item.corrects_item_id, "review")
        return Reviewed(item_id, _DONE[decision], following_run_id=following)


def _refuse_unworked(connection: Connection, item: Any, reason: str | None) -> None:
    """Refuse to accept, without a word, an item that was held before any bot worked on it: nothing was entered."""
    attempts = sa.select(t.attempts.c.id).where(t.attempts.c.item_id == item.id).limit(1)
    if reason or item.reason == "invalid_input" or connection.execute(attempts).first():
        return
    raise UserError(
        f"no bot worked on item {item.id}, and accepting it enters nothing. If a bot is to do it: "
        f'`runner.py items retry {item.id} --reason "…"`; if it is settled otherwise, say how with --reason "…"'
    )


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
        item, look = _reviewable(connection, item_id, reviewer, seen_attempt)
        said = Opinion("correct", reviewer, reason, encode(changes))
        mended(item.payload, changes, workflow)
        if look is not None:
            return _look(connection, database, item, look, said, workflow, changes=changes)
        if canaries.is_canary(connection, item_id):
            _record(connection, database, item, said)
            _move(connection, database, item_id, "corrected")
            return Reviewed(item_id, "correcting")
        done = _order(connection, database, item, changes, said, workflow)
        second_looks.withdraw(connection, [item_id], database.clock.now())
        second_looks.draw(connection, database, item, done.review_id, workflow.review.second_review)
        return done.reviewed


@dataclass(frozen=True)
class _Ordered:
    review_id: int
    reviewed: Reviewed


def _order(
    connection: Connection, database: Database, item: Any, changes: Record, said: Opinion, workflow: Workflow
) -> _Ordered:
    if why := obstacle(connection, item, workflow):
        raise UserError(why)
    run_id, new_id = mend(connection, database, item, changes, said.reviewer, workflow)
    review_id = _record(connection, database, item, said, correction=new_id)
    _move(connection, database, item.id, "correcting")
    return _Ordered(review_id, Reviewed(item.id, "correcting", correction_run_id=run_id, correction_item_id=new_id))


def _look(
    connection: Connection,
    database: Database,
    item: Any,
    look: Look,
    said: Opinion,
    workflow: Workflow,
    *,
    two: bool = False,
    changes: Record | None = None,
) -> Reviewed:
    """Keep a second opinion, which has no effect; do what a third says where it differs from what was done."""
    agreed = second_looks.give(connection, database, look, said)
    if look.kind == "blind":
        waits = "review" if item.reason else "passed"
        return Reviewed(item.id, waits if two else _DONE[said.decision], needs_second=two)
    if agreed:
        return Reviewed(item.id, item.state)
    if changes is not None and obstacle(connection, item, workflow) is None:
        return _order(connection, database, item, changes, said, workflow).reviewed
    _hand_back(connection, database, item, look, said)
    return Reviewed(item.id, "review")


def _hand_back(connection: Connection, database: Database, item: Any, look: Look, said: Opinion) -> None:
    """Let an item that a third person judged otherwise wait again: what the application holds may be wrong now."""
    done = look.opinions[0]
    found = "wrong" if said.wrong else "right as the bot left it"
    message = f"{done.reviewer} decided to {done.decision}, but {said.reviewer} found it {found}"
    findings = [
        {"check": "process", "code": OVERRULED, "message": message + (f": {said.reason}" if said.reason else "")}
    ]
    verdict = {"item_id": item.id, "decision": "review", "findings": findings, "created_at": database.clock.now()}
    pinned = sa.select(t.runs.c.definition_hash).where(t.runs.c.id == item.run_id).scalar_subquery()
    connection.execute(sa.insert(t.verdicts).values(**verdict, definition_hash=pinned))
    again = sa.update(t.items).where(t.items.c.id == item.id)
    connection.execute(again.values(state="review", reason=OVERRULED, closed_at=database.clock.now()))


def reopen(database: Database, item_id: int, actor: str, reason: str) -> int:
    """Give an item back to the bots; a finished commit is not repeated, an open one is recovered first.

    A canary is no work for a bot: it is put away, and counts neither as seen nor as missed.

    Returns:
        The id of the item's run, as it is shown.

    Raises:
        UserError: the item is still open, waits for this person, or was decided by a person.
    """
    with database.write() as connection:
        item = connection.execute(
            sa.select(t.items).where(t.items.c.id == item_id).with_for_update(key_share=True)
        ).first()
        if item is None:
            raise UserError(f"there is no item {item_id}; `runner.py items list` shows what there is")
        if item_id in second_looks.veils(connection, actor, [item_id]):
            raise UserError(f"item {item_id} cannot be tried again now: `runner.py review list` shows what to decide")
        if item.state not in {"review", "cancelled"}:
            raise UserError(f"item {item_id} is {item.state}: only items in review or cancelled can be tried again")
        if item.erased_at or item.pruned_at:
            raise UserError(f"the data of item {item_id} were erased: there is nothing left to work with")
        if item.reason == "invalid_input":
            raise UserError(
                f"item {item_id} has invalid data: `runner.py review correct {item_id} field=value` mends it"
            )
        if canaries.is_canary(connection, item_id):
            _move(connection, database, item_id, "cancelled")
            return canaries.shown_runs(connection, [item_id])[item_id]
        if why := obstacle(connection, item, None):
            raise UserError(why)
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
        second_looks.withdraw(connection, [item_id], database.clock.now())
        reopen_run(connection, item.run_id)
        record_event(
            connection, database.clock, "item.reopened", actor, run_id=item.run_id, item_id=item_id, reason=reason
        )
        return int(item.run_id)


def _reviewable(
    connection: Connection, item_id: int, reviewer: str, seen_attempt: int | None
) -> tuple[Any, Look | None]:
    """Lock an item that waits for this person; return it with the look, if it is one that waits."""
    item = connection.execute(sa.select(t.items).where(t.items.c.id == item_id).with_for_update(key_share=True)).first()
    if item is None:
        raise UserError(f"there is no item {item_id}; `runner.py review list` shows what waits")
    waits = item.state == "review" or (item.state == "passed" and item.audited)
    look = None if waits else second_looks.of_reviewer(connection, item_id, reviewer)
    if not waits and look is None:
        raise UserError(_standing(connection, item))
    newest = connection.execute(
        sa.select(sa.func.max(t.attempts.c.id)).where(t.attempts.c.item_id == item_id)
    ).scalar_one()
    if seen_attempt is not None and newest != seen_attempt:
        raise UserError(f"item {item_id} was worked on since you looked (attempt {newest}); look again, then decide")
    return item, look


def standing(database: Database, item_id: int, viewer: str) -> str:
    """Say why an item does not wait for a person: what it is, decided by whom and when."""
    with database.read() as connection:
        item = connection.execute(sa.select(t.items).where(t.items.c.id == item_id)).first()
        if item is None or item_id in second_looks.hidden(connection, viewer):
            return f"there is no item {item_id}"
        return _standing(connection, item)


def _standing(connection: Connection, item: Any) -> str:
    last = sa.select(t.reviews).where(t.reviews.c.item_id == item.id).order_by(t.reviews.c.id.desc()).limit(1)
    review = connection.execute(last).first()
    by = f", decided by {review.reviewer} at {review.created_at:%Y-%m-%d %H:%M} UTC" if review else ""
    gone = f", erased at {item.erased_at:%Y-%m-%d %H:%M} UTC" if item.erased_at else ""
    return f"item {item.id} does not wait for a review: it is {item.state}{by}{gone}"


def _record(
    connection: Connection, database: Database, item: Any, said: Opinion, *, correction: int | None = None
) -> int:
    attempt = sa.select(sa.func.max(t.attempts.c.id)).where(t.attempts.c.item_id == item.id).scalar_subquery()
    row = sa.insert(t.reviews).values(
        item_id=item.id,
        attempt_id=attempt,
        decision=said.decision,
        reason=said.reason,
        changes=dict(said.changes) if said.changes else None,
        reviewer=said.reviewer,
        correction_item_id=correction,
        created_at=database.clock.now(),
    )
    kind = f"review.{said.decision}"
    about = {"run_id": item.run_id, "item_id": item.id, "reason": said.reason}
    record_event(connection, database.clock, kind, said.reviewer, **about)
    return int(connection.execute(row.returning(t.reviews.c.id)).scalar_one())


def _earlier_accept(connection: Connection, item: Any, review_id: int) -> str | None:
    """Return who accepted this attempt before this review, since the item came to wait or was overruled."""
    this, earlier = t.reviews.alias("this"), t.reviews
    overruled = sa.select(sa.func.coalesce(sa.func.max(t.second_reviews.c.review_id), 0)).where(
        t.second_reviews.c.item_id == item.id,
        t.second_reviews.c.kind == "adjudication",
        t.second_reviews.c.decision.is_not(None),
    )
    query = (
        sa.select(earlier.c.reviewer)
        .join(this, sa.and_(this.c.item_id == earlier.c.item_id, this.c.id == review_id))
        .where(
            earlier.c.item_id == item.id,
            earlier.c.id < review_id,
            earlier.c.created_at >= (item.closed_at or item.created_at),
            earlier.c.id > overruled.scalar_subquery(),
            earlier.c.decision == "accept",
            earlier.c.attempt_id.is_not_distinct_from(this.c.attempt_id),
        )
        .order_by(earlier.c.id.desc())
        .limit(1)
    )
    return connection.execute(query).scalar_one_or_none()


def _over_limit(payload: dict[str, Any], workflow: Workflow) -> bool:
    limits = workflow.review.four_eyes_over
    return any(payload.get(name) not in {None, ""} and Decimal(payload[name]) > limit for name, limit in limits.items())


def _move(connection: Connection, database: Database, item_id: int, state: str) -> None:
    connection.execute(
        sa.update(t.items).where(t.items.c.id == item_id).values(state=state, closed_at=database.clock.now())
    )
