"""The error budget gauge: what is left wrong at most, the unbiased figures, and how far the promise is from proven."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from engine.definition import Workflow
from engine.errors import UserError
from engine.ledger import certificates, sampling
from engine.ledger.certificates import Issued, Scope
from engine.ledger.database import Database
from engine.ledger.labels import Inspected, inspected
from engine.ledger.proof import Proof, proof
from engine.ledger.sampling import SamplingPlan
from qc_models.guarantee.estimate import Figures, figures
from qc_models.guarantee.residual import Budget, Residual, Window, budget, residual
from qc_models.guarantee.sample import Audit, one_each
from qc_models.promise.audits import audit_of, key_of
from qc_models.promise.memory import read_memory
from qc_models.promise.promised import Eyes, Promise, eyes_of, model_check, reviewers_of
from qc_models.promise.standing import missing_of
from qc_models.promise.watch import proven


@dataclass(frozen=True)
class Gauge:
    """Where a workflow's promise stands, for the scope of its newest outputs."""

    workflow: str
    promise: Promise
    scope: Scope
    proof: Proof
    residual: Residual
    budget: Budget
    figures: Figures | None
    """None while nothing was entered that people have seen all of."""
    until: datetime | None
    """Figures end before the oldest output that waits for a person; None: nothing waits."""
    waits: int | None
    """The item of that output: deciding it lets the figures go on."""
    sensitivity: str
    plan: SamplingPlan
    there: int
    missing: int
    history: Sequence[Issued]

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "workflow": self.workflow,
            "promise": {**asdict(self.promise), "confidence": self.promise.confidence},
            "scope": {"hash": self.scope.hash, "pins": dict(self.scope.pins)},
            "proof": asdict(self.proof),
            "residual": {**asdict(self.residual), "wrong": self.residual.wrong, "rho": self.residual.rho},
            "budget": {**asdict(self.budget), "left": self.budget.left, "sentence": str(self.budget)},
            "figures": asdict(self.figures) if self.figures else None,
            "until": self.until.isoformat() if self.until else None,
            "waits": self.waits,
            "sensitivity": self.sensitivity,
            "sampling": {name: getattr(self.plan, name) for name in ("level", "floor", "auto_pass", "reason")},
            "audits": {"there": self.there, "missing": self.missing},
            "certificates": [_row(one) for one in self.history],
        }


def gauge(database: Database, workflow: Workflow) -> Gauge:
    """Read the gauge of a workflow.

    Raises:
        UserError: no model inspects its outputs, or none was inspected yet.
    """
    params = model_check(workflow)
    scopes = certificates.scopes(database, workflow.name)
    stands = proof(database, workflow.name)
    if params is None or not scopes or stands is None:
        raise UserError(f"{workflow.name}: no output was inspected by a model yet, so there is nothing to prove")
    scope, promise = scopes[0], Promise.of(params)
    if stands.proven and not proven(database, scope.hash, promise):
        less = f"{promise} is NOT proven: what is in force promises less. {stands.sentence}"
        stands = replace(stands, proven=False, sentence=less)
    plan = sampling.plan_of(database, workflow.name, workflow.review.audit_sample)
    mine = read_memory(plan.state).of(scope.hash)
    people = reviewers_of(database, workflow.name)
    eyes = eyes_of(people, promise.delta)
    outputs = list(inspected(database, workflow.name, scope=scope.hash))
    oldest = min((one for one in outputs if _waits(one)), key=lambda one: one.inspected_at, default=None)
    until = oldest.inspected_at if oldest else None
    seen = [audit_of(one) for one in outputs if until is None or one.inspected_at < until]
    records = one_each(seen)
    sure = {key_of(one.reference) for one in outputs if one.label and one.label.adjudicated and one.label.wrong}
    window = window_of(records, plan.floor, sure)
    left = residual(window, people.canaries, people.pairs, delta=promise.delta)
    return Gauge(
        workflow=workflow.name,
        promise=promise,
        scope=scope,
        proof=stands,
        residual=left,
        budget=budget(left, promise.alpha),
        figures=_figures(records, window, eyes),
        until=until,
        waits=oldest.item_id if oldest else None,
        sensitivity="not measured: no canary was reviewed yet" if eyes.assumed else eyes.said,
        plan=plan,
        there=mine.there,
        missing=0 if stands.proven else missing_of(promise, mine),
        history=certificates.history(database, workflow.name),
    )


def window_of(records: Iterable[Audit], floor: float, sure: Collection[str] = ()) -> Window:
    """Count records, each once and all of them matured, as the bound on the residual takes them.

    Args:
        records: of the window.
        floor: audit rate of passed records where none passed.
        sure: keys of those that a second person called wrong too.
    """
    every = list(records)
    passed = [one for one in every if not one.flagged]
    flagged = [one for one in every if one.flagged]
    least = min((one.floor for one in passed), default=floor)
    looked = [one for one in passed if one.wrong is not None]
    wrong = [one for one in looked if one.wrong]
    found = sum(one.draw is not None and one.draw < least for one in wrong)
    return Window(
        passed=len(passed),
        flagged=len(flagged),
        floor=least,
        found=found,
        found_else=len(wrong) - found,
        audited=len(looked),
        flagged_wrong=sum(bool(one.wrong) for one in flagged),
        confirmed=sum(bool(one.wrong) and one.key in sure for one in every),
    )


def _figures(records: Sequence[Audit], window: Window, eyes: Eyes) -> Figures | None:
    if not records or (window.passed and window.floor <= 0):
        return None
    return figures(
        records,
        passed=window.passed,
        flagged=window.flagged,
        floor=window.floor,
        delta=eyes.threshold_delta,
        sensitivity=eyes.sensitivity,
    )


def _waits(one: Inspected) -> bool:
    """Say whether an output was to be looked at and nobody has decided yet."""
    drawn = one.decision != "pass" or one.audited or one.draw < (one.audit_probability or 0.0)
    return drawn and one.label is None


def _row(one: Issued) -> dict[str, Any]:
    dates = {
        name: getattr(one, name).isoformat() if getattr(one, name) else None for name in ("issued_at", "revoked_at")
    }
    return {**asdict(one), **dates, "holds": one.holds}
