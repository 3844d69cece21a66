"""What a definition may not say although its shape is right; every rule is one function with a name for its problems.

Rules look at the file as written (for positions) and at what could be typed of it. A rule says nothing about what an
earlier problem made unknowable, so that one mistake is one line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from engine.draft import AppDraft, WorkflowDraft
from engine.static_commits import (
    check_commits,
    check_correction,
    check_login_steps,
    check_reads_follow,
    check_segments,
    check_time_for_commit,
)
from engine.static_fields import check_checks, check_contract, check_evidence, check_reads, check_review
from engine.static_places import check_addresses, check_app_addresses, check_base_url, check_source
from engine.static_references import (
    check_app_references,
    check_app_secrets,
    check_references,
    check_secrets,
    check_source_reference,
)
from engine.static_schedules import check_schedule
from engine.yaml_source import Problem

WORKFLOW_RULES: tuple[Callable[[WorkflowDraft], Iterator[Problem]], ...] = (
    check_references,
    check_source_reference,
    check_secrets,
    check_commits,
    check_correction,
    check_segments,
    check_reads_follow,
    check_time_for_commit,
    check_contract,
    check_reads,
    check_checks,
    check_review,
    check_evidence,
    check_schedule,
    check_source,
    check_addresses,
)
APP_RULES: tuple[Callable[[AppDraft], Iterator[Problem]], ...] = (
    check_app_references,
    check_app_secrets,
    check_login_steps,
    check_base_url,
    check_app_addresses,
)


def check_workflow(workflow: WorkflowDraft, path: Path) -> None:
    """Note everything that the rules find in a workflow."""
    _check_name(workflow, path)
    for rule in WORKFLOW_RULES:
        workflow.draft.problems += rule(workflow)


def check_app(app: AppDraft, path: Path) -> None:
    """Note everything that the rules find in an application profile."""
    _check_name(app, path)
    for rule in APP_RULES:
        app.draft.problems += rule(app)


def _check_name(file: WorkflowDraft | AppDraft, path: Path) -> None:
    if "name" not in file.draft.bad and file.file.name != path.stem:
        file.draft.add(("name",), f'the name must be that of the file, "{path.stem}"', "name")
