"""The one clock: every component asks it for the time, so that tests move time instead of waiting."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

_QUICK = 0.2
"""Seconds; an answer that took longer is asked for again."""
_QUESTIONS = 3


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> datetime:
        """Return the present instant, timezone-aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go backwards; only differences mean anything."""
        ...


class SystemClock:
    """The host's clock."""

    def now(self) -> datetime:
        """Return the host's present instant in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - the one place that may ask the host

    def monotonic(self) -> float:
        """Return the host's seconds since boot, those of a suspended machine included.

        While a machine sleeps its leases run out elsewhere; a clock that stood still meanwhile would not know.
        """
        return time.clock_gettime(time.CLOCK_BOOTTIME)


class SharedClock:
    """The time that every process of one ledger agrees on: asked once of an authority, then counted on by ourselves.

    A step of this host's wall clock changes nothing here: between two questions only the seconds since boot are used.
    """

    def __init__(self, ask: Callable[[], datetime]) -> None:
        """Prepare; `ask` returns the authority's present instant and is called at the first `now`."""
        self._ask = ask
        self._host = SystemClock()
        self._told: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        """Return the authority's present instant in UTC, as of the last question and the seconds since."""
        if self._told is None:
            self.synchronise()
        if self._told is None:
            raise RuntimeError("the clock's authority did not answer")
        instant, at = self._told
        return instant + timedelta(seconds=self.monotonic() - at)

    def monotonic(self) -> float:
        """Return the host's seconds since boot."""
        return self._host.monotonic()

    def synchronise(self) -> timedelta:
        """Ask the authority again; return by how much it has moved against our own counting.

        Nobody knows at which moment of a slow answer the instant was read: the quickest of a few answers counts.
        """
        took, instant, at = self._question()
        for _ in range(_QUESTIONS - 1):
            if took <= _QUICK:
                break
            took, instant, at = min((took, instant, at), self._question())
        before = self._told
        self._told = instant, at
        if before is None:
            return timedelta()
        return instant - (before[0] + timedelta(seconds=self._told[1] - before[1]))

    def _question(self) -> tuple[float, datetime, float]:
        """Return how many seconds the answer took, the instant, and our own seconds half way through."""
        asked = self.monotonic()
        instant = self._ask()
        answered = self.monotonic()
        return answered - asked, instant, (asked + answered) / 2


@dataclass
class ManualClock:
    """A clock that stands still until a test moves it."""

    instant: datetime = field(default=datetime(2026, 1, 5, 8, 0, tzinfo=UTC))
    elapsed: float = 0.0

    def now(self) -> datetime:
        """Return the instant the test has set."""
        return self.instant

    def monotonic(self) -> float:
        """Return the seconds by which the test has moved time forward."""
        return self.elapsed

    def advance(self, by: timedelta) -> None:
        """Move both readings forward."""
        self.instant += by
        self.elapsed += by.total_seconds()
