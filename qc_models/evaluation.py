"""Measure a model on records whose truth is known, in the order in which they came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from engine.errors import UserError
from engine.ports import Case
from engine.values import FieldSpec, Record
from qc_models.artifact import Artifact
from qc_models.metrics import Metrics, measure
from qc_models.store import Served

Truth = Mapping[str, Sequence[Mapping[str, str]]]
"""What was planted, by reference: `field` and `kind` of each wrong field, as in truth.json."""


def evaluate(
    artifact: Artifact,
    records: Mapping[str, Record],
    truth: Truth,
    *,
    threshold: float | None = None,
    fields: Mapping[str, FieldSpec] | None = None,
) -> Metrics:
    """Score records by reference, oldest first, and compare with the truth; a record without an entry is right.

    Raises:
        UserError: the model was trained on other fields than `fields` (if given), or the truth names no record.
    """
    served = Served(artifact)
    if fields is not None and not served.expects(fields):
        raise UserError(f"model {artifact.name} {artifact.version} was trained on other fields; train it again")
    if truth and not set(truth) & set(records):
        raise UserError(f"the truth names none of these records, e.g. {next(iter(truth))!r}; is it of another source?")
    limit = artifact.threshold if threshold is None else threshold
    contract = served.extractor.profile.fields
    cases = [Case("", reference, record, {}, contract) for reference, record in records.items()]
    flagged, hits = [], []
    for case, opinion in zip(cases, served.opinions(cases, remember=True), strict=True):
        flagged.append(opinion.probability >= limit)
        wrong_fields = {part["field"] for part in truth.get(case.reference, ())}
        named = served.reasons(opinion, case) if flagged[-1] and wrong_fields else []
        hits.append(any(finding.field in wrong_fields for finding in named))
    kinds = [truth[reference][0]["kind"] if truth.get(reference) else "" for reference in records]
    return measure(np.array(flagged), np.array([bool(kind) for kind in kinds]), kinds, hits)
