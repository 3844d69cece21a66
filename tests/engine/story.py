"""One worker's walk over a simulated application, an attempt at a time, on a clock that tests move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from engine.attempt import Attempt
from engine.errors import ItemException, SystemException
from engine.evidence import EvidenceStore
from engine.ledger import tables as t
from engine.ledger.protocol import Settlement
from engine.ledger.queue import Claim, next_wake
from engine.retry import next_try
from tests.engine.conftest import LEASE, Bench
from tests.engine.simulated_app import Application, Comparing, SimulatedHands


@dataclass
class Story:
    """A bench, an application and hands; `attempt` is what a worker does with one item."""

    bench: Bench
    app: Application
    store: EvidenceStore
    errors: list[ItemException] = field(default_factory=list)
    holds_lease: Callable[[], bool] | None = None
    claimed: Claim | None = None

    async def attempt(self, worker: str = "worker-1") -> Settlement:
        """Claim, work and settle one item; returns how it ended."""
        bench = self.bench
        self.claimed = claimed = bench.claim(worker)
        lease_end = bench.clock.now() + LEASE
        span = bench.workflow.app.commits.submit_timeout
        work = Attempt(bench.database, bench.workflow, claimed, self.store, Comparing())
        hands = SimulatedHands(self.app, bench.workflow)
        holds = self.holds_lease or (lambda: bench.clock.now() + span < lease_end)
        try:
            end = await work.work(hands, holds)
        except (ItemException, RuntimeError) as error:  # what the worker's settle boundary makes of it
            known = error if isinstance(error, ItemException) else SystemException("unexpected", str(error))
            self.errors.append(known)
            await work.keep_failure(known)
            end = work.after(known, next_try(bench.workflow.retry, claimed.failures + 1, known, draw=0))
        bench.settle(claimed, end)
        return end

    async def to_the_end(self, most: int = 30) -> Settlement:
        """Go on, waiting as the ledger says, until the item is closed."""
        for _ in range(most):
            wake = next_wake(self.bench.database)
            if wake is not None and wake > self.bench.clock.now():
                self.bench.clock.advance(wake - self.bench.clock.now())
            end = await self.attempt()
            if end.outcome in {"passed", "review"}:
                return end
        raise AssertionError(f"not closed after {most} attempts: {[str(error) for error in self.errors]}")

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.bench.clock.advance(timedelta(seconds=seconds))

    @property
    def item(self) -> Any:
        """The only item's row."""
        return self.bench.one(t.items)

    @property
    def intents(self) -> list[str | None]:
        """What became of each intent, oldest first."""
        return [row.outcome for row in self.bench.rows(t.intents)]
