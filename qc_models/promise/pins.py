"""What an error rate depends on, and whatever differs from it voids a certificate; thresholds and schedules do not."""

from __future__ import annotations

import hashlib
from typing import Any

from pydantic import BaseModel

from engine.definition import Workflow
from engine.ports import Case
from qc_models.artifact import Artifact
from qc_models.checks.model import ModelParams
from qc_models.guarantee.certificate import canonical

UNKNOWN = ""
"""The version of an application whose profile does not say how to see it."""


def pins_of(workflow: Workflow, artifact: Artifact, case: Case) -> dict[str, str]:
    """Return everything that a rate measured on such outputs depends on, by name."""
    return {
        "model": artifact.name,
        "model_version": artifact.version,
        "model_sha256": artifact.sha256,
        "feature_schema": artifact.family.schema,
        "contract": contract_hash(workflow),
        "steps": steps_hash(workflow),
        "application": workflow.app.name,
        "application_profile": profile_hash(workflow),
        "application_version": case.app_version or UNKNOWN,
    }


def contract_hash(workflow: Workflow) -> str:
    """Return the SHA-256 of the record contract and of what is checked: the fields and the checks, nothing else.

    Schedules, descriptions and the model check's own numbers (promise, threshold) change no score.
    """
    checks = [[spec.kind, _said(spec.params)] for spec in workflow.checks]
    fields = {name: spec.model_dump(mode="json") for name, spec in workflow.fields.items()}
    text = canonical({"fields": fields, "checks": checks})
    return hashlib.sha256(text.encode()).hexdigest()


def steps_hash(workflow: Workflow) -> str:
    """Return the SHA-256 of what the bot does to enter a record: a step that types into another field errs otherwise.

    Comments and time limits change no record, and the values that a run is started with are those of one run.
    """
    steps = [[step.kind, _said(step.params)] for step in workflow.steps]
    return hashlib.sha256(canonical(steps).encode()).hexdigest()


def profile_hash(workflow: Workflow) -> str:
    """Return the SHA-256 of the application's profile and of the address that replaces its own, if one does."""
    text = "\0".join((workflow.snapshot.app_text, workflow.snapshot.base_url or ""))
    return hashlib.sha256(text.encode()).hexdigest()


def _said(params: Any) -> Any:
    if isinstance(params, ModelParams):
        return {"name": params.name}
    return params.model_dump(mode="json") if isinstance(params, BaseModel) else str(params)
