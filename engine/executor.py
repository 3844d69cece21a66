"""Walks one item through its definition: fill, gate, send once, verify, recover (DESIGN section 5).

The executor holds no SQL and no browser: it writes through a `Journal` and acts through `Hands`. It returns when every
segment's record was found exactly once and read back; anything else leaves it as one of the exceptions below.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from loguru import logger

from engine.clock import Clock
from engine.definition import Segment, Step, Workflow, segments
from engine.errors import BusinessException, ItemException, NotSent, Rejected, SessionLost, SystemException
from engine.evidence import field_diff
from engine.journal import Journal
from engine.ledger.queue import Intent
from engine.ports import Found, Hands, ItemView, Receipt

T = TypeVar("T")

_RESTORED = "the ledger was restored from a backup, after which this item may have been entered"
MAX_GATES = 3
"""How often a gate is taken again because the click window closed before the send."""
MAX_LOGINS = 2
"""How often a lost session is entered again within one attempt."""


class NotYet(ItemException):
    """Nothing is wrong, but the answer is only reliable at `until`: give the item back until then."""

    def __init__(self, code: str, message: str, until: datetime) -> None:
        super().__init__(code, message)
        self.until = until


@dataclass
class Executor:
    """One attempt at one item."""

    hands: Hands
    journal: Journal
    workflow: Workflow
    view: ItemView
    steps: tuple[Step, ...]
    clock: Clock
    holds_lease: Callable[[], bool]
    """Whether the lease still outlives a send; asked right before the network write."""
    timings: list[dict[str, Any]] = field(default_factory=list)
    record_url: str | None = None
    logins: int = 0
    restored_at: datetime | None = None
    """When the ledger was restored, if the item may have been committed after the backup was made."""
    edits: bool = False
    """Whether the item corrects a record that is there already, so that finding it says nothing."""

    async def run(self) -> None:
        """Bring every segment to its end.

        Raises:
            BusinessException: the data is wrong, or a person must look (missing, duplicate, in doubt).
            SystemException: the world failed; `UnknownOutcome` if a commit may have been sent.
            NotYet: the application may still change its mind; come back later.
            Stale: another worker owns the item.
        """
        await self.hands.begin(self.view)
        for segment in segments(self.steps):
            if segment.commit is None:
                await self._fill(segment)
            else:
                await self._bring_to_record(segment, segment.commit)

    async def _bring_to_record(self, segment: Segment, commit: Step) -> None:
        intents = self.journal.of(segment.index)
        intent = intents[-1] if intents else None
        if intent is not None and intent.outcome is None:
            intent = await self._recover(commit, intent)
        elif self.restored_at is not None and (intent is None or intent.outcome != "sent"):
            intent = await self._ask_first(segment, commit, self.restored_at)
        if intent is None or intent.outcome != "sent":
            self._refuse_endless_sending(segment)
            await self._fill(segment)
            intent = await self._send_once(segment, commit)
        await self._verify(segment, commit, intent)

    def _refuse_endless_sending(self, segment: Segment) -> None:
        sent_before = self.journal.sent_in_vain(segment.index)
        if sent_before >= self.workflow.retry.attempts:
            raise BusinessException(
                "too_many_attempts", f"sent {sent_before} times and never arrived; a person decides"
            )

    async def _recover(self, commit: Step, intent: Intent) -> Intent:
        """Find out what became of a commit that nobody confirmed; nothing is typed before this is known."""
        self._wait_out(intent.lands_until)
        if self.restored_at is not None:
            self._wait_out(self.restored_at + self._span)
        if commit.params.find is None:
            raise BusinessException("in_doubt", "a commit was sent and never confirmed; the definition has no `find`")
        found = await self._in_session(lambda: self._timed(commit, "find", self.hands.find(commit)))
        logger.bind(event="recovered", found=found.count).info(
            "in doubt: the application shows {} record(s)", found.count
        )
        if found.count == 1:
            return await self.journal.decide(intent, "sent", url=found.url)
        if found.count > 1:
            raise BusinessException("duplicate", f"{found.count} records carry this business key")
        if found.alike or not self.workflow.app.commits.find_authoritative:
            raise BusinessException(
                "in_doubt", "a commit was sent and never confirmed, and its record is not to be seen"
            )
        return await self.journal.decide(intent, "absent")

    async def _ask_first(self, segment: Segment, commit: Step, restored_at: datetime) -> Intent | None:
        """Ask whether the record was committed after the backup from which the ledger was restored.

        A record that is found is taken through gate and decision like one of ours, so that it is read back, inspected
        and audited. A correction is done if the record reads as it should; if it does not, it may be undone or
        overtaken by a later one, which only a person can tell.

        Returns:
            The intent as sent, or None: the record is provably not there, and may be entered.
        """
        self._wait_out(restored_at + self._span)
        if commit.params.find is None:
            raise BusinessException("in_doubt", f"{_RESTORED}, and the definition has no `find`")

        async def look() -> tuple[Found, bool]:
            found = await self._timed(commit, "find", self.hands.find(commit))
            return found, found.count == 1 and (not self.edits or await self._reads_as_it_should(segment))

        found, done = await self._in_session(look)
        logger.bind(event="asked_first", found=found.count).info(
            "the ledger was restored: the application shows {} record(s)", found.count
        )
        if found.count > 1:
            raise BusinessException("duplicate", f"{found.count} records carry this business key")
        if done:
            intent = await self.journal.gate(segment.index, self.workflow.app.commits)
            return await self.journal.decide(intent, "sent", url=found.url)
        if self.edits:
            raise BusinessException("in_doubt", f"{_RESTORED}; whether its correction was made is not to be seen")
        if found.alike or not self.workflow.app.commits.find_authoritative:
            raise BusinessException("in_doubt", f"{_RESTORED}, and its record is not to be seen")
        return None

    async def _reads_as_it_should(self, segment: Segment) -> bool:
        """Read the record that is open and compare it with what this segment is to make of it."""
        before = dict(self.hands.record)
        self.hands.record.clear()
        for step in segment.reads:
            await self._perform(step)
        diff = field_diff(self.view.payload, self.hands.record, self.view.fields)
        self.hands.record.update({**before, **self.hands.record})
        return bool(diff) and all(line.equal for line in diff)

    def _wait_out(self, until: datetime) -> None:
        if self.clock.now() < until:
            raise NotYet("in_doubt", "a commit may still land; asking again when it no longer can", until)

    @property
    def _span(self) -> timedelta:
        """Return how long after a gate its commit may still land."""
        commits = self.workflow.app.commits
        return commits.click_window + commits.submit_timeout + commits.settle_time

    async def _fill(self, segment: Segment) -> None:
        """Do the steps before the commit; a session lost on the way is entered again and the segment starts over."""

        async def once() -> None:
            for step in segment.fill:
                await self._perform(step)
            if segment.commit is not None:
                await self._timed(segment.commit, "aim", self.hands.aim(segment.commit))

        await self._in_session(once)

    async def _send_once(self, segment: Segment, commit: Step) -> Intent:
        commits = self.workflow.app.commits
        for _ in range(MAX_GATES):
            gated_at = self.clock.monotonic()
            intent = await self.journal.gate(segment.index, commits)

            def permit(since: float = gated_at) -> None:
                if self.clock.monotonic() - since >= commits.click_window.total_seconds():
                    raise NotSent("click_window_over", "the click window closed before the send")
                if not self.holds_lease():
                    raise NotSent("lease_lost", "the lease ran out before the send")

            try:
                receipt = await self._timed(commit, "send", self.hands.send(commit, permit, commits.submit_timeout))
            except NotSent as error:
                await self.journal.decide(intent, "not_clicked")
                if error.code != "click_window_over":
                    raise
                await self._fill(segment)  # a page whose click was held back is not to be trusted
                continue
            except Rejected:
                await self.journal.decide(intent, "rejected")
                raise
            return await self._submitted(intent, receipt)
        raise SystemException("click_window_over", f"the click window closed {MAX_GATES} times before the send")

    async def _submitted(self, intent: Intent, receipt: Receipt) -> Intent:
        return await self.journal.decide(intent, "sent", url=receipt.url, app_id=receipt.app_id)

    async def _verify(self, segment: Segment, commit: Step, intent: Intent) -> None:
        """Read the record back by its business key on a fresh page."""

        async def once() -> None:
            if commit.params.find is not None:
                found = await self._timed(commit, "find", self.hands.find(commit))
                self._judge(found, intent)
                self.record_url = found.url
            for step in segment.reads:
                await self._perform(step)

        await self._in_session(once)

    def _judge(self, found: Found, intent: Intent) -> None:
        if found.count > 1:
            raise BusinessException("duplicate", f"{found.count} records carry this business key")
        if found.count == 1:
            return
        visible_by = (intent.decided_at or intent.at) + self.workflow.app.commits.settle_time
        if self.clock.now() < visible_by:
            raise NotYet("record_not_visible_yet", "confirmed, but the list does not show it yet", visible_by)
        raise BusinessException(
            "record_missing", "the application confirmed the record but does not show it by its key"
        )

    async def _perform(self, step: Step) -> None:
        await self._timed(step, step.kind, self.hands.perform(step))

    async def _timed(self, step: Step, action: str, work: Awaitable[T]) -> T:
        started = self.clock.monotonic()
        limit = step.limit.total_seconds() if step.limit and action != "send" else None
        try:
            async with asyncio.timeout(limit) as deadline:
                return await work
        except TimeoutError:
            if not deadline.expired():
                raise
            raise SystemException("step_timeout", f"step {step.label} took longer than {limit:g} s") from None
        finally:
            seconds = self.clock.monotonic() - started
            standard = step.standard.total_seconds() if step.standard else None
            self.timings.append(
                {
                    "step": step.label,
                    "action": action,
                    "line": step.line,
                    "seconds": round(seconds, 4),
                    "standard": standard,
                }
            )

    async def _in_session(self, work: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await work()
            except SessionLost:
                self.logins += 1
                if self.logins > MAX_LOGINS:
                    raise
                logger.bind(event="session.lost").warning("the session was lost; entering again")
                already_read = dict(self.hands.record)
                await self.hands.begin(self.view)
                self.hands.record.update(already_read)
