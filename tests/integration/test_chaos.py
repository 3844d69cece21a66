"""Killed, frozen and woken, its database restarted, its disk full: the short form of `python -m benchmarks.chaos`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.chaos_outcome import judge
from benchmarks.chaos_run import Kind, Plan, torment
from engine.ledger.database import Database
from fixtures.postgres import PostgresServer, server_binaries

FAULTS = (
    {"fault": "error_after_commit", "every": 7, "times": 10_000},
    {"fault": "cut_after_commit", "every": 9, "times": 10_000},
)


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("database", "blows"),
    [
        ("sqlite", {"kills": 2, "stops": 1, "disk_full": 1}),
        ("postgresql", {"kills": 2, "restarts": 1, "clock_jumps": 1}),
    ],
)
def test_whatever_befalls_the_workers_nothing_is_lost_and_nothing_is_entered_twice(
    database: str, blows: dict[Kind, int], tmp_path: Path
) -> None:
    if database == "postgresql" and server_binaries() is None:
        pytest.skip("no PostgreSQL server binaries here; `make setup` as root installs them")
    with ExitStack() as stack:
        server = stack.enter_context(PostgresServer()) if database == "postgresql" else None
        plan = Plan("postgresql" if server else "sqlite", 2, 16, blows, seed=5, slots=2, faults=FAULTS)
        left = torment(plan, tmp_path, server)
    assert (left.lost, left.duplicates, left.stale_sends) == ((), (), ())
    assert left.done.kills == 2
    assert left.orphaned > 0, "no blow hit an item in work"
    assert sum(left.states.values()) == left.items == 16
    assert left.sends >= left.states["passed"] > 0


def test_a_record_that_no_item_was_made_of_is_lost(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "ledger.db"))
    database.upgrade()
    assert judge(database, [], [], {}, 7.0, expected=["ACME/1"])["lost"] == ("ACME/1 (never became an item)",)
    database.close()
