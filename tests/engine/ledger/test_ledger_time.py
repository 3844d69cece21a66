"""One time for all processes of a ledger, whatever happens to their hosts' clocks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import engine.clock
from engine.clock import SharedClock, SystemClock
from engine.ledger import workers
from engine.ledger.database import Database
from engine.ledger.queue import claim
from engine.ledger.runs import open_run
from tests.engine.conftest import LEASE, invoice, make_workflow

SOON = timedelta(milliseconds=500)


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Move the host's wall clock by so much; the seconds since boot go on as they do."""

    def move(by: timedelta) -> None:
        monkeypatch.setattr(SystemClock, "now", lambda _: datetime.now(UTC) + by)  # noqa: TID251 - it is the wall

    return move


@pytest.fixture
def path(migrated: Path, tmp_path: Path) -> str:
    path = tmp_path / "ledger.db"
    path.write_bytes(migrated.read_bytes())
    return str(path)


def test_processes_agree_although_the_wall_clock_jumped_between_their_starts(
    path: str, wall: Callable[[timedelta], None]
) -> None:
    first = Database(path)
    workers.register(first, "anna", "worker", slots=1, lease=LEASE)
    for jump in (timedelta(minutes=10), timedelta(minutes=-30)):
        wall(jump)
        second = Database(path)
        assert abs(second.clock.now() - first.clock.now()) < SOON
        first.synchronise()
        assert abs(second.clock.now() - first.clock.now()) < SOON
        second.close()
    first.close()


def test_a_lease_is_not_taken_for_expired_because_the_clock_was_put_forward(
    path: str, wall: Callable[[timedelta], None]
) -> None:
    first = Database(path)
    open_run(first, make_workflow(), [invoice(1)], trigger="test")
    assert claim(first, "anna", LEASE) is not None
    wall(timedelta(hours=1))
    second = Database(path)
    assert claim(second, "ben", LEASE) is None
    first.close()
    second.close()


def test_when_nobody_works_the_ledger_follows_its_hosts_clock(path: str, wall: Callable[[timedelta], None]) -> None:
    first = Database(path)
    before = first.clock.now()
    first.close()
    wall(timedelta(hours=1))
    second = Database(path)
    # the host itself may set its clock back by some milliseconds between the two readings
    assert timedelta(hours=1) - SOON <= second.clock.now() - before < timedelta(hours=1) + SOON * 20
    second.close()


def test_after_a_boot_the_time_is_anchored_anew(
    path: str, monkeypatch: pytest.MonkeyPatch, wall: Callable[[timedelta], None]
) -> None:
    first = Database(path)
    before = first.clock.now()
    workers.register(first, "anna", "worker", slots=1, lease=LEASE)
    first.close()
    monkeypatch.setattr("engine.ledger.ledger_time._boot_id", lambda: "another boot")
    wall(timedelta(minutes=5))
    second = Database(path)
    assert timedelta(minutes=5) <= second.clock.now() - before < timedelta(minutes=5) + SOON * 20
    second.close()


def test_on_a_server_its_clock_decides(postgres_url: Callable[[str], str], wall: Callable[[timedelta], None]) -> None:
    wall(timedelta(hours=-3))
    database = Database(postgres_url("ledger"))
    assert abs(database.clock.now() - datetime.now(UTC)) < SOON  # noqa: TID251 - the server is on this host
    database.synchronise()
    assert abs(database.clock.now() - datetime.now(UTC)) < SOON  # noqa: TID251
    database.close()


def test_between_two_questions_only_the_seconds_since_boot_count(monkeypatch: pytest.MonkeyPatch) -> None:
    told = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
    asked: list[datetime] = []
    clock = SharedClock(lambda: asked.append(told) or told)  # type: ignore[func-returns-value]
    seconds = [100.0]
    monkeypatch.setattr(engine.clock.SystemClock, "monotonic", lambda _: seconds[0])
    assert clock.now() == told
    seconds[0] += 90
    assert clock.now() == told + timedelta(seconds=90)
    assert len(asked) == 1
    assert clock.synchronise() == timedelta(seconds=-90)
    assert clock.now() == told
