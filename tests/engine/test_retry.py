from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.breaker import after_failure
from engine.definition import BreakerPolicy, Retry
from engine.errors import (
    BusinessException,
    ItemException,
    NotSent,
    Rejected,
    SessionLost,
    SystemException,
    UnknownOutcome,
)
from engine.retry import next_try

DOWN = SystemException("page_timeout", "the page did not answer")
WRONG = BusinessException("unknown_supplier", "no such supplier", field="supplier")


def policy(
    attempts: int = 5, wait: str = "5s", factor: float = 2, max_wait: str = "30s", *, jitter: bool = False
) -> Retry:
    return Retry.model_validate(
        {"attempts": attempts, "wait": wait, "factor": factor, "max_wait": max_wait, "jitter": jitter}
    )


def seconds(wait: timedelta | None) -> float | None:
    return None if wait is None else wait.total_seconds()


@pytest.mark.parametrize(
    ("retry", "attempt", "error", "draw", "expected"),
    [
        (policy(), 1, DOWN, 0.0, 5),
        (policy(), 2, DOWN, 0.0, 10),
        (policy(), 3, DOWN, 0.0, 20),
        (policy(), 4, DOWN, 0.0, 30),
        (policy(), 5, DOWN, 0.0, None),
        (policy(), 6, DOWN, 0.0, None),
        (policy(attempts=1), 1, DOWN, 0.0, None),
        (policy(), 1, WRONG, 0.0, None),
        (policy(), 1, Rejected("invalid", "the date is in the future"), 0.0, None),
        (policy(), 1, SessionLost("session_lost", "logged out"), 0.0, 5),
        (policy(), 1, NotSent("not_sent", "the button was covered"), 0.0, 5),
        (policy(), 1, UnknownOutcome("unknown", "no answer"), 0.0, 5),
        (policy(factor=1), 4, DOWN, 0.0, 5),
        (policy(wait="0s"), 4, DOWN, 0.0, 0),
        (policy(wait="60s"), 1, DOWN, 0.0, 30),
        (policy(attempts=20, factor=1e300), 19, DOWN, 0.0, 30),
        (policy(jitter=True), 1, DOWN, 0.0, 5),
        (policy(jitter=True), 1, DOWN, 0.5, 3.75),
        (policy(jitter=False), 1, DOWN, 0.5, 5),
    ],
)
def test_the_table_of_waits(
    retry: Retry, attempt: int, error: ItemException, draw: float, expected: float | None
) -> None:
    assert seconds(next_try(retry, attempt, error, draw=draw)) == expected


@pytest.mark.parametrize(("attempt", "draw"), [(0, 0.0), (-1, 0.0), (1, 1.0), (1, -0.1)])
def test_numbers_out_of_range_are_refused(attempt: int, draw: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        next_try(policy(), attempt, DOWN, draw=draw)


durations = st.timedeltas(timedelta(0), timedelta(days=7))
policies = st.builds(
    Retry,
    attempts=st.integers(1, 20),
    wait=durations,
    factor=st.floats(1, 1e300),
    max_wait=durations,
    jitter=st.booleans(),
)
draws = st.floats(0, 1, exclude_max=True)
attempts = st.integers(1, 25)


@given(policies, attempts, draws)
def test_a_wait_is_never_negative_never_over_the_maximum_and_ends_with_the_attempts(
    retry: Retry, attempt: int, draw: float
) -> None:
    wait = next_try(retry, attempt, DOWN, draw=draw)

    assert (wait is None) == (attempt >= retry.attempts)
    assert wait is None or timedelta(0) <= wait <= retry.max_wait


@given(policies, st.integers(1, 18))
def test_without_jitter_waits_never_become_shorter(retry: Retry, attempt: int) -> None:
    patient = retry.model_copy(update={"attempts": 20, "jitter": False})
    first, second = (next_try(patient, number, DOWN, draw=0.0) for number in (attempt, attempt + 1))

    assert first is not None
    assert second is not None
    assert first <= second


@given(policies, st.integers(1, 19), draws)
def test_jitter_takes_at_most_half_and_only_ever_shortens(retry: Retry, attempt: int, draw: float) -> None:
    jittery = retry.model_copy(update={"attempts": 20, "jitter": True})
    full, short = next_try(jittery, attempt, DOWN, draw=0.0), next_try(jittery, attempt, DOWN, draw=draw)

    assert full is not None
    assert short is not None
    assert full / 2 - timedelta(microseconds=1) <= short <= full


@given(policies, attempts, draws)
def test_a_business_exception_is_never_retried(retry: Retry, attempt: int, draw: float) -> None:
    assert next_try(retry, attempt, WRONG, draw=draw) is None


def test_five_failures_in_a_row_leave_the_application_alone() -> None:
    breaker = BreakerPolicy.model_validate({"failures": 5, "pause": "60s"})
    assert [seconds(after_failure(breaker, failures)) for failures in (0, 4, 5, 6)] == [None, None, 60, 60]
