"""What a definition promises, in the numbers that the statistics take, and how its error budget is shared out.

Declared beforehand, and the same for every look: with canaries, four fifths of delta go to the threshold and one fifth
to the reviewers' sensitivity; without any, all of it goes to the threshold, and the promise says that it holds if
audits are right. Half of the audits, by a hash of the record, choose the threshold; the other half only report on it.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

from engine.definition import Workflow
from engine.ledger.database import Database
from engine.ledger.reviewer_results import canary_results, second_results
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


@dataclass(frozen=True)
class Reviewers:
    """What canaries and blind second reviews of one workflow showed, all reviewers together."""

    canaries: Canaries = field(default_factory=Canaries)
    pairs: SecondReviews | None = None


def reviewers_of(database: Database, workflow: str) -> Reviewers:
    """Count what people said of canaries, and where two looked without knowing of each other."""
    said = canary_results(database, workflow)
    wrong = [one.good for one in said if not one.control]
    right = [one.good for one in said if one.control]
    twice = Counter((one.first.wrong, one.second.wrong) for one in second_results(database, workflow))
    pairs = SecondReviews(twice[True, True], twice[True, False], twice[False, True], twice[False, False])
    canaries = Canaries(len(wrong), sum(wrong), len(right), right.count(False))
    return Reviewers(canaries, pairs if twice else None)


def eyes_of(known: Reviewers, delta: float) -> Eyes:
    """Bound the reviewers' sensitivity from canaries and blind second reviews, at all times together.

    Without canaries it is assumed to be 1, and whoever uses it has to say so.
    """
    if not known.canaries.planted:
        return Eyes(1.0, 0.0, delta, AUDITS_ARE_RIGHT)
    part = delta * SENSITIVITY_PART
    found = sensitivity(known.canaries, known.pairs, delta=part, any_time=True)
    return Eyes(found.lower, part, delta * THRESHOLD_PART, found.reason)


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
