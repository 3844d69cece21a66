"""What is known of the reviewers: what they said of canaries, what others said at second looks, how fast they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from engine.ledger import tables as t
from engine.ledger.database import Database
from engine.ledger.second_looks import Opinion, agree

SITTING = timedelta(minutes=15)
"""Two decisions of one person that are further apart say nothing of how long the later one took."""
Outcome = Literal["caught", "missed", "wrong field", "let stand", "false correction"]


@dataclass(frozen=True)
class CanaryResult:
    """What one reviewer decided about one canary."""

    item_id: int
    workflow: str
    reviewer: str
    decision: str
    error: str | None
    """The kind of mistake that was planted; None for a control, in which nothing is wrong."""
    fields: tuple[str, ...]
    """The fields that carry it."""
    where: str | None
    outcome: Outcome
    """Of an error: caught (rejected, or corrected in a field that carries it), missed (accepted), or wrong field
    (corrected, but the error left in), which counts as missed. Of a control: let stand, or false correction."""
    planted_at: datetime
    decided_at: datetime

    @property
    def control(self) -> bool:
        """Say whether nothing is wrong with it."""
        return self.error is None

    @property
    def good(self) -> bool:
        """Say whether the reviewer was right."""
        return self.outcome in {"caught", "let stand"}


@dataclass(frozen=True)
class SecondResult:
    """What two people said of one output without knowing of each other, and a third where they disagreed."""

    item_id: int
    workflow: str
    first: Opinion
    second: Opinion
    third: Opinion | None
    """None where they agree, while a dispute waits, and where it was taken back."""
    agreed: bool
    """Whether the second said what the first did; as it was found then, also where values were erased since."""
    disputed: bool
    """Whether it still waits for a third person."""
    draw: float
    probability: float
    """How likely a decision was to be looked at again."""
    decided_at: datetime
    """When the second person decided."""

    @property
    def overruled(self) -> bool:
        """Say whether a third person decided otherwise than the first."""
        return self.third is not None and not agree(self.first, self.third)


def canary_results(database: Database, workflow: str | None = None) -> list[CanaryResult]:
    """Return what was decided about canaries, oldest decision first; one that is undecided or put away is in none.

    Args:
        database: the ledger.
        workflow: only canaries among this workflow's items.
    """
    query = (
        sa.select(t.reviews, t.items.c.workflow, t.canaries.c.planted, t.canaries.c.planted_at)
        .join(t.canaries, t.canaries.c.item_id == t.reviews.c.item_id)
        .join(t.items, t.items.c.id == t.reviews.c.item_id)
        .order_by(t.reviews.c.id)
    )
    if workflow is not None:
        query = query.where(t.items.c.workflow == workflow)
    with database.read() as connection:
        return [_canary(row) for row in connection.execute(query)]


def _canary(row: Any) -> CanaryResult:
    planted: Mapping[str, Any] = row.planted
    fields = tuple(planted["fields"])
    return CanaryResult(
        item_id=row.item_id,
        workflow=row.workflow,
        reviewer=row.reviewer,
        decision=row.decision,
        error=planted["error"],
        fields=fields,
        where=planted["where"],
        outcome=_outcome(planted["error"] is None, row.decision, fields, row.changes or {}),
        planted_at=row.planted_at,
        decided_at=row.created_at,
    )


def _outcome(control: bool, decision: str, fields: tuple[str, ...], changes: Mapping[str, Any]) -> Outcome:
    if control:
        return "let stand" if decision == "accept" else "false correction"
    if decision == "accept":
        return "missed"
    return "caught" if decision == "reject" or set(changes) & set(fields) else "wrong field"


def second_results(database: Database, workflow: str | None = None) -> list[SecondResult]:
    """Return the second looks that were made, oldest first.

    Args:
        database: the ledger.
        workflow: only those at this workflow's items.
    """
    second, third, first = t.second_reviews.alias("second"), t.second_reviews.alias("third"), t.reviews
    parts = ("decision", "reviewer", "reason", "changes")
    query = (
        sa.select(
            second.c.item_id,
            second.c.draw,
            second.c.probability,
            second.c.decided_at,
            t.items.c.workflow,
            third.c.id.label("dispute"),
            third.c.decided_at.label("ended"),
            *(table.c[name].label(f"{table.name}_{name}") for table in (first, second, third) for name in parts),
        )
        .join(first, first.c.id == second.c.review_id)
        .join(t.items, t.items.c.id == second.c.item_id)
        .outerjoin(third, sa.and_(third.c.review_id == second.c.review_id, third.c.kind == "adjudication"))
        .where(second.c.kind == "blind", second.c.decision.is_not(None))
        .order_by(second.c.id)
    )
    if workflow is not None:
        query = query.where(t.items.c.workflow == workflow)
    with database.read() as connection:
        rows = [row._asdict() for row in connection.execute(query)]
    return [
        SecondResult(
            item_id=row["item_id"],
            workflow=row["workflow"],
            first=_opinion(row, "reviews"),
            second=_opinion(row, "second"),
            third=_opinion(row, "third") if row["third_decision"] else None,
            agreed=row["dispute"] is None,
            disputed=row["dispute"] is not None and row["ended"] is None,
            draw=row["draw"],
            probability=row["probability"],
            decided_at=row["decided_at"],
        )
        for row in rows
    ]


def _opinion(row: Mapping[str, Any], who: str) -> Opinion:
    return Opinion(*(row[f"{who}_{name}"] for name in ("decision", "reviewer", "reason", "changes")))


def decision_seconds(database: Database, workflow: str | None = None) -> dict[str, list[float]]:
    """Return, by reviewer, how many seconds lay between a decision and the one before it in the same sitting.

    When a person began to look is not known; the gap is an upper bound of the time that the later decision took, and
    decisions made in one go have gaps near 0.

    Args:
        database: the ledger.
        workflow: only decisions about this workflow's items.
    """
    made: list[tuple[datetime, str]] = []
    with database.read() as connection:
        for table, when in ((t.reviews, t.reviews.c.created_at), (t.second_reviews, t.second_reviews.c.decided_at)):
            query = sa.select(when, table.c.reviewer).join(t.items, t.items.c.id == table.c.item_id)
            query = query.where(table.c.decision.is_not(None))
            if workflow is not None:
                query = query.where(t.items.c.workflow == workflow)
            made += [(row[0], row[1]) for row in connection.execute(query)]
    seconds: dict[str, list[float]] = {}
    before: dict[str, datetime] = {}
    for at, who in sorted(made):
        gaps = seconds.setdefault(who, [])
        if who in before and at - before[who] <= SITTING:
            gaps.append((at - before[who]).total_seconds())
        before[who] = at
    return seconds
