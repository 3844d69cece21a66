"""A look at the audits: the loosest threshold that they prove, as a certificate, or how many are missing.

The grid of thresholds is made of scores alone, of records that never choose a threshold, and is written down before any
label is read. Each look spends its own part of delta, whatever it finds and whatever model it is about: the chance
that any certificate ever issued for a workflow is wrong is at most delta.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from engine.definition import Workflow
from engine.errors import UserError
from engine.ledger import audit_reads, certificates, sampling
from engine.ledger.certificates import Issued, Scope
from engine.ledger.database import Database, record_event
from engine.ledger.labels import inspected
from qc_models.guarantee import bounds
from qc_models.guarantee.certificate import certify as prove
from qc_models.guarantee.learn_then_test import Calibration, Grid, grid_of, spend
from qc_models.guarantee.sample import Audit, part_of, refuse_reuse, split
from qc_models.promise.audits import Sample, key_of, sample_of
from qc_models.promise.memory import read_memory
from qc_models.promise.promised import CHOOSING, Eyes, Promise, eyes_of, reviewers_of

FEWEST_SCORES = 20
"""Records that a grid of thresholds is made of at least."""


@dataclass(frozen=True)
class Subject:
    """What a certificate is about."""

    workflow: Workflow
    promise: Promise
    scope: Scope
    after: int = 0
    """Only verdicts with a larger id count."""


@dataclass(frozen=True)
class Look:
    """Everything that a look at the audits reads and finds."""

    subject: Subject
    number: int
    eyes: Eyes
    grid: Grid
    sample: Sample
    choosing: Sequence[Audit]
    reporting: Sequence[Audit]

    @property
    def spent(self) -> float:
        """Return the part of delta that this look may spend on the threshold."""
        return spend(self.eyes.threshold_delta, self.number)


@dataclass(frozen=True)
class Certified:
    """What a look found."""

    issued: Issued
    calibration: Calibration
    there: int
    """Audits in the sample, both halves."""
    missing: int
    """Audits without an error that are missing, both halves; 0 with a threshold."""
    reason: str


def look_at_audits(database: Database, subject: Subject) -> Look:
    """Read what a look needs, in the order that makes it honest: scores, then the grid is written, then labels.

    Raises:
        UserError: too few outputs were inspected under the scope.
    """
    scope = subject.scope
    number = certificates.next_recalibration(database, scope.workflow)
    scores = audit_reads.scores(database, scope.hash, after=subject.after)
    others = [score for reference, score in scores if part_of(key_of(reference), scope.hash) >= CHOOSING]
    if len(others) < FEWEST_SCORES:
        raise UserError(
            f"{scope.workflow}: only {len(scores)} outputs were inspected under this model, contract and application"
            f"{' since the alarm' if subject.after else ''}; "
            f"some {math.ceil(FEWEST_SCORES / (1 - CHOOSING))} are needed to look at thresholds"
        )
    grid = grid_of(others)
    with database.write() as connection:
        said: dict[str, Any] = {"workflow": scope.workflow, "scope": scope.hash, "look": number}
        record_event(connection, database.clock, "certificate.grid", "certify", **said, sha256=grid.digest)
    eyes = eyes_of(reviewers_of(database, scope.workflow), subject.promise.delta)
    outputs = inspected(database, scope.workflow, scope=scope.hash, after=subject.after, given_back=True)
    sample = sample_of(outputs, subject.workflow, database.clock.now())
    choosing, reporting = split(sample.audits, scope.hash, CHOOSING)
    refuse_reuse(choosing, reporting)
    return Look(subject, number, eyes, grid, sample, choosing, reporting)


def certify(database: Database, subject: Subject, actor: str) -> Certified:
    """Look at the audits and write what they prove.

    Raises:
        UserError: too few outputs were inspected, another process looked meanwhile, or the alarm was raised meanwhile.
    """
    look = look_at_audits(database, subject)
    now, promise = database.clock.now(), subject.promise
    found, proof = prove(
        look.choosing,
        look.grid,
        alpha=promise.alpha,
        delta=look.eyes.threshold_delta,
        index=look.number,
        pins=subject.scope.pins,
        issued_at=now,
        sensitivity=look.eyes.sensitivity,
        sensitivity_delta=look.eyes.delta,
    )
    missing = math.ceil(found.missing / CHOOSING)
    there = len(look.sample.audits)
    reason = _reason(found, promise, look.eyes, there, missing) + _counted_as_wrong(look.sample)
    receipt = {
        "workflow": subject.scope.workflow,
        "promise": asdict(promise),
        "look": look.number,
        "spent": look.spent,
        "eyes": asdict(look.eyes),
        "grid": {"thresholds": look.grid.thresholds, "shares": look.grid.shares, "source": look.grid.source},
        "certificate": proof.as_dict() if proof else None,
        "certificate_sha256": proof.sha256 if proof else None,
        "audits": rows_of(look.choosing),
        "segments": _segments(look.sample, found),
        "report": _report(look, found),
        "there": there,
        "waiting": look.sample.waiting,
        "overdue": look.sample.overdue,
        "redone": look.sample.redone,
        "missing": missing,
        "coverage": found.coverage,
        "reason": reason,
    }
    threshold = None if proof is None else found.review_at
    with database.write() as connection:
        share = subject.workflow.review.audit_sample
        plan = sampling.locked(connection, database, subject.scope.workflow, share)
        if read_memory(plan.state).of(subject.scope.hash).after != subject.after:
            raise UserError(
                f"{subject.scope.workflow}: the alarm was raised during this look; what was before it is void"
            )
        issued = certificates.issue(connection, database, subject.scope, look.number, threshold, receipt, actor)
    return Certified(issued, found, there, missing, reason)


def rows_of(audits: Sequence[Audit]) -> list[dict[str, Any]]:
    """Return the audits as a receipt keeps them."""
    return [
        {"key": one.key, "score": one.score, "wrong": bool(one.wrong), "draw": one.draw, "floor": one.floor}
        for one in audits
    ]


def _segments(sample: Sample, found: Calibration) -> dict[str, dict[str, float]]:
    """Return the groups of the audited records that would pass, with the lowest score in each.

    What is proven reaches no other group, and at a stricter setting only those of which an audited record passes by it.
    """
    seen: dict[str, dict[str, float]] = {}
    for one in sample.audits:
        if found.threshold is not None and one.score <= found.threshold:
            for name, group in sample.segments.get(one.key, {}).items():
                lowest = seen.setdefault(name, {})
                lowest[group] = min(one.score, lowest.get(group, one.score))
    return {name: dict(sorted(lowest.items())) for name, lowest in seen.items()}


def _report(look: Look, found: Calibration) -> Mapping[str, Any] | None:
    """Return what the other half of the audits says of the threshold; it chose nothing, so it does not flatter."""
    if found.threshold is None:
        return None
    passing = [bool(one.wrong) for one in look.reporting if one.score <= found.threshold]
    high = bounds.upper(sum(passing), len(passing), look.eyes.threshold_delta)
    return {"wrong": sum(passing), "audits": len(passing), "upper": min(1.0, high / look.eyes.sensitivity)}


def _counted_as_wrong(sample: Sample) -> str:
    count = sample.overdue + sample.redone
    return f"; {count:,} count as wrong: undecided for too long, or done again undecided" if count else ""


def _reason(found: Calibration, promise: Promise, eyes: Eyes, there: int, missing: int) -> str:
    if eyes.sensitivity == 0:
        return f"{promise} is not proven: {eyes.said}"
    if found.threshold is None:
        return f"{promise} is not proven: {missing:,} audited records without an error are missing, {there:,} are there"
    said = f"{promise} is proven up to P(wrong) {found.threshold:.4g}: {found.k} wrong of {found.n:,} audits"
    return f"{said}, p = {found.p_value:.2g}" + (f", if {eyes.said}" if eyes.assumed else "")
