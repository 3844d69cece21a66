"""When an application is left alone: a pure decision over the count of consecutive system exceptions.

The count and the end of the pause are columns of the ledger. After a pause one more failure pauses again, one success
closes the breaker: no half-open state is needed.
"""

from __future__ import annotations

from datetime import timedelta

from engine.definition import BreakerPolicy
from engine.errors import ItemException, SystemException


def consecutive(previous: int, error: ItemException | None) -> int:
    """Return the new count after an attempt; None is a success.

    A business exception starts again at zero: the application answered, only the data was wrong.
    """
    return previous + 1 if isinstance(error, SystemException) else 0


def after_failure(policy: BreakerPolicy, failures: int) -> timedelta | None:
    """Return how long to start nothing after `failures` consecutive system exceptions, or None to go on."""
    return policy.pause if failures >= policy.failures else None
