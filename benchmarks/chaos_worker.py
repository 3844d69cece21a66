"""The process that `benchmarks.chaos` torments: `runner.py` with its arguments, and four things for the benchmark only.

It loads everything and then waits for a line on standard input, so that a stranger's start-up costs nobody time; it
ends when standard input does, so that nothing outlives the benchmark; its wall clock (not the monotonic one) is off by
the seconds that the file named by CHAOS_CLOCK says, whenever it says so; its browsers name their process to the portal.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

from playwright.async_api import Browser

import engine.clock
import runner
from fixtures.portal.arrivals import SENDER

CLOCK = Path(os.environ["CHAOS_CLOCK"])
_TRUE_TIME, _TRUE_TIME_NS, _TRUE_GETTIME, _TRUE_GETTIME_NS = (
    time.time,
    time.time_ns,
    time.clock_gettime,
    time.clock_gettime_ns,
)
_BILLION = 1_000_000_000


def offset() -> float:
    """Return by how many seconds this process's wall clock is wrong at present."""
    try:
        return float(CLOCK.read_text(encoding="ascii") or 0)
    except OSError:
        return 0.0


class _WrongDatetime(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.fromtimestamp(_TRUE_TIME() + offset(), tz)


def _gettime(clock: int) -> float:
    return _TRUE_GETTIME(clock) + (offset() if clock == time.CLOCK_REALTIME else 0.0)


def _gettime_ns(clock: int) -> int:
    return _TRUE_GETTIME_NS(clock) + (int(offset() * _BILLION) if clock == time.CLOCK_REALTIME else 0)


def _bend_the_wall_clock() -> None:
    replaced: dict[str, Callable[..., Any]] = {
        "time": lambda: _TRUE_TIME() + offset(),
        "time_ns": lambda: _TRUE_TIME_NS() + int(offset() * _BILLION),
        "clock_gettime": _gettime,
        "clock_gettime_ns": _gettime_ns,
    }
    for name, function in replaced.items():
        setattr(time, name, function)
    if hasattr(engine.clock, "datetime"):
        engine.clock.datetime = _WrongDatetime


def _name_the_sender() -> None:
    plain = Browser.new_context

    async def named(browser: Browser, **options: Any) -> Any:
        headers = {SENDER.decode("ascii"): str(os.getpid())}
        return await plain(browser, **options, extra_http_headers=headers)

    Browser.new_context = named  # type: ignore[assignment,method-assign]


def _end_with_parent() -> None:
    while os.read(0, 1024):  # not through sys.stdin, whose lock Python wants when it ends
        continue
    os.killpg(os.getpgid(0), signal.SIGKILL)


def main() -> None:
    """Wait for the word, then be a `runner.py` whose clock is wrong."""
    _bend_the_wall_clock()
    _name_the_sender()
    if not sys.stdin.buffer.readline():
        return
    threading.Thread(target=_end_with_parent, daemon=True).start()
    runner.main()


if __name__ == "__main__":
    main()
