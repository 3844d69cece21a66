"""What waits for a person, and what this person is shown of it.

Items in doubt, the audit sample, second looks and canaries come out of here as the same kind of row, so that nobody can
tell which is which; only what a third person has to decide between two others says so.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.errors import UserError
from engine.ledger import canaries, second_looks
from engine.ledger import tables as t
from engine.ledger.database import Database
from engine.ledger.reads import LIMIT, newest, verdicts_of
from engine.ledger.rows import AttemptRow, QueueRow, ReviewRow, VerdictRow, Waiting
from engine.ledger.second_looks import Look

AUDIT_SAMPLE = "audit_sample"
"""The reason shown for a passed item that was drawn at random for review."""
DISPUTED = "disputed"
"""The reason shown to the third person, who decides between two that disagree."""
_AUDIT_SENTENCE = "compare every field with its evidence"
Place = tuple[datetime, int]
"""Where something stands in the queue: since when it waits, and its id."""


def review_queue(
    database: Database,
    *,
    viewer: str | None = None,
    run_id: int | None = None,
    workflow: str | None = None,
    after: Place | None = None,
    limit: int = LIMIT,
) -> list[QueueRow]:
    """List what waits for a person, longest wait first.

    Args:
        database: the ledger.
        viewer: who looks; second looks at what this person decided are left out.
        run_id: only of this run (canaries: of the run of what they were copied from).
        workflow: only of this workflow.
        after: only what comes after this place in the queue.
        limit: how many at most.
    """
    scope: dict[str, Any] = {"run_id": run_id, "workflow": workflow, "after": after, "limit": limit}
    with database.read() as connection:
        return [known.row for known in _known(connection, viewer, **scope)]


def waiting_count(database: Database, *, most: int = 1000) -> int:
    """Return how many items wait for whoever may decide, counted up to `most`; second looks are not among them."""
    some = sa.select(sa.literal(1)).select_from(t.items).where(t.WAITS_FOR_PERSON).limit(most).subquery()
    with database.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(some)).scalar_one())


def waiting(database: Database, item_id: int, viewer: str) -> Waiting:
    """Return what a person is shown who is to decide about an item.

    Raises:
        UserError: it does not wait for this person.
    """
    with database.read() as connection:
        found = _known(connection, viewer, item_ids=[item_id], limit=1)
        if not found:
            raise UserError(f"item {item_id} does not wait for {viewer}; `runner.py review list` shows what does")
        [known] = found
        query = sa.select(t.attempts.c.read_back).where(t.attempts.c.id == known.row.attempt_id)
        return Waiting(
            row=known.row,
            payload=known.item.payload,
            read_back=connection.execute(query).scalar_one_or_none() or {},
            origin=known.item.origin,
            record_url=known.item.record_url,
            probability=known.verdict.probability if known.verdict else None,
            threshold=known.verdict.threshold if known.verdict else None,
        )


def unknowing(database: Database, viewer: str) -> set[int]:
    """Return the items that a person may be asked to decide without knowing what others decided."""
    with database.read() as connection:
        return set(second_looks.veils(connection, viewer))


@dataclass(frozen=True)
class _Known:
    row: QueueRow
    item: Any
    verdict: VerdictRow | None


def _known(
    connection: Connection,
    viewer: str | None,
    *,
    run_id: int | None = None,
    workflow: str | None = None,
    item_ids: Collection[int] | None = None,
    after: Place | None = None,
    limit: int,
) -> list[_Known]:
    looks = {look.item_id: look for look in second_looks.looks(connection, viewer, item_ids)}
    pinned = sa.select(t.items, t.runs.c.definition_hash).join(t.runs, t.runs.c.id == t.items.c.run_id)
    if run_id is not None:
        copied = sa.select(t.canaries.c.item_id).where(
            t.canaries.c.copied_from.in_(sa.select(t.items.c.id).where(t.items.c.run_id == run_id))
        )
        pinned = pinned.where(sa.or_(t.items.c.run_id == run_id, t.items.c.id.in_(copied)))
    if workflow is not None:
        pinned = pinned.where(t.items.c.workflow == workflow)
    if item_ids is not None:
        pinned = pinned.where(t.items.c.id.in_(item_ids))
    if hidden := second_looks.hidden(connection, viewer):
        pinned = pinned.where(t.items.c.id.not_in(hidden))
    place = (t.items.c.closed_at, t.items.c.id)
    first = pinned.where(t.WAITS_FOR_PERSON).order_by(*place).limit(limit)
    if after is not None:
        bound = sa.tuple_(*(sa.literal(part, column.type) for part, column in zip(after, place, strict=True)))
        first = first.where(sa.tuple_(*place) > bound)
    items = [*connection.execute(first), *connection.execute(pinned.where(t.items.c.id.in_(list(looks))))]
    ids = [item.id for item in items]
    runs = canaries.shown_runs(connection, ids)
    verdicts = {verdict.item_id: verdict for verdict in verdicts_of(connection, ids, newest_only=True)}
    attempts = {a.item_id: a for a in newest(connection, t.attempts, AttemptRow, ids)}
    said = {r.item_id: r for r in newest(connection, t.reviews, ReviewRow, ids)}
    known = []
    for item in items:
        look, attempt = looks.get(item.id), attempts.get(item.id)
        accept = said.get(item.id) if look is None else None
        since = _since(item, attempt, look)
        row = _row(item, runs.get(item.id, item.run_id), verdicts.get(item.id), attempt, accept, look, since)
        known.append(_Known(row, item, verdicts.get(item.id)))
    found = sorted(known, key=lambda one: (one.row.since, one.row.id))
    return [one for one in found if after is None or (one.row.since, one.row.id) > after][:limit]


def _since(item: Any, attempt: AttemptRow | None, look: Look | None) -> datetime:
    """Return since when an item waits; a second look since the bot left it, as the first person saw it."""
    if look is not None and look.kind == "adjudication":
        return look.since
    if look is not None and attempt is not None and attempt.ended_at is not None:
        return attempt.ended_at
    return item.closed_at or item.created_at  # type: ignore[no-any-return]


def _row(
    item: Any,
    run_id: int,
    verdict: VerdictRow | None,
    attempt: AttemptRow | None,
    review: ReviewRow | None,
    look: Look | None,
    since: datetime,
) -> QueueRow:
    accepted = review and review.decision == "accept" and review.created_at >= since
    sampled = item.reason is None if look is not None else item.state == "passed"
    findings = verdict.findings if verdict and not sampled else ()
    message = _AUDIT_SENTENCE if sampled else "; ".join(dict.fromkeys(finding.message for finding in findings))
    reason = AUDIT_SAMPLE if sampled else item.reason or "review"
    if look is not None and look.kind == "adjudication":
        reason, message = DISPUTED, "; ".join(map(_told, look.opinions))
    return QueueRow(
        id=item.id,
        run_id=run_id,
        workflow=item.workflow,
        definition_hash=item.definition_hash,
        reference=item.reference,
        reason=reason,
        findings=findings,
        message=message or (attempt.message if attempt and attempt.message else "no reason was recorded"),
        since=since,
        attempt_id=attempt.id if attempt else None,
        accepted_by=review.reviewer if accepted and review else None,
    )


def _told(said: second_looks.Opinion) -> str:
    values = " ".join(f"{name}={value}" for name, value in (said.changes or {}).items())
    text = f"{said.reviewer}: {said.decision}" + (f" {values}" if values else "")
    return text + (f' "{said.reason}"' if said.reason else "")
