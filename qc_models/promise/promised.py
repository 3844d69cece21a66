"""What a definition promises, in the numbers that the statistics take, and how its error budget is shared out.

Declared beforehand, and the same for every look: with canaries, four fifths of delta go to the threshold and one fifth
to the reviewers' sensitivity; without any, all of it goes to the threshold, and the promise says that it holds if
audits are right. Half of the audits, by a hash of the record, choose the threshold; the other half only report on it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from engine.definition import Workflow
from engine.ledger.audit_reads import ReviewerCounts
from qc_models.checks.model import ModelParams
from qc_models.guarantee.bounds import least
from qc_models.guarantee.learn_then_test import spend
from qc_models.guarantee.reviewers import Canaries, SecondReviews, sensitivity

CHOOSING = 0.5
"""Share of the audits that choose a threshold."""
THRESHOLD_PART = 0.8
SENSITIVITY_PART = 0.2
AUDITS_ARE_RIGHT = "every audit is right (no canary was reviewed yet)"


@dataclass(frozen=True)
class Promise:
    """At most `alpha` of what passes is wrong, with chance `delta` of being mistaken about it."""

    alpha: float
    delta: float

    @classmethod
    def of(cls, params: ModelParams) -> Promise:
        """Return the promise of a definition's model check."""
        return cls(params.max_residual_error, round(1 - params.confidence, 12))

    @property
    def confidence(self) -> float:
        """Return 1 - delta."""
        return round(1 - self.delta, 12)

    def covers(self, other: Promise) -> bool:
        """Say whether keeping this promise keeps the other too."""
        return self.alpha <= other.alpha and self.delta <= other.delta

    def __str__(self) -> str:
        return f"{percent(self.alpha)} at {percent(self.confidence)} confidence"


@dataclass(frozen=True)
class Eyes:
    """What is known of the reviewers: a lower bound on the share of wrong records that they notice."""

    sensitivity: float
    delta: float
    """What that bound spends; 0 where it is assumed."""
    threshold_delta: float
    """What is left for the thresholds of all looks together."""
    said: str

    @property
    def assumed(self) -> bool:
        """Say whether it is assumed that audits are right."""
        return self.delta == 0


def eyes_of(counts: ReviewerCounts, delta: float) -> Eyes:
    """Bound the reviewers' sensitivity from canaries and blind second reviews, at all times together.

    Without canaries it is assumed to be 1, and whoever uses it has to say so.
    """
    if not counts.planted:
        return Eyes(1.0, 0.0, delta, AUDITS_ARE_RIGHT)
    part = delta * SENSITIVITY_PART
    found = sensitivity(canaries_of(counts), pairs_of(counts), delta=part, any_time=True)
    return Eyes(found.lower, part, delta * THRESHOLD_PART, found.reason)


def canaries_of(counts: ReviewerCounts) -> Canaries:
    """Return the counts as the statistics take them."""
    return Canaries(counts.planted, counts.found, counts.decoys, counts.broken)


def pairs_of(counts: ReviewerCounts) -> SecondReviews | None:
    """Return the second reviews as the statistics take them; None if there are none."""
    pairs = SecondReviews(counts.both, counts.first_only, counts.second_only, counts.neither)
    return pairs if any(vars(pairs).values()) else None


def needed(promise: Promise, eyes: Eyes, look: int) -> int | None:
    """Return how many audits without a defect look number `look` wants; None: no number is enough.

    So many that the half that chooses, as the hash happens to cut it, has enough with two standard deviations to spare.
    """
    tested = promise.alpha * eyes.sensitivity
    if tested <= 0:
        return None
    half = least(tested, spend(eyes.threshold_delta, look))
    return math.ceil((1 + math.sqrt(1 + half / CHOOSING)) ** 2)


def model_check(workflow: Workflow) -> ModelParams | None:
    """Return the parameters of a definition's first model check; None if no model inspects its outputs."""
    return next((spec.params for spec in workflow.checks if isinstance(spec.params, ModelParams)), None)


def percent(share: float) -> str:
    """Write a share as per cent, with as many digits as it has."""
    return f"{100 * share:.6g} %"
