"""The threshold in force for one output, and why nothing may pass where nothing may: read anew for every output."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from engine.definition import Workflow
from engine.errors import UserError
from engine.ledger import certificates, sampling
from engine.ledger.certificates import Issued
from engine.ledger.database import Database
from engine.ledger.sampling import SamplingPlan
from engine.ledger.verdicts import scope_hash
from engine.ports import Case, Finding
from engine.segments import segments_of
from qc_models.artifact import Artifact
from qc_models.checks.model import ModelParams
from qc_models.promise.memory import ScopeMemory, read_memory
from qc_models.promise.pins import pins_of
from qc_models.promise.promised import Promise, Reviewers, eyes_of, needed, percent

Pins = Mapping[str, str]
NOT_PROVEN, STOPPED, UNSEEN = "not_proven", "auto_pass_stopped", "segment_unseen"
"""Codes of the findings that hold an output back whatever it looks like."""


@dataclass(frozen=True)
class Standing:
    """What stands for one output."""

    review_at: float | None = None
    """Proven threshold: review at or over it; None: the definition's or the model's own."""
    certificate: int | None = None
    pins: Pins | None = None
    held: Finding | None = None
    """Why a person looks at the output whatever its score is."""


class Standings(Protocol):
    """Who knows what stands."""

    def standing(self, workflow: Workflow, params: ModelParams, case: Case) -> Standing:
        """Return what stands for an output. Raises UserError without a model that can be trusted."""
        ...


class Served(Protocol):
    """Where the model of an output is found: the store."""

    def get(self, name: str, version: str | None = None) -> Artifact:
        """Return a verified model. Raises UserError."""
        ...


class Unwatched:
    """What stands where there is no ledger: nothing is proven, and nothing remembered."""

    def standing(self, workflow: Workflow, params: ModelParams, case: Case) -> Standing:
        """Let the model's own threshold decide where the definition says so, and a person where it does not."""
        del workflow, case
        return Standing(held=None if _unproven_passes(params) else not_proven(params, ScopeMemory()))


@dataclass(frozen=True)
class _Proven:
    """What the receipt of a certificate says."""

    certificate: int
    scope: str
    promise: Promise
    review_at: float
    segments: Mapping[str, Mapping[str, float]]
    """Lowest score of an audited record by declared segment and group."""


class Promises:
    """What stands, by the ledger. Certificates never change, so what they say is read once."""

    def __init__(self, database: Database, models: Served) -> None:
        """Ask this ledger, and this store which model is in service."""
        self._database, self._models = database, models
        self._receipts: dict[int, _Proven | None] = {}

    def standing(self, workflow: Workflow, params: ModelParams, case: Case) -> Standing:
        """Return what stands for an output now. Raises UserError without a model that can be trusted."""
        pins = pins_of(workflow, self._models.get(params.name), case)
        scope = scope_hash(workflow.name, pins)
        with self._database.read() as connection:
            plan = sampling.current(connection, workflow.name, workflow.review.audit_sample)
            valid = certificates.in_force(connection, scope)
        if not plan.auto_pass:
            return Standing(pins=pins, held=_stopped(plan))
        if params.threshold is not None:
            return Standing(pins=pins)
        proven = self._proven(valid, scope) if valid else None
        if proven is None or not proven.promise.covers(Promise.of(params)):
            held = None if _unproven_passes(params) else not_proven(params, read_memory(plan.state).of(scope))
            return Standing(pins=pins, held=held)
        unseen = _unseen(workflow, case, proven)
        return Standing(proven.review_at, proven.certificate, pins, unseen)

    def _proven(self, issued: Issued, scope: str) -> _Proven:
        """Return what a certificate proves, by its receipt, whose hash vouches for it.

        Raises:
            UserError: the row beside the receipt says something else.
        """
        if issued.id not in self._receipts:
            self._receipts[issued.id] = _read(issued.id, certificates.receipt_of(self._database, issued.id))
        known = self._receipts[issued.id]
        if known is None or (known.scope, known.review_at) != (scope, issued.threshold):
            raise UserError(f"certificate {issued.id} was changed after it was issued: its receipt says something else")
        return known


def _read(number: int, receipt: Mapping[str, Any]) -> _Proven | None:
    """Read what a receipt proves; None: that look at the audits proved nothing."""
    proof = receipt["certificate"]
    if proof is None:
        return None
    return _Proven(
        certificate=number,
        scope=scope_hash(receipt["workflow"], proof["pins"]),
        promise=Promise(**receipt["promise"]),
        review_at=receipt.get("set_to") or math.nextafter(proof["threshold"], math.inf),
        segments={name: _lowest(groups) for name, groups in receipt["segments"].items()},
    )


def _lowest(groups: Mapping[str, float] | Sequence[str]) -> Mapping[str, float]:
    """Return the lowest score by group; receipts once kept the groups alone."""
    return groups if isinstance(groups, Mapping) else dict.fromkeys(groups, 0.0)


def not_proven(params: ModelParams, known: ScopeMemory) -> Finding:
    """Say how many audits are missing until something may pass."""
    promise = Promise.of(params)
    said = f"nothing is proven yet at {percent(promise.alpha)}: {_short(promise, known)}"
    return Finding("model", NOT_PROVEN, said)


def unproven_sentence(promise: Promise, known: ScopeMemory) -> str:
    """Say the same for reports."""
    return f"{promise} is NOT proven: {_short(promise, known)}"


def _short(promise: Promise, known: ScopeMemory) -> str:
    missing = missing_of(promise, known)
    return f"{missing:,} audited records without an error are missing, {known.there:,} are there"


def missing_of(promise: Promise, known: ScopeMemory) -> int:
    """Return how many audits without an error are missing, as far as was looked; at least one."""
    if known.look_at is not None:
        return max(1, known.look_at - known.there)
    wanted = needed(promise, eyes_of(Reviewers(), promise.delta), 1) or 0
    return max(1, wanted - known.there)


def _unproven_passes(params: ModelParams) -> bool:
    return params.until_proven == "model" or params.threshold is not None


def _stopped(plan: SamplingPlan) -> Finding:
    return Finding("model", STOPPED, f"nothing passes at present ({plan.level}): {plan.reason}")


def _unseen(workflow: Workflow, case: Case, proven: _Proven) -> Finding | None:
    for name, group in segments_of(workflow, case.payload).items():
        if proven.segments.get(name, {}).get(group, math.inf) >= proven.review_at:
            what = f"no audited record stands behind {name} = {group}, so what is proven does not reach it"
            return Finding("model", UNSEEN, what, field=name)
    return None
