"""The one clock: every component asks it for the time, so that tests move time instead of waiting."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol


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
        """Return the host's monotonic seconds."""
        return time.monotonic()


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
