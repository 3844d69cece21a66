"""What a workflow and an application profile say, after the YAML was read, checked and typed.

The frame is here; each step's and check's parameters are a frozen pydantic model beside the function that performs it,
and reach the engine through the registries (`engine.ports`). See DESIGN section 4 and docs/reference/definitions.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema, field_validator

from engine.rate import Rate
from engine.snapshot import Snapshot
from engine.values import FieldSpec, Formats

if TYPE_CHECKING:
    from engine.schedules.schedule import Schedule  # it is built of what stands here
    from engine.source_files import RawRow

CLOCK_TIME = r"^([01]\d|2[0-3]):[0-5]\d$"
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(raw: object) -> timedelta:
    """Read `250ms`, `5s`, `10m`, `2h` or `7d`.

    Raises:
        ValueError: the text is none of these.
    """
    if isinstance(raw, timedelta):
        return raw
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)", str(raw).strip())
    if match is None:
        raise ValueError(f"{raw!r} is not a duration; write it like 250ms, 5s, 10m, 2h or 7d")
    return timedelta(seconds=float(match[1]) * _UNITS[match[2]])


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(lambda value: f"{value.total_seconds():g}s"),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?\s*(ms|s|m|h|d)$", "examples": ["250ms", "5s", "10m"]}),
]


class Frozen(BaseModel):
    """Base of everything a definition holds: unknown keys are refused, nothing changes after loading."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shorthand: ClassVar[str | None] = None
    """The parameter that a bare scalar stands for: `- open: /x` means `- open: {url: /x}`."""


class TableSource(Frozen):
    """Rows of a table field, in a file of their own."""

    csv: str = Field(description="CSV file (UTF-8), relative to the workflow file.")
    on: tuple[str, ...] = Field(description="Columns that both files share and that tie a row to its record.")


class Source(Frozen):
    """Where the records come from."""

    csv: str | None = Field(None, description="CSV file (UTF-8, header row), relative to the workflow file.")
    jsonl: str | None = Field(None, description="JSON Lines file (UTF-8), relative to the workflow file.")
    statement: str | None = Field(None, description="Bank statement; a record is an account, a currency and a period.")
    follows: str | None = Field(None, description="Workflow whose output the records are; its `follow` names this one.")
    reference: str = Field(description="The unique business key of a record, e.g. ${supplier}/${invoice_no}.")
    tables: dict[str, TableSource] = Field(
        default_factory=dict, description="Files that hold the rows of table fields."
    )


class Follow(Frozen):
    """Where an item's output goes: once the item passed, in the same transaction."""

    workflow: str = Field(description="Workflow beside this one; each row becomes a record of it.")
    each: str = Field(description="What the item read whose rows are meant, e.g. the `to` of a step.")
    hold: str | None = Field(None, description="Column that says, in a word, why a person decides first; else empty.")
    why: str | None = Field(None, description="Column that says the same in a sentence.")


class Retry(Frozen):
    """How system exceptions are retried; business exceptions never are."""

    attempts: int = Field(4, ge=1, le=20, description="Attempts in all, the first included.")
    wait: Duration = Field(timedelta(seconds=5), description="Wait before the second attempt.")
    factor: float = Field(2.0, ge=1, description="Each further wait is this many times longer.")
    max_wait: Duration = Field(timedelta(minutes=10), description="Longest wait.")
    jitter: bool = Field(True, description="Shorten each wait by a random part, so that retries spread out.")


class Time(Frozen):
    """Standard time and limits."""

    standard: Duration = Field(timedelta(seconds=60), description="Standard time of one item.")
    limit: Duration = Field(timedelta(minutes=3), description="Hard limit of one attempt.")
    due: Duration | None = Field(None, description="Deadline of the run after its start.")
    manual: Duration | None = Field(None, description="What one item takes a person, for hours saved.")


class Review(Frozen):
    """What a person looks at besides what is in doubt."""

    audit_sample: float = Field(0.02, ge=0, le=1, description="Share of passed items drawn at random for review.")
    four_eyes_over: dict[str, Decimal] = Field(default_factory=dict, description="Fields over which two people decide.")
    within: Duration | None = Field(
        None, description="Longest wait for a person; while one waits longer, a model passes nothing."
    )
    second_review: float = Field(
        0, ge=0, le=1, description="Share of decided items that another person looks at too, without being told."
    )
    canaries: float = Field(
        0, ge=0, lt=1, description="Share of what is reviewed that is planted, to measure what reviewers miss."
    )
    segments: dict[str, Literal["each"] | tuple[Decimal, ...]] = Field(
        default_factory=dict, description="Groups whose rates are held apart: field: each, or the bounds of its bands."
    )
    segment_tolerance: float = Field(
        0.02, ge=0, lt=1, description="Proven gap between the rates of a group and of all others that raises no alarm."
    )

    @field_validator("segments")
    @classmethod
    def _rising(cls, segments: dict[str, Any]) -> dict[str, Any]:
        for name, bounds in segments.items():
            if bounds != "each" and (not bounds or list(bounds) != sorted(set(bounds))):
                raise ValueError(f"{name}: write `each`, or rising bounds like [100, 1000]")
        return segments


class Target(Frozen):
    """An indicator's baseline, benchmark and target, as shares of 1."""

    baseline: float | None = Field(None, ge=0, le=1, description="What it was before (manual work).")
    benchmark: float | None = Field(None, ge=0, le=1, description="What others reach.")
    target: float | None = Field(None, ge=0, le=1, description="What is promised.")


class Evidence(Frozen):
    """What is kept of each item, and how long."""

    screenshot: Literal["always", "doubt"] = Field("always", description="Whether clean passes keep a screenshot.")
    trace: Literal["doubt", "never"] = Field("doubt", description="Whether anything but a clean pass keeps its trace.")
    keep: Duration = Field(timedelta(days=90), description="How long evidence files are kept.")
    keep_payload: Duration | None = Field(
        None, description="How long payloads, read-backs and words of closed items are kept; default: for ever."
    )


@dataclass(frozen=True)
class Step:
    """One bot action of a definition; `params` is the frozen model that the registry names for `kind`."""

    kind: str
    params: Any
    number: int
    line: int
    standard: timedelta | None = None
    limit: timedelta | None = None
    commit: bool = False
    read: bool = False

    @property
    def label(self) -> str:
        """Name the step for logs and timelines, e.g. `3 commit`."""
        return f"{self.number} {self.kind}"


@dataclass(frozen=True)
class CheckSpec:
    """One check of a definition; `params` is the frozen model that the registry names for `kind`."""

    kind: str
    params: Any
    line: int


@dataclass(frozen=True)
class Segment:
    """Steps up to and including one commit and the reads that follow it: the unit of exactly-once.

    A finished segment is never repeated; an unfinished one starts again from its first step, which is why it must begin
    with `open`. A segment without a commit (`commit is None`) only reads.
    """

    index: int
    fill: tuple[Step, ...]
    commit: Step | None
    reads: tuple[Step, ...]


def segments(steps: tuple[Step, ...]) -> tuple[Segment, ...]:
    """Cut steps into segments, each ending after a commit and the steps that follow it up to the next `open`."""
    return tuple(_cut(steps))


def _cut(steps: tuple[Step, ...]) -> Iterator[Segment]:
    index = 0
    fill: list[Step] = []
    commit: Step | None = None
    reads: list[Step] = []
    for step in steps:
        if commit is not None and step.kind == "open":
            yield Segment(index, tuple(fill), commit, tuple(reads))
            index, fill, commit, reads = index + 1, [], None, []
        if step.commit:
            commit = step
        elif commit is None:
            fill.append(step)
        else:
            reads.append(step)
    if fill or commit is not None:
        yield Segment(index, tuple(fill), commit, tuple(reads))


class ListAudit(Frozen):
    """How the run audit reads the keys back from the application's own list, many at a time."""

    open: str = Field(description="Page of the list; ${page} counts from 1.")
    table: str | None = Field(None, description="Accessible name of the list's table, where the page has several.")
    key: dict[str, str] = Field(description="Column header to value, e.g. {Invoice number: ${item.invoice_no}}.")


@dataclass(frozen=True)
class Workflow:
    """One workflow definition, loaded and checked."""

    name: str
    description: str
    owner: str
    app: Application
    priority: int
    schedule: Schedule | None
    source: Source | None
    params: dict[str, str]
    fields: dict[str, FieldSpec]
    steps: tuple[Step, ...]
    correction: tuple[Step, ...]
    checks: tuple[CheckSpec, ...]
    audit: ListAudit | None
    retry: Retry
    time: Time
    review: Review
    evidence: Evidence
    targets: dict[str, Target]
    snapshot: Snapshot
    follow: Follow | None = None
    followed: Workflow | None = None
    """The workflow that `follow` names, pinned with this one."""
    statements: Callable[[Path], Iterable[RawRow]] | None = None
    """Reads a `source.statement`; as the registry names it."""

    @property
    def hash(self) -> str:
        """Return the SHA-256 of everything that decides what the workflow does, 64 hex digits."""
        return self.snapshot.hash


class Commits(Frozen):
    """How the application behaves around a commit: the numbers behind the protocol's waits."""

    click_window: Duration = Field(
        timedelta(seconds=2), description="How long after the gate the send may still start."
    )
    submit_timeout: Duration = Field(timedelta(seconds=30), description="Hard limit from send to confirmation.")
    settle_time: Duration = Field(
        timedelta(seconds=10), description="How long a request may still land after we gave up."
    )
    find_authoritative: bool = Field(False, description="A record that `find` does not show does not exist.")


class BreakerPolicy(Frozen):
    """When an application is left alone."""

    failures: int = Field(5, ge=1, description="Consecutive system exceptions that open the breaker.")
    pause: Duration = Field(timedelta(seconds=60), description="How long nothing is started then.")


Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class MaintenanceWindow(Frozen):
    """When an application is not to be worked in; one that ends before it starts goes on to the next day."""

    days: tuple[Weekday, ...] = Field(WEEKDAYS, description="Week days on which it starts, e.g. [sat, sun].")
    start: str = Field(pattern=CLOCK_TIME, description="Local time at which it starts, like 22:00.")
    end: str = Field(pattern=CLOCK_TIME, description="Local time at which it ends, like 02:00.")
    timezone: str = Field("UTC", description="IANA time zone of both times.")


class FormatsSpec(Frozen):
    """How the application writes dates and numbers."""

    date: str = Field("YYYY-MM-DD", pattern=r"^[YMD./\- ]+$", description="Date pattern of YYYY, MM, DD.")
    decimal: Literal[".", ","] = Field(".", description="Decimal mark.")
    thousands: Literal["", ",", ".", " ", "'"] = Field("", description="Thousands separator.")


@dataclass(frozen=True)
class Application:
    """The profile of one application: where it is, how it is entered and how it behaves."""

    name: str
    base_url: str
    allowed_hosts: tuple[str, ...]
    formats: Formats
    commits: Commits
    breaker: BreakerPolicy
    max_sessions: int
    rate: Rate | None
    maintenance: tuple[MaintenanceWindow, ...]
    timeout: timedelta
    """How long a page may take to show what a step needs; ends as a system exception."""
    login: tuple[Step, ...]
    """Steps of `session.login`; empty where the application has no login."""
    extras: Any
    """The part that only bots understand (session, interrupts, busy signs): a frozen model of theirs."""
