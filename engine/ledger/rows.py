"""What reports read from the ledger, as typed rows; `reads` and `facts` fill them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.ledger.queue import Intent
from engine.ports import Finding


@dataclass(frozen=True)
class ItemRow:
    """One line of a list of items."""

    id: int
    run_id: int
    workflow: str
    reference: str
    app: str
    state: str
    reason: str | None
    fence: int
    """How often it was claimed: the number of its attempts."""
    failures: int
    record_url: str | None
    app_id: str | None
    audited: bool
    corrects_item_id: int | None
    available_at: datetime
    created_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True)
class AttemptRow:
    """One try at an item."""

    id: int
    item_id: int
    fence: int
    worker: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    error_kind: str | None
    error_code: str | None
    message: str | None
    steps: list[dict[str, Any]] | None
    """Per action: step, action, line, seconds, standard."""

    @property
    def seconds(self) -> float | None:
        """Return how long it worked; None while it runs, and for an orphan, whose end nobody saw."""
        if self.ended_at is None or self.outcome == "orphaned":
            return None
        return (self.ended_at - self.started_at).total_seconds()


@dataclass(frozen=True)
class VerdictRow:
    """One verdict on an attempt's output, or on what the source or the run audit saw."""

    id: int
    item_id: int
    attempt_id: int | None
    decision: str
    findings: tuple[Finding, ...]
    probability: float | None
    threshold: float | None
    model: str | None
    model_version: str | None
    created_at: datetime


@dataclass(frozen=True)
class ReviewRow:
    """One decision of a person."""

    id: int
    item_id: int
    attempt_id: int | None
    decision: str
    reason: str | None
    changes: dict[str, Any] | None
    reviewer: str
    correction_item_id: int | None
    created_at: datetime


@dataclass(frozen=True)
class SecondReviewRow:
    """One look by a second or third person, or one that waits."""

    id: int
    item_id: int
    review_id: int
    """The decision that is looked at again."""
    kind: str
    """blind (a second person, who is not told) or adjudication (a third, between two who disagree)."""
    reviewer: str | None
    decision: str | None
    reason: str | None
    changes: dict[str, Any] | None
    created_at: datetime
    decided_at: datetime | None
    """Also set, without a decision, where the look was taken back."""


@dataclass(frozen=True)
class EvidenceRow:
    """One sealed file of an attempt."""

    id: int
    item_id: int
    attempt_id: int
    kind: str
    path: str
    sha256: str
    size: int
    created_at: datetime
    pruned_at: datetime | None


@dataclass(frozen=True)
class EventRow:
    """One remembered event."""

    id: int
    run_id: int | None
    item_id: int | None
    kind: str
    actor: str
    data: dict[str, Any]
    at: datetime


@dataclass(frozen=True)
class ItemDetail:
    """Everything the ledger knows of one item, each list oldest first."""

    item: ItemRow
    definition_hash: str
    kind: str
    """Kind of its run: entry or correction."""
    payload: dict[str, Any]
    origin: str | None
    attempts: tuple[AttemptRow, ...]
    read_backs: dict[int, dict[str, Any]]
    """Attempt id to the record as the application showed it."""
    intents: tuple[Intent, ...]
    verdicts: tuple[VerdictRow, ...]
    evidence: tuple[EvidenceRow, ...]
    reviews: tuple[ReviewRow, ...]
    second_reviews: tuple[SecondReviewRow, ...]
    events: tuple[EventRow, ...]


@dataclass(frozen=True)
class QueueRow:
    """One item that waits for a person; of the audit sample, a second look and a canary look like any other."""

    id: int
    run_id: int
    workflow: str
    definition_hash: str
    reference: str
    reason: str
    """Why it waits; `audit_sample` if it passed and was drawn at random, `disputed` if a third person decides."""
    findings: tuple[Finding, ...]
    message: str
    """The reason as a sentence."""
    since: datetime
    attempt_id: int | None
    """What a reviewer who decides now has seen."""
    accepted_by: str | None
    """Who accepted it already, where four eyes are wanted."""

    @property
    def suspicious(self) -> tuple[str, ...]:
        """Return the fields that the findings name, each once."""
        return tuple(dict.fromkeys(finding.field for finding in self.findings if finding.field))


@dataclass(frozen=True)
class Waiting:
    """What a person sees of one item that waits: the same whatever it is that waits."""

    row: QueueRow
    payload: dict[str, Any]
    read_back: dict[str, Any]
    origin: str | None
    record_url: str | None
    probability: float | None
    threshold: float | None


@dataclass(frozen=True)
class RunRow:
    """One run, with how many of its items are in which state."""

    id: int
    workflow: str
    app: str
    definition_hash: str
    kind: str
    trigger: str
    slot: str | None
    state: str
    seed: int
    counts: dict[str, int]
    """What enqueuing did: enqueued, invalid, rejected, already_known, conflicts."""
    created_at: datetime
    due_at: datetime | None
    finished_at: datetime | None
    audit: dict[str, Any] | None
    """What the run audit saw: keys, as_expected, missing, duplicates; None before it was made."""
    items: dict[str, int]
    """State to number of items."""


@dataclass(frozen=True)
class ItemFacts:
    """What the metrics need of one item."""

    item: ItemRow
    definition_hash: str
    reopened: bool
    """A person gave it back to the bots."""
    attempts: tuple[AttemptRow, ...] = ()
    intents: tuple[Intent, ...] = ()
    verdicts: tuple[VerdictRow, ...] = ()
    reviews: tuple[ReviewRow, ...] = ()
    second_reviews: tuple[SecondReviewRow, ...] = ()


@dataclass(frozen=True)
class Facts:
    """Everything that a report is computed from, read in one transaction."""

    runs: tuple[RunRow, ...]
    items: tuple[ItemFacts, ...]
    breakers: tuple[EventRow, ...]
    rejected: tuple[EventRow, ...]
    conflicts: tuple[EventRow, ...]
