"""One attempt at one item: run the executor, inspect the output, keep the evidence, say how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from typing import Any

from engine.definition import Step, Workflow
from engine.errors import BusinessException, ItemException, SystemException, UnknownOutcome
from engine.evidence import EvidenceFile, EvidenceStore, field_diff
from engine.executor import Executor, NotYet
from engine.intake import followers
from engine.journal import Journal
from engine.ledger.database import Database
from engine.ledger.enqueue import Followers
from engine.ledger.protocol import Settlement
from engine.ledger.queue import Claim
from engine.ports import Case, Finding, Hands, Inspector, ItemView, Verdict
from engine.values import Record, decode, encode

MAX_ORPHANS = 10
"""How often workers may die on one item before a person looks at it."""

FAREWELL = timedelta(seconds=10)
"""How long a failed attempt may take to show how it failed; a page that hangs must not hold the slot."""


def refused(error: ItemException) -> Settlement:
    """Return the settlement that gives an item to a person, with the error as the finding."""
    finding = Finding("process", error.code, error.message, field=error.field)
    return Settlement(
        "review",
        reason=error.code,
        message=error.message,
        error_kind="business" if isinstance(error, BusinessException) else "system",
        verdict=Verdict("review", (finding,)),
    )


@dataclass
class Attempt:
    """One attempt; `work` ends it well, `after` turns an error into how it ended."""

    database: Database
    workflow: Workflow
    claimed: Claim
    store: EvidenceStore
    inspector: Inspector
    _files: list[EvidenceFile] = field(default_factory=list)
    _executor: Executor | None = None
    _hands: Hands | None = None

    async def work(self, hands: Hands, holds_lease: Callable[[], bool]) -> Settlement:
        """Do the item within its time limit.

        Raises:
            ItemException: as the executor does.
            Stale: the item is another worker's.
        """
        if self.claimed.orphans >= MAX_ORPHANS:
            raise BusinessException("too_many_attempts", f"{self.claimed.orphans} workers died on this item")
        view = self._view
        journal = Journal(self.database, self.claimed)
        executor = Executor(hands, journal, self.workflow, view, self._steps(), self.database.clock, holds_lease)
        executor.restored_at = self.claimed.restored_at
        executor.edits = self.claimed.kind == "correction"
        self._executor, self._hands = executor, hands
        try:
            async with asyncio.timeout(self.workflow.time.limit.total_seconds()) as limit:
                await executor.run()
                verdict = self._inspect(view.payload, hands)
                await self._capture(hands, "record", keep=self._keeps_picture(verdict))
        except TimeoutError:
            if not limit.expired():
                raise
            raise self._too_slow(journal) from None
        record, handed_on = hands.record, None
        if verdict.decision == "pass":
            handed_on = followers(self.workflow, self.claimed.reference, record)
        if handed_on is not None and self.workflow.follow is not None:  # kept by those who have it from here on
            record = {name: value for name, value in record.items() if name != self.workflow.follow.each}
        self._write_evidence(view.payload, record)
        await self._end(hands, keep=verdict.decision == "review")
        return self._settlement(verdict, record, handed_on)

    def after(self, error: ItemException, wait: timedelta | None) -> Settlement:
        """Turn an error into how the attempt ended; `wait` is the retry policy's answer."""
        now = self.database.clock.now()
        common: dict[str, Any] = {
            "reason": error.code,
            "message": error.message,
            "steps": self._executor.timings if self._executor else (),
            "evidence": tuple(self._files),
            "record_url": self._executor.record_url if self._executor else None,
        }
        undecided = self._executor.journal.undecided if self._executor else None
        if isinstance(error, NotYet):
            return Settlement("in_doubt", available_at=error.until, **common)
        if undecided is not None and now < undecided.lands_until and not isinstance(error, BusinessException):
            return Settlement("in_doubt", error_kind="system", available_at=undecided.lands_until, **common)
        if wait is not None:
            return Settlement("retry", error_kind="system", available_at=now + wait, **common)
        return replace(refused(error), **common)

    async def keep_failure(self, error: ItemException) -> None:
        """Keep what shows how the attempt ended, and let go of the item.

        Raises:
            SystemException: there is nothing to show, or no room for it; that must not hide `error`.
        """
        hands, picture = self._hands, not isinstance(error, NotYet)
        if hands is None:
            return
        try:
            async with asyncio.timeout(FAREWELL.total_seconds()):
                await self._capture(hands, "failure", keep=picture)
                self._write_evidence(self._view.payload, hands.record)
                await self._end(hands, keep=picture)
        except TimeoutError:
            raise SystemException("evidence_not_kept", "the page does not answer any more") from None

    def released(self) -> Settlement:
        """Give the item back because the worker stops; what was sent is recovered by the next one."""
        undecided = self._executor.journal.undecided if self._executor else None
        return Settlement(
            "released",
            reason="worker_stopped",
            available_at=undecided.lands_until if undecided else None,
            steps=self._executor.timings if self._executor else (),
        )

    @cached_property
    def _view(self) -> ItemView:
        return ItemView(
            item_id=self.claimed.item_id,
            reference=self.claimed.reference,
            payload=decode(self.claimed.payload, self.workflow.fields),
            fields=self.workflow.fields,
            params=self.workflow.params,
            folder=self.store.folder(self.claimed.run_id, self.claimed.item_id, self.claimed.fence),
            record_url=self.claimed.record_url,
        )

    def _steps(self) -> tuple[Step, ...]:
        return self.workflow.correction if self.claimed.kind == "correction" else self.workflow.steps

    def _too_slow(self, journal: Journal) -> ItemException:
        seconds = self.workflow.time.limit.total_seconds()
        if journal.undecided is not None:
            return UnknownOutcome("item_timeout", f"the item's limit of {seconds:g} s ended during a commit")
        return SystemException("item_timeout", f"the item took longer than its limit of {seconds:g} s")

    def _inspect(self, payload: Record, hands: Hands) -> Verdict:
        case = Case(
            workflow=self.workflow.name,
            reference=self.claimed.reference,
            payload=payload,
            record=hands.record,
            fields=self.workflow.fields,
            signals=self._signals(),
            app_version=hands.app_version,
        )
        return self.inspector.inspect(self.workflow, case)

    def _signals(self) -> dict[str, float]:
        """Return what is known of how this attempt went: only what was counted or measured."""
        executor = self._executor
        seconds = sum(float(timing["seconds"]) for timing in executor.timings) if executor else 0.0
        standard = self.workflow.time.standard.total_seconds()
        return {
            "attempts": float(self.claimed.fence),
            "failures": float(self.claimed.failures),
            "seconds": seconds,
            **({"pace": seconds / standard} if standard else {}),
            "logins": float(executor.logins) if executor else 0.0,
        }

    def _settlement(self, verdict: Verdict, record: dict[str, Any], handed_on: Followers | None) -> Settlement:
        executor = self._executor
        passed = verdict.decision == "pass"
        return Settlement(
            outcome="passed" if passed else "review",
            reason=None if passed else verdict.findings[0].code,
            message=None if passed else verdict.findings[0].message,
            verdict=verdict,
            read_back=record,
            record_url=executor.record_url if executor else None,
            steps=executor.timings if executor else (),
            evidence=tuple(self._files),
            audit_sample=self.workflow.review.audit_sample,
            signals=self._signals(),
            followers=handed_on,
        )

    def _keeps_picture(self, verdict: Verdict) -> bool:
        return self.workflow.evidence.screenshot == "always" or verdict.decision == "review"

    async def _capture(self, hands: Hands, name: str, *, keep: bool) -> None:
        path = self._view.folder / f"{name}.jpg"
        if keep and await hands.capture(path):
            self._files.append(self.store.seal(path, "screenshot"))

    async def _end(self, hands: Hands, *, keep: bool) -> None:
        trace = self._view.folder / "trace.zip"
        kept = keep and self.workflow.evidence.trace == "doubt"
        await hands.end(trace if kept else None)
        if kept and trace.exists():
            self._files.append(self.store.seal(trace, "trace"))

    def _write_evidence(self, payload: Record, record: dict[str, Any]) -> None:
        folder = self._view.folder
        parts = {"payload": {"definition": self.claimed.definition_hash, "payload": encode(payload)}}
        if record:
            diff = field_diff(payload, record, self.workflow.fields)
            parts["read-back"] = encode(record)
            parts["diff"] = {"fields": [encode(vars(line)) for line in diff]}
        for kind, data in parts.items():
            self._files.append(self.store.seal(self.store.write_json(folder / f"{kind}.json", data), kind))
