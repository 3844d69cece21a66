from __future__ import annotations

from datetime import UTC, timedelta

from engine.clock import ManualClock, SystemClock


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
