"""How right the work and the inspection were, against the truth where it is given and against people's reviews.

Pure functions over ledger rows. The two sources are never mixed: every figure says whether its judge was `truth` or
`review`. The definitions, with formulas, stand in docs/reference/metrics.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from engine.intervals import Proportion, proportion, share
from engine.ledger.labels import NOT_INSPECTION, Label, label_of
from engine.ledger.rows import ItemFacts, VerdictRow

Truth = Mapping[str, Sequence[str]]
"""Reference to the fields that are wrong in it; a reference that is not in it is right."""
Judge = Literal["truth", "review"]

KEPT = frozenset({"passed", "accepted"})
"""States of an item whose record stands in the application as the bots left it, with nobody in doubt."""


@dataclass(frozen=True)
class Quality:
    """Figures about rightness by one judge; an empty proportion (n = 0) means that this judge cannot say."""

    judge: Judge
    error_rate: Proportion
    """Wrong items / inspected items."""
    residual_error_rate: Proportion
    """Wrong items / items that passed inspection: by truth all of them, by review those of the audit sample."""
    accuracy: Proportion
    """Verdicts that were right / verdicts: by truth all of them, by review those of the audit sample."""
    precision: Proportion
    """Wrong items / flagged items."""
    recall: Proportion
    """Flagged items / wrong items; by review only when every inspected item was reviewed."""
    right_field: Proportion
    """Flags that named a field which was wrong / flags on wrong items (truth) or on corrected items (review)."""


def verdict_of(facts: ItemFacts) -> VerdictRow | None:
    """Return the verdict that inspection stands by: the newest before a person decided; None if none was given."""
    first = facts.reviews[0].created_at if facts.reviews else None
    given = [verdict for verdict in facts.verdicts if _inspected(verdict)]
    before = [verdict for verdict in given if first is None or verdict.created_at <= first]
    return before[-1] if before else None


def by_truth(items: Sequence[ItemFacts], truth: Truth) -> Quality:
    """Judge the inspected items by what is known to be wrong in them."""
    inspected = [(facts, verdict) for facts in items if (verdict := verdict_of(facts)) is not None]
    wrong = {facts.item.id: frozenset(truth.get(facts.item.reference, ())) for facts, _ in inspected}
    flagged = [(facts, verdict) for facts, verdict in inspected if verdict.decision == "review"]
    caught = [(facts, verdict) for facts, verdict in flagged if wrong[facts.item.id]]
    kept = [facts for facts in items if facts.item.state in KEPT]
    return Quality(
        judge="truth",
        error_rate=share([bool(fields) for fields in wrong.values()]),
        residual_error_rate=share([bool(truth.get(facts.item.reference)) for facts in kept]),
        accuracy=share([(v.decision == "review") == bool(wrong[facts.item.id]) for facts, v in inspected]),
        precision=proportion(len(caught), len(flagged)),
        recall=proportion(len(caught), sum(map(bool, wrong.values()))),
        right_field=share([_names_any(verdict, wrong[facts.item.id]) for facts, verdict in caught]),
    )


def by_review(items: Sequence[ItemFacts]) -> Quality:
    """Judge the inspected items by what people found in them: by the adjudicated label where others looked again."""
    inspected = [(facts, verdict) for facts in items if (verdict := verdict_of(facts)) is not None]
    reviewed = [(facts, v, label) for facts, v in inspected if (label := _label(facts, v)) is not None]
    flagged = [(v, label) for _, v, label in reviewed if v.decision == "review"]
    caught = [(v, label) for v, label in flagged if label.wrong]
    sample = [not label.wrong for facts, v, label in reviewed if v.decision == "pass" and facts.item.audited]
    wrong = sum(label.wrong for _, _, label in reviewed)
    everything = len(reviewed) == len(inspected)
    return Quality(
        judge="review",
        error_rate=proportion(wrong, len(reviewed)),
        residual_error_rate=proportion(sample.count(False), len(sample)),
        accuracy=share(sample),
        precision=proportion(len(caught), len(flagged)),
        recall=proportion(len(caught), wrong) if everything else proportion(0, 0),
        right_field=share([_names_any(v, label.fields) for v, label in caught if label.fields is not None]),
    )


def _label(facts: ItemFacts, verdict: VerdictRow) -> Label | None:
    return label_of(facts.reviews, facts.second_reviews, verdict.attempt_id, facts.item.state)


def _inspected(verdict: VerdictRow) -> bool:
    checks = {finding.check for finding in verdict.findings}
    return not checks or not checks <= NOT_INSPECTION


def _names_any(verdict: VerdictRow, fields: Iterable[str]) -> bool:
    wrong = {_column(field) for field in fields}
    return any(finding.field and _column(finding.field) in wrong for finding in verdict.findings)


def _column(field: str) -> str:
    """Return the field that a cell belongs to: `lines` of `lines[2].amount`."""
    return field.split("[", 1)[0]
