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
from typing import Literal, TypeVar

from loguru import logger
from sqlalchemy.exc import DBAPIError

from engine.attempt import Attempt
from engine.definition import Workflow
from engine.errors import ItemException, Stale, SystemException, UserError
from engine.evidence import EvidenceStore
from engine.heart import Heart
from engine.ledger import protocol, queue, run_audit, workers
from engine.ledger.database import Database
from engine.logs import bound
from engine.patience import passes, patiently
from engine.ports import Inspector, ItemView, Office
from engine.retry import next_try
from engine.values import decode

POLL = timedelta(seconds=1)
"""How often an idle worker asks for work, at most; one question a process, however many slots it has."""
FIRST_POLL = timedelta(milliseconds=20)
WATCH = timedelta(seconds=30)
"""How often the watchers are called."""
AUDIT_LIMIT = timedelta(minutes=10)
"""How long a run's audit may take at least; a run of many items has as much longer as the application may need."""
AUDIT_RETRY = timedelta(seconds=10)
T = TypeVar("T")


def worker_name() -> str:
    """Return a name that no other process on any machine has."""
    return f"{socket.gethostname()}-{os.getpid()}-{random.SystemRandom().randrange(16**4):04x}"


async def contained(work: Awaitable[T]) -> T | ItemException:
    """Return what `work` returns or how it failed: the one place where whatever escapes is a system exception.

    Raises:
        Stale: the item or run is another worker's.
        UserError: a definition cannot be loaded here.
    """
    try:
        return await work
    except ItemException as error:
        return error
    except (Stale, UserError):
        raise
    except DBAPIError as error:
        if passes(error):
            return SystemException(protocol.LEDGER_AWAY, f"the ledger did not answer: {error.orig}")
        logger.exception("unexpected error")
        return SystemException("unexpected", f"{type(error).__name__}: {error.orig}")
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
    watchers: Sequence[Callable[[Database], object]] = ()
    """Called now and then, off the event loop: whatever one of all workers has to see to."""

    def __post_init__(self) -> None:
        """Prepare the signals between slots."""
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        self._asking = asyncio.Lock()
        self._empty = 0
        self._refused: set[str] = set()
        self._known: set[str] = set()

    def stop(self) -> None:
        """Take no more items; let those in work end within the grace time."""
        self._stopping.set()
        self._changed.set()

    async def run(self, run_ids: Sequence[int] | None = None, *, drain: bool = False) -> None:
        """Work until stopped.

        Args:
            run_ids: only these runs, and only until they are done and audited.
            drain: stop when nothing is left to do, of whatever run.
        """
        settings = self.settings
        await patiently(
            workers.register, self.database, self.name, "worker", slots=settings.slots, lease=settings.lease
        )
        with Heart(self.database, self.name, settings.lease) as heart:
            until_done = drain or run_ids is not None
            slots = [asyncio.create_task(self._slot(n, heart, run_ids, until_done)) for n in range(settings.slots)]
            watching = asyncio.create_task(self._watch())
            stop = asyncio.create_task(self._stopping.wait())
            await asyncio.wait({stop, asyncio.create_task(_all(slots))}, return_when=asyncio.FIRST_COMPLETED)
            if self._stopping.is_set():
                await self._leave("stopping")
                await asyncio.wait(slots, timeout=settings.grace.total_seconds())
            for task in (stop, watching, *slots):
                task.cancel()
            ends = await asyncio.gather(*slots, return_exceptions=True)
        await self._leave("stopped")
        for end in ends:
            if isinstance(end, Exception):
                raise end

    async def _leave(self, state: Literal["stopping", "stopped"]) -> None:
        with contextlib.suppress(DBAPIError):  # it will be seen that we do not beat any more
            await asyncio.to_thread(workers.leave, self.database, self.name, state)

    async def _watch(self) -> None:
        while True:
            for watcher in self.watchers:
                try:
                    problem = await contained(asyncio.to_thread(watcher, self.database))
                except UserError as error:  # about one of the things it watches; the others go on being watched
                    problem = SystemException("user_error", str(error))
                if isinstance(problem, ItemException):
                    logger.bind(event="watcher.failed").warning("{}: {}", watcher, problem.message)
            await asyncio.sleep(WATCH.total_seconds())

    async def _slot(self, slot: int, heart: Heart, run_ids: Sequence[int] | None, until_done: bool) -> None:
        while (task := await self._take(run_ids, until_done)) is not None:
            match task:
                case run_audit.DueAudit():
                    await self._audit(slot, heart, task)
                case claimed, asked_at:
                    await self._work(slot, heart, claimed, asked_at)
            self._changed.set()

    async def _take(
        self, run_ids: Sequence[int] | None, until_done: bool
    ) -> tuple[queue.Claim, float] | run_audit.DueAudit | None:
        """Wait for an item or a run to audit; None when there is nothing left, or to be taken, any more."""
        async with self._asking:  # idle slots ask through the first of them
            while not self._stopping.is_set():
                self._changed.clear()
                taken = await patiently(self._claim, run_ids)
                if taken is not None:
                    self._empty = 0
                    return taken
                refused, lease = tuple(self._refused), self.settings.lease
                due = await patiently(
                    run_audit.claim_audit, self.database, self.name, lease, run_ids=run_ids, refused=refused
                )
                if due is not None:
                    return due
                if until_done and not await patiently(queue.is_work_left, self.database, run_ids, refused):
                    return None
                await self._wait(run_ids)
        return None

    def _claim(self, run_ids: Sequence[int] | None) -> tuple[queue.Claim, float] | None:
        """Claim, and say from when the lease counts: from this question, not from one that was never answered."""
        asked_at = self.database.clock.monotonic()
        claimed = queue.claim(
            self.database, self.name, self.settings.lease, run_ids=run_ids, refused=tuple(self._refused)
        )
        return None if claimed is None else (claimed, asked_at)

    async def _wait(self, run_ids: Sequence[int] | None) -> None:
        """Wait until the next item or audit comes due, or something changed; longer each time that nothing did."""
        wake = await patiently(queue.next_wake, self.database, run_ids)
        now = self.database.clock.now()
        pause = min(POLL, FIRST_POLL * 2 ** min(self._empty, 10))
        self._empty += 1
        if wake is not None and wake > now:
            pause = max(FIRST_POLL, min(POLL, wake - now))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), pause.total_seconds())

    async def _work(self, slot: int, heart: Heart, claimed: queue.Claim, asked_at: float) -> None:
        """Work one claimed item and settle it."""
        with bound(run=claimed.run_id, item=claimed.item_id, reference=claimed.reference, attempt=claimed.fence):
            try:
                workflow = await self._definition(claimed.definition_hash)
            except UserError as error:
                await self._refuse(claimed, error)
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
                await self._settle(claimed, attempt.released(), workflow, patient=False)
                raise
            finally:
                heart.drop(claimed.item_id, claimed.fence)
            await self._settle(claimed, end, workflow)

    async def _definition(self, definition_hash: str) -> Workflow:
        workflow = await patiently(self.definitions, definition_hash)
        if definition_hash not in self._known:
            self._known.add(definition_hash)
            await patiently(workers.accept, self.database, definition_hash)
        return workflow

    async def _refuse(self, claimed: queue.Claim, error: UserError) -> None:
        """Leave the items of a definition that this worker cannot load to others: another version may know it."""
        self._refused.add(claimed.definition_hash)
        logger.bind(event="definition.refused", definition=claimed.definition_hash).error(
            "{}: this worker leaves its items to others: {}", claimed.workflow, error
        )
        await patiently(workers.refuse, self.database, self.name, claimed.workflow, claimed.definition_hash, str(error))
        await self._settle(claimed, protocol.Settlement("released", reason="definition_refused"), None)

    async def _attempt(self, slot: int, heart: Heart, workflow: Workflow, attempt: Attempt) -> protocol.Settlement:
        span, claimed = workflow.app.commits.submit_timeout, attempt.claimed
        hands = await self.office.hands(workflow, slot)
        return await attempt.work(hands, lambda: heart.outlives(claimed.item_id, claimed.fence, span))

    def _after(
        self, workflow: Workflow, claimed: queue.Claim, attempt: Attempt, error: ItemException
    ) -> protocol.Settlement:
        draw = random.Random(f"{claimed.item_id}/{claimed.fence}").random()  # noqa: S311 - repeatable jitter
        wait = next_try(workflow.retry, claimed.failures + 1, error, draw=draw)
        return attempt.after(error, wait)

    async def _settle(
        self, claimed: queue.Claim, end: protocol.Settlement, workflow: Workflow | None, *, patient: bool = True
    ) -> None:
        """Settle; who is being stopped does not wait for a ledger that is away, for the lease runs out by itself."""
        ask = patiently if patient else asyncio.to_thread
        try:
            opened = await ask(protocol.settle, self.database, claimed, end, app=workflow.app if workflow else None)
        except Stale as error:
            logger.bind(event="item.stale").warning("{}; the other worker decides", error)
            return
        except DBAPIError as error:
            if patient:
                raise
            logger.bind(event="item.not_released").warning("others wait for its lease to run out: {}", error.orig)
            return
        level = "INFO" if end.outcome == "passed" else "WARNING"
        logger.bind(event="item.settled", outcome=end.outcome, reason=end.reason).log(
            level, "{} {}{}", claimed.reference, end.outcome, f" ({end.reason}: {end.message})" if end.reason else ""
        )
        if opened and workflow is not None:
            breaker = workflow.app.breaker
            logger.bind(event="breaker.opened", app=claimed.app).error(
                "{}: {} consecutive system exceptions; nothing is started for {:g} s",
                claimed.app,
                breaker.failures,
                breaker.pause.total_seconds(),
            )
        if self.on_settled is not None:
            self.on_settled(claimed, end)

    async def _audit(self, slot: int, heart: Heart, due: run_audit.DueAudit) -> None:
        """Audit one finished run."""
        try:
            counts = await contained(self._read_list(slot, heart, due)) if due.items else {}
        except asyncio.CancelledError:
            with contextlib.suppress(DBAPIError):  # its lease runs out by itself
                await asyncio.to_thread(run_audit.give_back, self.database, due, timedelta())
            raise
        except UserError as error:
            self._refused.add(due.definition_hash)
            await patiently(run_audit.give_back, self.database, due, timedelta())
            logger.bind(event="definition.refused", run=due.run_id).error("run audit left to others: {}", error)
            return
        if isinstance(counts, ItemException):
            logger.bind(event="run.audit_failed", run=due.run_id).warning("the run audit failed: {}", counts.message)
            await patiently(run_audit.give_back, self.database, due, AUDIT_RETRY, counts.message)
            return
        try:
            result = await patiently(run_audit.close_audit, self.database, self.name, due, counts)
        except Stale as error:
            logger.bind(event="run.audit_stale", run=due.run_id).warning("{}", error)
            return
        logger.bind(event="run.audited", run=due.run_id).log(
            "ERROR" if result.unforeseen else "INFO" if result.as_expected == result.keys else "WARNING",
            "run audit: {} of {} keys as expected, {} missing, {} duplicate",
            result.as_expected,
            result.keys,
            len(result.missing),
            len(result.duplicates),
        )

    async def _read_list(self, slot: int, heart: Heart, due: run_audit.DueAudit) -> dict[int, int]:
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
        limit = max(AUDIT_LIMIT, workflow.app.timeout * len(views))
        with heart.auditing(due.run_id, limit):
            async with asyncio.timeout(limit.total_seconds()):
                await hands.begin(views[0])
                try:
                    return await hands.listed(views)
                finally:
                    await hands.end(None)
