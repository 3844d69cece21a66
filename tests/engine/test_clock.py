from __future__ import annotations

from datetime import UTC, datetime, timedelta

from engine.clock import ManualClock, SharedClock, SystemClock


def test_a_manual_clock_moves_only_when_told() -> None:
    clock = ManualClock()
    before, elapsed = clock.now(), clock.monotonic()
    assert (clock.now(), clock.monotonic()) == (before, elapsed)
    clock.advance(timedelta(minutes=2))
    assert (clock.now() - before, clock.monotonic() - elapsed) == (timedelta(minutes=2), 120.0)


def test_clocks_speak_utc_and_never_go_back() -> None:
    for clock in (SystemClock(), ManualClock()):
        assert clock.now().tzinfo is UTC
        readings = [clock.monotonic() for _ in range(100)]
        assert readings == sorted(readings)


def test_the_first_answer_of_a_server_that_takes_its_time_to_connect_does_not_set_the_clock() -> None:
    authority, took = ManualClock(), [8.0, 0.004, 0.004]
    host = ManualClock()

    def ask() -> datetime:
        seconds = took.pop(0)
        for clock in (authority, host):
            clock.advance(timedelta(seconds=seconds))  # connected at last, and only then was the time read
        return authority.now()

    clock = SharedClock(ask)
    clock._host = host  # type: ignore[assignment]
    assert clock.now() - authority.now() <= timedelta(milliseconds=2)
    assert took == [0.004], "asked once more, and not for ever"
