"""SIGKILL in the middle of everything: the short form of `python -m benchmarks.crash`."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.crash import crash


@pytest.mark.timeout(400)
def test_killed_three_times_nothing_is_lost_and_nothing_is_entered_twice(tmp_path: Path) -> None:
    faults = ({"fault": "error_after_commit", "every": 7, "times": 10_000}, {"fault": "cut_after_commit", "every": 9})
    left = crash(tmp_path, count=16, kills=3, seed=5, slots=2, faults=faults)
    assert (left.lost, left.duplicates) == (0, 0)
    assert left.kills == 3
    assert left.orphaned > 0, "no kill hit an item in work"
    assert sum(left.states.values()) == left.items == 16
