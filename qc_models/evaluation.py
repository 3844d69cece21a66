"""Measure a model on records whose truth is known, in the order in which they came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from engine.ports import Case
from engine.values import Record
from qc_models.artifact import Artifact
from qc_models.metrics import Metrics, measure
from qc_models.store import Served

Truth = Mapping[str, Sequence[Mapping[str, str]]]
"""What was planted, by reference: `field` and `kind` of each wrong field, as in truth.json."""


def evaluate(
    artifact: Artifact, records: Mapping[str, Record], truth: Truth, *, threshold: float | None = None
) -> Metrics:
    """Score records by reference, oldest first, and compare with the truth; a record without an entry is right."""
    served = Served(artifact)
    limit = artifact.threshold if threshold is None else threshold
    fields = served.extractor.profile.fields
    cases = [Case("", reference, record, {}, fields) for reference, record in records.items()]
    flagged, hits = [], []
    for case, opinion in zip(cases, served.opinions(cases, remember=True), strict=True):
        flagged.append(opinion.probability >= limit)
        wrong_fields = {part["field"] for part in truth.get(case.reference, ())}
        named = served.reasons(opinion, case) if flagged[-1] and wrong_fields else []
        hits.append(any(finding.field in wrong_fields for finding in named))
    kinds = [truth[reference][0]["kind"] if truth.get(reference) else "" for reference in records]
    return measure(np.array(flagged), np.array([bool(kind) for kind in kinds]), kinds, hits)
