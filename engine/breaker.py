"""When an application is left alone: a pure decision over the count of consecutive system exceptions.

The count and the end of the pause are columns of the ledger. After a pause one more failure pauses again, one success
closes the breaker: no half-open state is needed.
"""

from __future__ import annotations

from datetime import timedelta

from engine.definition import BreakerPolicy


def after_failure(policy: BreakerPolicy, failures: int) -> timedelta | None:
    """Return how long to start nothing after `failures` consecutive system exceptions, or None to go on."""
    return policy.pause if failures >= policy.failures else None
