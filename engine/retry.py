"""Whether and when an attempt is followed by another: a pure decision, no clock and no waiting.

The wait itself is a column of the ledger (`available_at`), so that a restart loses nothing.
"""

from __future__ import annotations

from datetime import timedelta

from engine.definition import Retry
from engine.errors import BusinessException, ItemException


def next_try(policy: Retry, attempt: int, error: ItemException, *, draw: float) -> timedelta | None:
    """Return the wait before the next attempt, or None if there is none and a person decides.

    A commit whose outcome is unknown gets a wait like any system exception; that its next attempt begins with
    recovery, and never with a second send, is the commit protocol's affair.

    Args:
        policy: the workflow's `retry:`.
        attempt: the number of the attempt that failed, counted from 1.
        error: how it failed.
        draw: a random number in [0, 1), by which jitter shortens the wait by up to half.

    Raises:
        ValueError: `attempt` or `draw` is out of range.
    """
    if attempt < 1 or not 0 <= draw < 1:
        raise ValueError(f"attempt {attempt} must be 1 or more, draw {draw} in [0, 1)")
    if isinstance(error, BusinessException) or attempt >= policy.attempts:
        return None
    wait = _backed_off(policy, attempt)
    return wait * (1 - draw / 2) if policy.jitter else wait


def _backed_off(policy: Retry, attempt: int) -> timedelta:
    limit = policy.max_wait.total_seconds()
    seconds = min(policy.wait.total_seconds(), limit)
    for _ in range(attempt - 1):  # step by step, because factor ** attempt may be no number at all
        seconds = min(seconds * policy.factor, limit) if seconds else 0.0
    return timedelta(seconds=seconds)
