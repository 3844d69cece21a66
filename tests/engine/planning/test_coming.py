from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.definition import Time, Workflow
from engine.errors import UserError
from engine.ledger.schedules import ScheduleRow
from engine.planning.coming import Coming, coming_runs
from engine.rate import Rate
from tests.engine.conftest import make_workflow

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)


def row(workflow: str = "invoice-entry", **what: Any) -> ScheduleRow:
    written = {"cron": "0 6,12 * * *", "timezone": "Europe/Berlin"}
    known: dict[str, Any] = {
        "path": f"/definitions/{workflow}.yaml",
        "written": written,
        "changed": None,
        "state": "active",
        "pauses": [],
        "skip_after": None,
        "since": MONDAY,
        "walked_to": MONDAY,
        "changed_by": None,
        "changed_at": None,
    }
    return ScheduleRow(workflow, **known | what)


def load(path: Path) -> Workflow:
    if path.stem == "broken":
        raise UserError("broken.yaml:1:1: no such step")
    return make_workflow(
        name=path.stem, priority=3, max_sessions=2, rate=Rate(30, "m"), time=Time(due=timedelta(hours=2))
    )


def coming(*rows: ScheduleRow, hours: float = 24) -> Coming:
    return coming_runs(rows, MONDAY, MONDAY + timedelta(hours=hours), load)


def fires(found: Coming) -> list[time]:
    return [run.fire_at.time() for run in found.runs]


def test_slots_become_runs_with_their_definitions_priority_deadline_and_application() -> None:
    found = coming(row())
    assert fires(found) == [time(5), time(11)]
    assert {(run.app, run.priority, run.due_at and run.due_at - run.fire_at) for run in found.runs} == {
        ("erp", 3, timedelta(hours=2))
    }
    assert (found.profiles["erp"].max_sessions, found.profiles["erp"].pace) == (2, timedelta(seconds=2))


def test_the_first_instant_is_in_and_the_last_one_is_not() -> None:
    assert fires(coming_runs([row()], MONDAY.replace(hour=5), MONDAY.replace(hour=11), load)) == [time(5)]


def test_the_cut_off_is_a_deadline_and_ends_the_days_slots() -> None:
    found = coming(row(changed={"cron": "0 6,9 * * *", "cut_off": "07:30"}))
    assert [(run.fire_at.hour, run.due_at) for run in found.runs] == [(6, MONDAY + timedelta(hours=7.5))]


@pytest.mark.parametrize(
    ("skip_after", "left"), [(MONDAY, [time(11)]), (MONDAY - timedelta(hours=20), [time(5), time(11)])]
)
def test_the_slot_that_is_to_be_skipped_is_not_among_them(skip_after: datetime, left: list[time]) -> None:
    assert fires(coming(row(skip_after=skip_after))) == left


def test_slots_in_a_pause_are_not_among_them() -> None:
    pause = [MONDAY.isoformat(), (MONDAY + timedelta(hours=8)).isoformat()]
    assert fires(coming(row(pauses=[pause]))) == [time(11)]


def test_what_is_not_in_it_is_said_with_the_reason_and_retired_ones_are_forgotten() -> None:
    found = coming(row("paused", state="paused"), row("broken"), row("gone", state="retired"))
    assert (found.runs, found.left_out) == ((), ("paused is paused", "broken: broken.yaml:1:1: no such step"))
