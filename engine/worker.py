"""A worker process: N slots that claim, work and settle, and the one boundary where every error becomes an outcome."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from loguru import logger

from engine.attempt import Attempt, refused
from engine.definition import BreakerPolicy, Commits, Workflow
from engine.errors import BusinessException, ItemException, Stale, SystemException, UserError
from engine.evidence import EvidenceStore
from engine.heart import Heart
from engine.ledger import protocol, queue, run_audit
from engine.ledger.database import Database
from engine.logs import bound
from engine.ports import Inspector, ItemView, Office
from engine.retry import next_try
from engine.values import decode

POLL = timedelta(seconds=1)
AUDIT_LEASE = timedelta(minutes=10)
AUDIT_RETRY = timedelta(seconds=10)
T = TypeVar("T")


def worker_name() -> str:
    """Return a name that no other process on any machine has."""
    return f"{socket.gethostname()}-{os.getpid()}-{random.SystemRandom().randrange(16**4):04x}"


async def contained(work: Awaitable[T]) -> T | ItemException:
    """Return what `work` returns or how it failed: the one place where whatever escapes is a system exception.

    Raises:
        Stale: the item or run is another worker's.
    """
    try:
        return await work
    except ItemException as error:
        return error
    except Stale:
        raise
    except Exception as error:  # noqa: BLE001 - the settle boundary
        logger.exception("unexpected error")
        return SystemException("unexpected", f"{type(error).__name__}: {error}")


async def _all(slots: Sequence[asyncio.Task[None]]) -> None:
    await asyncio.wait(slots, return_when=asyncio.FIRST_EXCEPTION)


@dataclass(frozen=True)
class Settings:
    """How a worker process works."""

    slots: int = 1
    lease: timedelta = timedelta(seconds=60)
    grace: timedelta = timedelta(seconds=30)
    """How long items in work may go on after a stop was asked for."""


@dataclass
class Worker:
    """Works items until it is stopped, or until the given runs are done."""

    database: Database
    office: Office
    inspector: Inspector
    definitions: Callable[[str], Workflow]
    """The pinned definition of a hash."""
    evidence: EvidenceStore
    settings: Settings = field(default_factory=Settings)
    name: str = field(default_factory=worker_name)
    on_settled: Callable[[queue.Claim, protocol.Settlement], None] | None = None
    """Called after each settlement, for progress bars."""

    def __post_init__(self) -> None:
        """Prepare the signals between slots."""
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()

    def stop(self) -> None:
        """Take no more items; let those in work end within the grace time."""
        self._stopping.set()
        self._changed.set()

    async def run(self, run_ids: Sequence[int] | None = None) -> None:
        """Work until stopped; with `run_ids`, only on these runs and only until they are done and audited."""
        with Heart(self.database, self.name, self.settings.lease) as heart:
            slots = [asyncio.create_task(self._slot(n, heart, run_ids)) for n in range(self.settings.slots)]
            stop = asyncio.create_task(self._stopping.wait())
            await asyncio.wait({stop, asyncio.create_task(_all(slots))}, return_when=asyncio.FIRST_COMPLETED)
            if self._stopping.is_set():
                await asyncio.wait(slots, timeout=self.settings.grace.total_seconds())
            stop.cancel()
            for slot in slots:
                slot.cancel()
            ends = await asyncio.gather(*slots, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end

    async def _slot(self, slot: int, heart: Heart, run_ids: Sequence[int] | None) -> None:
        while not self._stopping.is_set():
            self._changed.clear()
            asked_at = self.database.clock.monotonic()
            claimed = await asyncio.to_thread(
                queue.claim, self.database, self.name, self.settings.lease, run_ids=run_ids
            )
            if claimed is not None:
                await self._work(slot, heart, claimed, asked_at)
                self._changed.set()
            elif not await self._audit(slot, run_ids) and not await self._wait(run_ids):
                return

    async def _wait(self, run_ids: Sequence[int] | None) -> bool:
        """Wait for the next item or audit to come due; False if there will be none."""
        wake = await asyncio.to_thread(queue.next_wake, self.database, run_ids)
        if wake is None and run_ids is not None:
            self._changed.set()
            return False
        pause = POLL
        if wake is not None:
            pause = max(timedelta(milliseconds=20), min(POLL, wake - self.database.clock.now()))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), pause.total_seconds())
        return True

    async def _work(self, slot: int, heart: Heart, claimed: queue.Claim, asked_at: float) -> None:
        """Work one claimed item and settle it."""
        with bound(run=claimed.run_id, item=claimed.item_id, reference=claimed.reference, attempt=claimed.fence):
            workflow = await contained(self._definition(claimed.definition_hash))
            if isinstance(workflow, ItemException):
                await self._settle_apart(claimed, workflow)
                return
            attempt = Attempt(self.database, workflow, claimed, self.evidence, self.inspector)
            heart.hold(claimed.item_id, claimed.fence, asked_at, workflow.time.limit)
            try:
                end = await contained(self._attempt(slot, heart, workflow, attempt))
                if isinstance(end, ItemException):
                    kept = await contained(attempt.keep_failure(end))
                    if kept is not None:
                        logger.bind(event="evidence.failed").warning("no evidence of the failure: {}", kept.message)
                    end = self._after(workflow, claimed, attempt, end)
            except Stale as error:
                logger.bind(event="item.stale").warning("{}; stopped, touched nothing", error)
                return
            except asyncio.CancelledError:
                await self._settle(workflow, claimed, attempt.released())
                raise
            finally:
                heart.drop(claimed.item_id)
            await self._settle(workflow, claimed, end)

    async def _definition(self, definition_hash: str) -> Workflow:
        try:
            return await asyncio.to_thread(self.definitions, definition_hash)
        except UserError as error:
            raise BusinessException("definition_broken", f"the pinned definition cannot be loaded: {error}") from error

    async def _attempt(self, slot: int, heart: Heart, workflow: Workflow, attempt: Attempt) -> protocol.Settlement:
        span = workflow.app.commits.submit_timeout
        hands = await self.office.hands(workflow, slot)
        return await attempt.work(hands, lambda: heart.outlives(attempt.claimed.item_id, span))

    def _after(
        self, workflow: Workflow, claimed: queue.Claim, attempt: Attempt, error: ItemException
    ) -> protocol.Settlement:
        draw = random.Random(f"{claimed.item_id}/{claimed.fence}").random()  # noqa: S311 - repeatable jitter
        wait = next_try(workflow.retry, claimed.failures + 1, error, draw=draw)
        return attempt.after(error, wait)

    async def _settle_apart(self, claimed: queue.Claim, error: ItemException) -> None:
        """Give an item to a person whose definition, and so whose application, is not to be had."""
        logger.bind(event="item.refused").error("{}: {}", claimed.reference, error.message)
        end = refused(error)
        with contextlib.suppress(Stale):
            await asyncio.to_thread(
                protocol.settle,
                self.database,
                claimed,
                end,
                app=claimed.app,
                breaker=BreakerPolicy(),
                settle_time=Commits().settle_time,
            )
            if self.on_settled is not None:
                self.on_settled(claimed, end)

    async def _settle(self, workflow: Workflow, claimed: queue.Claim, end: protocol.Settlement) -> None:
        app = workflow.app
        try:
            opened = await asyncio.to_thread(
                protocol.settle,
                self.database,
                claimed,
                end,
                app=app.name,
                breaker=app.breaker,
                settle_time=app.commits.settle_time,
            )
        except Stale as error:
            logger.bind(event="item.stale").warning("{}; the other worker decides", error)
            return
        level = "INFO" if end.outcome == "passed" else "WARNING"
        logger.bind(event="item.settled", outcome=end.outcome, reason=end.reason).log(
            level, "{} {}{}", claimed.reference, end.outcome, f" ({end.reason}: {end.message})" if end.reason else ""
        )
        if opened:
            logger.bind(event="breaker.opened", app=app.name).error(
                "{}: {} consecutive system exceptions; nothing is started for {:g} s",
                app.name,
                app.breaker.failures,
                app.breaker.pause.total_seconds(),
            )
        if self.on_settled is not None:
            self.on_settled(claimed, end)

    async def _audit(self, slot: int, run_ids: Sequence[int] | None) -> bool:
        """Audit one finished run, if one is due; False if none was."""
        due = await asyncio.to_thread(run_audit.claim_audit, self.database, self.name, AUDIT_LEASE, run_ids=run_ids)
        if due is None:
            return False
        try:
            counts = await contained(self._read_list(slot, due)) if due.items else {}
        except asyncio.CancelledError:
            await asyncio.to_thread(run_audit.give_back, self.database, due, timedelta())
            raise
        if isinstance(counts, ItemException):
            logger.bind(event="run.audit_failed", run=due.run_id).warning("the run audit failed: {}", counts.message)
            await asyncio.to_thread(run_audit.give_back, self.database, due, AUDIT_RETRY)
            return True
        try:
            result = await asyncio.to_thread(run_audit.close_audit, self.database, self.name, due, counts)
        except Stale as error:
            logger.bind(event="run.audit_stale", run=due.run_id).warning("{}", error)
            return True
        logger.bind(event="run.audited", run=due.run_id).log(
            "ERROR" if result.unforeseen else "INFO" if result.as_expected == result.keys else "WARNING",
            "run audit: {} of {} keys as expected, {} missing, {} duplicate",
            result.as_expected,
            result.keys,
            len(result.missing),
            len(result.duplicates),
        )
        return True

    async def _read_list(self, slot: int, due: run_audit.DueAudit) -> dict[int, int]:
        workflow = await self._definition(due.definition_hash)
        hands = await self.office.hands(workflow, slot)
        folder = self.evidence.folder(due.run_id, 0, 0)
        views = [
            ItemView(
                item.item_id,
                item.reference,
                decode(item.payload, workflow.fields),
                workflow.fields,
                workflow.params,
                folder,
                item.record_url,
            )
            for item in due.items
        ]
        async with asyncio.timeout(AUDIT_LEASE.total_seconds()):
            await hands.begin(views[0])
            try:
                return await hands.listed(views)
            finally:
                await hands.end(None)
