"""What the engine needs of bots and of qc_models; they reach it as arguments, it never imports them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import BaseModel

from engine.definition import Step, Workflow
from engine.source_files import RawRow
from engine.values import FieldSpec, Record


@dataclass(frozen=True)
class StepKind:
    """One entry of the step registry: what the loader needs to know of a step without running it."""

    name: str
    params: type[BaseModel]
    run: Callable[..., Awaitable[None]] | None
    """`async def step(bot, params) -> None`; None for the commit step, which only the executor may send."""
    doc: str
    commit: bool = False
    read: bool = False


@dataclass(frozen=True)
class CheckKind:
    """One entry of the check registry."""

    name: str
    params: type[BaseModel]
    run: Callable[..., list[Finding]]
    """`def check(params, case, models) -> list[Finding]`, pure but for the model store."""
    doc: str


@dataclass(frozen=True)
class Registry:
    """Everything a definition may name; built by the runner from the plain dicts of bots and qc_models."""

    steps: Mapping[str, StepKind]
    checks: Mapping[str, CheckKind]
    app_extras: type[BaseModel]
    """Model of the parts of an application profile that only bots understand: session, interrupts, settle."""
    statements: Callable[[Path], Iterable[RawRow]] | None = None
    """Reads a bank statement: a row a partition, and one with its problem for whatever is held back."""


@dataclass(frozen=True)
class ItemView:
    """What a bot may know of the item it works on."""

    item_id: int
    reference: str
    payload: Record
    fields: Mapping[str, FieldSpec]
    params: Mapping[str, str]
    folder: Path
    """Where this attempt's files go (downloads, pictures)."""
    record_url: str | None = None
    """Where the application showed the record, for corrections (`${record.url}`)."""


@dataclass(frozen=True)
class SentRequest:
    """One mutating request as it left (or would leave) the browser; bodies are shown with secrets scrubbed."""

    method: str
    url: str
    body: str | None
    status: int | None = None
    before_commit: bool = False
    """Whether a dry run held it back before the commit's click: a draft, an autosave."""


@dataclass(frozen=True)
class Receipt:
    """How the application confirmed a commit."""

    url: str
    app_id: str | None
    """The application's own id of the record, where the definition says how to read it."""
    requests: tuple[SentRequest, ...] = ()


@dataclass(frozen=True)
class Found:
    """What `find` saw on a fresh page: how many records carry the business key; with exactly one, it is open now."""

    count: int
    url: str | None = None
    alike: int = 0
    """Records that share much of the key (`find.alike`); with count 0 they forbid a second send."""


class Hands(Protocol):
    """One slot's browser page in one application, as the executor sees it. Raises only `engine.errors`."""

    record: dict[str, Any]
    """What the `read` steps have read of the present item, typed by the definition."""

    @property
    def app_version(self) -> str | None:
        """What the application calls its version, once it was entered; None where its profile does not say."""
        ...

    async def begin(self, item: ItemView) -> None:
        """Bind the page to an item: fresh state, logged in, trace started."""
        ...

    async def perform(self, step: Step) -> None:
        """Do one ordinary step, settle, and leave the page ready for the next."""
        ...

    async def aim(self, commit: Step) -> None:
        """Do everything of a commit that has no effect: find its one button, check it, arm the single-send guard."""
        ...

    async def send(self, commit: Step, permit: Callable[[], None], limit: timedelta) -> Receipt:
        """Click once; `permit` is called right before the network write and may raise `NotSent`.

        Raises:
            NotSent: no mutating request left, and the guard lets none pass any more.
            Rejected: the application said that the data is invalid.
            UnknownOutcome: a request left and was not confirmed in time.
        """
        ...

    async def find(self, commit: Step) -> Found:
        """Ask the application, on a fresh page, how many records carry the business key."""
        ...

    async def listed(self, keys: list[ItemView]) -> dict[int, int]:
        """Count each item's records in the application's own list (run audit); item id to count."""
        ...

    async def capture(self, path: Path) -> bool:
        """Take a picture of the page; False (and no file) if a secret is visible on it."""
        ...

    async def end(self, trace: Path | None) -> None:
        """Let go of the item; keep its trace at `trace`, or drop it."""
        ...


class Office(Protocol):
    """Where workers get their hands: one browser a process, one context a slot, one session an account."""

    async def hands(self, workflow: Workflow, slot: int) -> Hands:
        """Return the slot's hands for the workflow's application, opening what is not open yet."""
        ...


@dataclass(frozen=True)
class Finding:
    """One reason to doubt, by field."""

    check: str
    code: str
    message: str
    field: str | None = None
    expected: str | None = None
    observed: str | None = None


@dataclass(frozen=True)
class Case:
    """One output under inspection."""

    workflow: str
    reference: str
    payload: Record
    record: Record
    """The read-back: only the fields that the definition reads."""
    fields: Mapping[str, FieldSpec]
    signals: Mapping[str, float] = field(default_factory=dict)
    """Process signals of this attempt, as far as known: attempts, failures (system exceptions before), seconds (in its
    steps), pace (seconds / standard time), logins (sessions lost and entered again)."""
    app_version: str | None = None
    """What the application calls its version, where its profile says how to see it."""


@dataclass(frozen=True)
class Score:
    """A model's opinion of one case."""

    model: str
    version: str
    probability: float
    """P(this output is wrong), in [0, 1]."""
    threshold: float
    """Review at or over this."""


@dataclass(frozen=True)
class Verdict:
    """Pass, or review with reasons."""

    decision: Literal["pass", "review"]
    findings: tuple[Finding, ...] = ()
    score: Score | None = None
    pins: Mapping[str, str] | None = None
    """Everything that a rate measured on such verdicts depends on (its scope); None without a model."""
    certificate: int | None = None
    """The certificate that the threshold rests on, if its error rate is proven."""
    held: bool = False
    """Whether everything goes to a person at present (nothing is proven yet): such items are a sample of all. Not
    where only some are held back for what they are."""
    shadows: tuple[Score, ...] = ()
    """What challengers would have said; they decide nothing."""


class Inspector(Protocol):
    """Gives one verdict on one output."""

    def inspect(self, workflow: Workflow, case: Case) -> Verdict:
        """Run every check of the definition; any finding means review."""
        ...
