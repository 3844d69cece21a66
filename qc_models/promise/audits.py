"""From the ledger's outputs to audits that may prove something: drawn at random, and matured."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from engine.definition import Workflow
from engine.ledger.labels import MODEL, Inspected
from engine.segments import segments_of
from qc_models.guarantee.certificate import canonical
from qc_models.guarantee.sample import Audit, distinct

MATURITY = timedelta(days=14)
"""How long a drawn record may wait for its audit; one that waits longer counts as wrong, so that nobody can gain by
leaving the hard ones."""


def key_of(reference: str) -> str:
    """Return the name of a record in samples and receipts: a hash, because certificates outlive the erasure of data."""
    return hashlib.sha256(reference.encode()).hexdigest()[:32]


def only_the_model(one: Inspected) -> bool:
    """Say whether nothing but a model could have held the output back; others never pass, whatever the threshold."""
    return one.probability is not None and set(one.checks) <= {MODEL}


def audit_of(one: Inspected) -> Audit:
    """Return one output as the statistics take it."""
    payload = canonical(one.payload) if one.payload else None
    return Audit(
        score=one.probability if one.probability is not None else 1.0,
        wrong=one.label.wrong if one.label else None,
        draw=one.draw,
        floor=one.floor or 0.0,
        probability=one.audit_probability or 0.0,
        flagged=one.decision == "review",
        key=key_of(one.reference),
        at=one.inspected_at,
        content=hashlib.sha256(payload.encode()).hexdigest() if payload else None,
    )


@dataclass(frozen=True)
class Sample:
    """A certification sample, and what is not in it yet."""

    audits: Sequence[Audit]
    """Oldest first, all known, right ones of equal contents once."""
    segments: Mapping[str, Mapping[str, str]]
    """Group by declared segment of each record that still has its contents, by key."""
    waiting: int
    """Drawn, but not decided."""
    overdue: int
    """Drawn, not decided within `MATURITY`, and counted as wrong."""
    redone: int
    """Drawn, given back to the bots instead of being decided, and counted as wrong."""
    before: datetime | None
    """Cut-off: from the oldest record on that still waits, nothing is in the sample; None: nothing waits."""


def sample_of(outputs: Iterable[Inspected], workflow: Workflow, now: datetime) -> Sample:
    """Return the matured random sample among outputs.

    Each record's own floor decides, so that times in which everything was looked at are not thrown away. Within a scope
    the records are taken for exchangeable, as every calibration must; the watch looks out for drift. An output that a
    person had done again could have passed as it was: it counts, and as wrong.
    """
    drawn, groups, redone = [], {}, set()
    for one in outputs:
        audit = _first(one)
        if audit is None or audit.draw is None or audit.draw >= audit.floor:
            continue
        drawn.append(audit)
        if one.redone:
            redone.add(audit.key)
        if one.payload:
            groups[audit.key] = segments_of(workflow, one.payload)
    waiting = [audit for audit in drawn if audit.wrong is None]
    before = min((audit.at for audit in waiting if audit.at > now - MATURITY), default=None)
    kept = [audit for audit in drawn if before is None or audit.at < before]
    overdue = sum(audit.wrong is None for audit in kept)
    known = distinct(replace(audit, wrong=True) if audit.wrong is None else audit for audit in kept)
    return Sample(
        audits=known,
        segments={one.key: groups[one.key] for one in known if one.key in groups},
        waiting=len(waiting),
        overdue=overdue,
        redone=sum(one.key in redone for one in known),
        before=before,
    )


def _first(one: Inspected) -> Audit | None:
    """Return an output as it counts in a sample; None if another check held it back, so that it could not pass."""
    if one.redone:
        score = min(earlier.probability for earlier in one.redone)
        floor = max(earlier.floor or 0.0 for earlier in one.redone)
        return replace(audit_of(one), wrong=True, score=score, floor=floor)
    return audit_of(one) if only_the_model(one) else None
