"""Keeps leases alive from a thread of its own: an event loop that is blocked must not lose its items."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from loguru import logger
from sqlalchemy.exc import SQLAlchemyError

from engine.ledger import queue
from engine.ledger.database import Database


@dataclass
class _Held:
    leased_until: float
    """Monotonic seconds up to which the ledger has promised us the item."""
    give_up_at: float
    """Monotonic seconds after which the lease is no longer extended: the item's time limit."""


class Heart:
    """One beat thread for all items of one worker process; use as a context manager."""

    def __init__(self, database: Database, worker: str, lease: timedelta) -> None:
        """Prepare; nothing beats before the context is entered."""
        self._database = database
        self._worker = worker
        self._lease = lease
        self._held: dict[tuple[int, int], _Held] = {}
        """By item and fence: a slot that lost an item must not speak for the slot of this process that took it up."""
        self._audits: dict[int, float] = {}
        """Run to the monotonic seconds after which its audit's lease is no longer extended."""
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat_for_ever, name="heart", daemon=True)

    def __enter__(self) -> Self:
        """Start beating."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop beating; the leases run out by themselves."""
        self._stop.set()
        self._thread.join()

    def hold(self, item_id: int, fence: int, claimed_at: float, limit: timedelta) -> None:
        """Start extending an item's lease, up to its time limit.

        Args:
            item_id: the item.
            fence: the claim's fence.
            claimed_at: monotonic seconds just before the claim was made.
            limit: hard limit of the attempt.
        """
        leased_until = claimed_at + self._lease.total_seconds()
        with self._lock:
            self._held[item_id, fence] = _Held(leased_until, claimed_at + limit.total_seconds())

    def drop(self, item_id: int, fence: int) -> None:
        """Stop extending an item's lease."""
        with self._lock:
            self._held.pop((item_id, fence), None)

    @contextmanager
    def auditing(self, run_id: int, limit: timedelta) -> Iterator[None]:
        """Extend the lease of a run's audit while it is made, up to a limit."""
        with self._lock:
            self._audits[run_id] = self._database.clock.monotonic() + limit.total_seconds()
        try:
            yield
        finally:
            with self._lock:
                self._audits.pop(run_id, None)

    def outlives(self, item_id: int, fence: int, span: timedelta) -> bool:
        """Say whether the item's lease is this claim's for at least this long."""
        with self._lock:
            held = self._held.get((item_id, fence))
        return held is not None and held.leased_until > self._database.clock.monotonic() + span.total_seconds()

    def beat(self) -> None:
        """Say that the worker lives, and extend every held lease once."""
        started = self._database.clock.monotonic()
        with self._lock:
            pairs = [pair for pair, held in self._held.items() if held.give_up_at > started]
            audits = [run_id for run_id, give_up_at in self._audits.items() if give_up_at > started]
        self._database.synchronise()
        lost = queue.extend(self._database, self._worker, pairs, self._lease, audits)
        with self._lock:
            for pair in pairs:
                held = self._held.get(pair)
                if held is not None:
                    held.leased_until = -math.inf if pair in lost else started + self._lease.total_seconds()

    def _beat_for_ever(self) -> None:
        while not self._stop.wait(self._lease.total_seconds() / 6):
            try:
                self.beat()
            except SQLAlchemyError as error:  # whatever the ledger says: without this thread every item would be lost
                logger.bind(event="heart.missed").warning("could not extend leases: {}", getattr(error, "orig", error))
