"""The outer shape of workflow and application files; steps, checks and sessions inside are typed by the registry."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import Field

from engine.definition import (
    BreakerPolicy,
    Commits,
    Duration,
    Evidence,
    Follow,
    FormatsSpec,
    Frozen,
    ListAudit,
    MaintenanceWindow,
    Retry,
    Review,
    Source,
    Target,
    Time,
)
from engine.rate import RateSpec
from engine.schedules.schedule import Schedule
from engine.values import FieldSpec

NAME = r"^[a-z0-9][a-z0-9_-]*$"


class WorkflowFile(Frozen):
    """A workflow definition: what to do, when, and what counts as good."""

    name: str = Field(pattern=NAME, description="Name of the workflow; also the name of the file.")
    description: str = Field("", description="What the workflow is for, in one or two sentences.")
    owner: str = Field("", description="Team that answers for it.")
    app: str = Field(pattern=NAME, description="Application profile: apps/<app>.yaml beside the workflow.")
    priority: int = Field(0, ge=-100, le=100, description="Larger is worked first, whatever the deadlines.")
    schedule: Schedule | None = Field(None, description="When the workflow starts by itself.")
    source: Source | None = Field(None, description="Where the records come from.")
    params: dict[str, str] = Field(
        default_factory=dict, description="Parameters ${param.x} with their defaults; a start may replace them."
    )
    fields: dict[str, FieldSpec] = Field(default_factory=dict, description="The record contract.")
    steps: list[Any] = Field(min_length=1, description="What the bot does with one record.")
    correction: list[Any] = Field(
        default_factory=list, description="How a record is corrected; ${record.url} is known."
    )
    checks: list[Any] = Field(default_factory=list, description="What the output is inspected for.")
    audit: ListAudit | None = Field(None, description="How the run audit reads the application's list.")
    follow: Follow | None = Field(None, description="Where an item's output goes once it passed.")
    retry: Retry = Field({}, validate_default=True, description="How system exceptions are retried.")
    time: Time = Field({}, validate_default=True, description="Standard time and limits of one item.")
    review: Review = Field({}, validate_default=True, description="What people look at besides what is in doubt.")
    evidence: Evidence = Field({}, validate_default=True, description="What is kept of each item.")
    targets: dict[str, Target] = Field(default_factory=dict, description="Baselines and targets of indicators.")


class AppFile(Frozen):
    """The profile of one application: where it is, how it is entered and how it behaves."""

    name: str = Field(pattern=NAME, description="Name of the application; also the name of the file.")
    base_url: str = Field(pattern=r"^https?://[^\s/?#]+/?$", description="Where the application is.")
    allowed_hosts: tuple[str, ...] = Field((), description="Hosts that bots may reach; default: that of base_url.")
    formats: FormatsSpec = Field({}, validate_default=True, description="How it writes dates and numbers.")
    commits: Commits = Field({}, validate_default=True, description="How it behaves around a commit.")
    breaker: BreakerPolicy = Field({}, validate_default=True, description="When it is left alone.")
    max_sessions: int = Field(4, ge=1, le=64, description="Most sessions of one account at a time.")
    rate: RateSpec | None = Field(None, description="Most items started in a time, like 30/m; spread evenly.")
    maintenance: tuple[MaintenanceWindow, ...] = Field((), description="When nothing is started in it.")
    timeout: Duration = Field(timedelta(seconds=20), description="How long a page may take to show what a step needs.")
