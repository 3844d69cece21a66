"""What becomes of each slot, on both databases: the clock is moved, the folder is real, nothing waits."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.clock import ManualClock
from engine.errors import UserError
from engine.ledger import schedules
from engine.ledger import tables as t
from engine.ledger.database import Database
from engine.ledger.incidents import Incident, incidents
from engine.ledger.slots import slot_rows
from engine.schedules.schedule import Schedule
from engine.timetable import Timetable
from tests.engine.conftest import Bench
from tests.engine.toy_registry import toy_registry

APP = "name: erp\nbase_url: https://erp.example\n"
WORKFLOW = """
name: {name}
app: erp
schedule: {{{schedule}}}
source: {{csv: invoices.csv, reference: "${{invoice_no}}"}}
fields: {{invoice_no: {{type: text, required: true}}}}
steps:
  - open: /invoices
time: {{due: 2h}}
"""
DAILY = 'cron: "0 6 * * *", timezone: Europe/Berlin'
HOURLY = 'cron: "0 * * * *", late_after: 5m'


@dataclass
class Desk:
    """A folder of definitions and a ledger that a scheduler looks after."""

    folder: Path
    database: Database
    clock: ManualClock

    def __post_init__(self) -> None:
        (self.folder / "apps").mkdir(parents=True)
        (self.folder / "apps" / "erp.yaml").write_text(APP, encoding="utf-8")
        self.records(2)
        self.clock.instant = datetime(2026, 1, 4, 12, tzinfo=UTC)
        self.timetable = self.scheduler("one")

    def scheduler(self, name: str) -> Timetable:
        """Return another process's view."""
        return Timetable(self.database, self.folder, toy_registry(), name)

    def write(self, schedule: str, name: str = "entry") -> None:
        """Write a definition; later than the one before, whatever the file system's resolution."""
        path = self.folder / f"{name}.yaml"
        before = path.stat().st_mtime_ns if path.exists() else 0
        path.write_text(WORKFLOW.format(name=name, schedule=schedule), encoding="utf-8")
        os.utime(path, ns=(before + 10**9, before + 10**9))

    def records(self, count: int) -> None:
        """Write the source."""
        rows = "".join(f"INV-{n}\n" for n in range(count))
        (self.folder / "invoices.csv").write_text(f"invoice_no\n{rows}", encoding="utf-8")

    def at(self, moment: str) -> None:
        """Move the clock (UTC) and let the scheduler look."""
        self.clock.instant = datetime.fromisoformat(moment).replace(tzinfo=UTC)
        self.timetable.tick_all()

    def told(self) -> list[tuple[str, str, str | None]]:
        """Return slots, oldest first: key, status, reason."""
        return [(row.slot, row.status, row.reason) for row in reversed(slot_rows(self.database))]

    def incidents(self) -> list[tuple[str, str]]:
        """Return what stands open: kind and key, oldest first."""
        return [(one.kind, one.key) for one in self.open_incidents()]

    def open_incidents(self) -> list[Incident]:
        """Return what stands open, oldest first."""
        return incidents(self.database)[::-1]


@pytest.fixture
def desk(tmp_path: Path, database: Database, clock: ManualClock) -> Desk:
    return Desk(tmp_path / "workflows", database, clock)


def test_a_slot_is_a_run_with_its_items_and_its_deadline(desk: Desk, bench: Bench) -> None:
    desk.write(DAILY)
    desk.at("2026-01-05T04:59:59")
    assert desk.told() == []
    desk.at("2026-01-05T05:00:10")
    desk.at("2026-01-05T05:00:40")
    run = bench.one(t.runs)
    assert (run.workflow, run.trigger, run.slot) == ("entry", "schedule", "2026-01-05T06:00")
    assert run.due_at == desk.clock.instant + timedelta(hours=2) - timedelta(seconds=30)
    assert [item.reference for item in bench.rows(t.items)] == ["INV-0", "INV-1"]
    (row,) = slot_rows(desk.database)
    assert (row.status, row.run_id, row.decided_by) == ("fired", run.id, "one")
    assert row.fire_at == datetime(2026, 1, 5, 5, tzinfo=UTC)
    assert desk.incidents() == []


def test_the_next_slot_adds_what_is_new(desk: Desk, bench: Bench) -> None:
    desk.write(DAILY)
    desk.at("2026-01-04T12:00")
    desk.at("2026-01-05T05:00")
    desk.records(3)
    desk.at("2026-01-06T05:00")
    assert [run.counts["enqueued"] for run in bench.rows(t.runs)] == [2, 1]


@pytest.mark.parametrize(
    ("policy", "statuses", "opened"),
    [
        ("none", ["missed", "missed", "missed"], ["schedule.missed"]),
        ("latest", ["missed", "missed", "fired"], ["schedule.missed", "schedule.late"]),
        ("all", ["fired", "fired", "fired"], ["schedule.late"] * 3),
    ],
)
def test_downtime_is_caught_up_as_the_policy_says_and_never_silent(
    desk: Desk, policy: str, statuses: list[str], opened: list[str]
) -> None:
    desk.write(f"{HOURLY}, catch_up: {policy}")
    desk.at("2026-01-05T08:30")
    desk.at("2026-01-05T11:45")
    assert [status for _, status, _ in desk.told()] == statuses
    assert [kind for kind, _ in desk.incidents()] == opened
    desk.at("2026-01-05T12:00:20")
    assert desk.told()[-1] == ("2026-01-05T12:00Z", "fired", None)


def test_a_schedule_with_days_to_catch_up_gives_way_to_others_and_goes_on(desk: Desk) -> None:
    desk.write(f"{HOURLY}, catch_up: all")
    desk.at("2026-01-05T00:30")
    desk.clock.instant = datetime(2026, 1, 5, 5, 30, tzinfo=UTC)
    assert desk.timetable.tick("entry", most=3) == datetime(2026, 1, 5, 3, tzinfo=UTC)
    assert len(desk.told()) == 3
    assert desk.timetable.tick("entry", most=3) == desk.clock.instant
    assert [told[1] for told in desk.told()] == ["fired"] * 5


def test_of_slots_that_wait_for_one_source_the_last_waits_and_the_others_are_one_incident(desk: Desk) -> None:
    desk.write(f"{HOURLY}, catch_up: all")
    desk.at("2026-01-05T08:30")
    (desk.folder / "invoices.csv").unlink()
    desk.at("2026-01-05T11:30")
    assert [told[1:] for told in desk.told()] == [("missed", "source"), ("missed", "source"), ("waiting", "source")]
    assert desk.incidents() == [
        ("schedule.missed", "2026-01-05T09:00Z"),
        ("schedule.failed", "2026-01-05T11:00Z"),
    ]


def test_missed_slots_are_one_incident_that_counts_them(desk: Desk) -> None:
    desk.write(HOURLY)
    desk.at("2026-01-05T08:30")
    desk.at("2026-01-06T08:01")
    (incident,) = desk.open_incidents()
    assert incident.data == {
        "count": 23,
        "first": "2026-01-05T09:00Z",
        "last": "2026-01-06T07:00Z",
        "reason": "catch_up",
    }
    assert "23 slots from 2026-01-05T09:00Z" in incident.message
    assert Counter(status for _, status, _ in desk.told()) == {"missed": 23, "fired": 1}


def test_without_catch_up_a_slot_in_time_starts_all_the_same(desk: Desk) -> None:
    desk.write(f"{HOURLY}, catch_up: none")
    desk.at("2026-01-05T08:30")
    desk.at("2026-01-05T09:04")
    assert desk.told() == [("2026-01-05T09:00Z", "fired", None)]
    assert desk.incidents() == []


def test_past_its_cut_off_a_slot_is_missed_and_before_it_that_is_the_deadline(desk: Desk, bench: Bench) -> None:
    desk.write(f'{DAILY}, cut_off: "07:00"')
    desk.at("2026-01-04T12:00")
    desk.at("2026-01-05T05:30")
    assert bench.one(t.runs).due_at == datetime(2026, 1, 5, 6, tzinfo=UTC)
    desk.at("2026-01-06T06:00")
    assert desk.told()[-1] == ("2026-01-06T06:00", "missed", "cut_off")
    assert desk.incidents() == [("schedule.late", "2026-01-05T06:00"), ("schedule.missed", "2026-01-06T06:00")]


def test_a_pause_is_not_caught_up_and_what_lies_around_it_is(desk: Desk) -> None:
    """Nobody looks while it is paused and resumed: what fell into the pause is known all the same."""
    desk.write(f"{HOURLY}, catch_up: all")
    desk.at("2026-01-05T08:30")
    desk.clock.instant = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
    schedules.pause(desk.database, "entry", "ana")
    desk.clock.instant = datetime(2026, 1, 5, 11, 30, tzinfo=UTC)
    schedules.resume(desk.database, "entry", "ben")
    desk.at("2026-01-05T12:30")
    assert [(status, reason) for _, status, reason in desk.told()] == [
        ("fired", None),
        ("skipped", "paused"),
        ("skipped", "paused"),
        ("fired", None),
    ]
    assert schedules.schedule(desk.database, "entry").pauses == []


def test_a_paused_schedule_goes_on_recording(desk: Desk) -> None:
    desk.write(HOURLY)
    desk.at("2026-01-05T08:30")
    schedules.pause(desk.database, "entry", "ana")
    desk.at("2026-01-05T09:00:20")
    assert desk.told() == [("2026-01-05T09:00Z", "skipped", "paused")]
    with pytest.raises(UserError, match=r"is paused \(by ana\)"):
        schedules.pause(desk.database, "entry", "ben")


def test_nothing_of_before_a_pause_starts_while_it_goes_on(desk: Desk) -> None:
    desk.write(f"{HOURLY}, catch_up: all")
    desk.at("2026-01-05T08:30")
    desk.clock.instant = datetime(2026, 1, 5, 10, 0, 1, tzinfo=UTC)
    schedules.pause(desk.database, "entry", "ana")
    desk.at("2026-01-05T10:00:10")
    assert [told[1:] for told in desk.told()] == [("missed", "paused"), ("skipped", "paused")]
    assert desk.incidents() == [("schedule.missed", "2026-01-05T09:00Z")]


def test_the_next_slot_is_skipped_once(desk: Desk) -> None:
    desk.write(HOURLY)
    desk.at("2026-01-05T08:30")
    schedules.skip_next(desk.database, "entry", "ana")
    schedules.skip_next(desk.database, "entry", "ana")
    desk.at("2026-01-05T09:00:20")
    desk.at("2026-01-05T10:00:20")
    assert desk.told() == [("2026-01-05T09:00Z", "skipped", "skip_next"), ("2026-01-05T10:00Z", "fired", None)]


@pytest.mark.parametrize(("overlap", "last"), [("queue", ("fired", None)), ("skip", ("skipped", "overlap"))])
def test_beside_an_unfinished_run_a_slot_starts_or_not(desk: Desk, overlap: str, last: tuple[str, str | None]) -> None:
    desk.write(f"{HOURLY}, overlap: {overlap}")
    desk.at("2026-01-05T08:30")
    desk.at("2026-01-05T09:00")
    desk.at("2026-01-05T10:00")
    assert desk.told()[-1][1:] == last


def test_a_slot_whose_source_cannot_be_read_waits_for_it(desk: Desk, bench: Bench) -> None:
    desk.write(HOURLY)
    source = desk.folder / "invoices.csv"
    source.rename(desk.folder / "away.csv")
    desk.at("2026-01-05T08:30")
    desk.at("2026-01-05T09:00")
    assert desk.told() == [("2026-01-05T09:00Z", "waiting", "source")]
    assert desk.incidents() == [("schedule.failed", "2026-01-05T09:00Z")]
    assert "invoices.csv" in desk.open_incidents()[0].message
    desk.at("2026-01-05T09:02")
    (desk.folder / "away.csv").rename(source)
    desk.at("2026-01-05T09:03")
    assert desk.told() == [("2026-01-05T09:00Z", "fired", None)]
    assert desk.incidents() == []
    assert bench.one(t.runs).slot == "2026-01-05T09:00Z"


def test_a_waiting_slot_gives_way_to_the_next(desk: Desk) -> None:
    desk.write(HOURLY)
    (desk.folder / "invoices.csv").write_text("number\n1\n", encoding="utf-8")
    desk.at("2026-01-05T08:30")
    desk.at("2026-01-05T09:00")
    desk.at("2026-01-05T10:00")
    assert [(status, reason) for _, status, reason in desk.told()] == [("missed", "source"), ("waiting", "source")]
    assert desk.incidents() == [
        ("schedule.missed", "2026-01-05T09:00Z"),
        ("schedule.failed", "2026-01-05T10:00Z"),
    ]


def test_a_waiting_slot_is_missed_at_its_cut_off_and_skipped_by_a_pause(desk: Desk) -> None:
    (desk.folder / "invoices.csv").unlink()
    desk.write(f'{DAILY}, cut_off: "07:00"')
    desk.at("2026-01-04T12:00")
    desk.at("2026-01-05T05:00")
    desk.at("2026-01-05T06:00")
    desk.at("2026-01-06T05:00")
    schedules.pause(desk.database, "entry", "ana")
    desk.at("2026-01-06T05:01")
    assert [(status, reason) for _, status, reason in desk.told()] == [("missed", "cut_off"), ("skipped", "paused")]
    assert desk.incidents() == [("schedule.missed", "2026-01-05T06:00")]


def test_the_night_of_the_autumn_change_has_one_slot_of_its_name(desk: Desk) -> None:
    desk.write('cron: "30 2 * * *", timezone: Europe/Berlin')
    desk.at("2026-10-24T22:00")
    for moment in ("2026-10-25T00:30", "2026-10-25T01:30", "2026-10-26T01:30"):
        desk.at(moment)
    assert [key for key, _, _ in desk.told()] == ["2026-10-25T02:30", "2026-10-26T02:30"]


def test_a_change_at_run_time_wins_over_the_file_until_it_is_reset(desk: Desk) -> None:
    desk.write(DAILY)
    desk.at("2026-01-05T04:00")
    new = Schedule(cron="0 10 * * *", timezone="UTC")
    schedules.change(desk.database, "entry", new, desk.timetable.tick("entry"), "ana")
    desk.write(DAILY.replace("0 6", "0 7"))
    desk.timetable = desk.scheduler("another process, later")
    desk.at("2026-01-05T10:00")
    row = schedules.schedule(desk.database, "entry")
    assert row.schedule == new
    assert (row.changed_by, row.written["cron"]) == ("ana", "0 7 * * *")
    schedules.change(desk.database, "entry", None, desk.timetable.tick("entry"), "ben")
    desk.at("2026-01-06T06:00")
    assert desk.told() == [("2026-01-05T10:00Z"[:-1], "fired", None), ("2026-01-06T07:00", "fired", None)]
    with pytest.raises(UserError, match="nothing to reset"):
        schedules.change(desk.database, "entry", None, desk.clock.instant, "ben")


def test_a_changed_file_begins_to_hold_when_it_is_seen(desk: Desk) -> None:
    """The slot that was due by the old text is decided by it; times of the new text before now never were slots."""
    desk.write(f"{HOURLY}, catch_up: all")
    desk.at("2026-01-05T08:30")
    desk.write('cron: "15 * * * *", catch_up: all')
    desk.timetable = desk.scheduler("restarted")
    desk.at("2026-01-05T09:30")
    desk.at("2026-01-05T10:15")
    assert [key for key, _, _ in desk.told()] == ["2026-01-05T09:00Z", "2026-01-05T10:15Z"]


def test_a_schedule_that_left_its_file_is_retired_and_may_come_back(desk: Desk) -> None:
    desk.write(HOURLY)
    desk.write(HOURLY, "other")
    desk.at("2026-01-05T08:30")
    (desk.folder / "entry.yaml").unlink()
    desk.at("2026-01-05T09:00")
    assert [row.state for row in schedules.schedules(desk.database)] == ["retired", "active"]
    with pytest.raises(UserError, match="retired"):
        schedules.skip_next(desk.database, "entry", "ana")
    desk.write(HOURLY)
    desk.at("2026-01-05T12:30")
    desk.at("2026-01-05T13:00")
    assert [row.slot for row in slot_rows(desk.database, "entry")] == ["2026-01-05T13:00Z"]


def test_a_broken_file_stops_its_own_schedule_and_is_an_incident_until_it_is_mended(desk: Desk) -> None:
    desk.write(HOURLY)
    desk.write(HOURLY, "other")
    desk.at("2026-01-05T08:30")
    desk.write('cron: "0 99 * * *"')
    desk.at("2026-01-05T09:00")
    assert [row.schedule for row in slot_rows(desk.database)] == ["other"]
    assert desk.incidents() == [("schedule.failed", "definition")]
    assert [row.state for row in schedules.schedules(desk.database)] == ["active", "active"]
    desk.write(HOURLY)
    desk.at("2026-01-05T09:02")
    assert desk.incidents() == []
    assert {row.schedule for row in slot_rows(desk.database)} == {"entry", "other"}


def test_what_was_due_by_a_calendar_that_is_gone_is_decided_by_the_new_text(desk: Desk) -> None:
    own = desk.folder / "calendars" / "bank.yaml"
    own.parent.mkdir()
    own.write_text("base: DE\n", encoding="utf-8")
    desk.write(f"{HOURLY}, calendar: bank")
    desk.at("2026-01-05T08:30")
    own.rename(own.with_name("bank-de.yaml"))
    desk.write(f"{HOURLY}, calendar: bank-de")
    desk.timetable = desk.scheduler("restarted")
    desk.at("2026-01-05T10:30")
    assert [told[1] for told in desk.told()] == ["missed", "fired"]


def test_the_incident_of_a_calendar_is_over_when_a_person_names_another(desk: Desk) -> None:
    own = desk.folder / "calendars" / "bank.yaml"
    own.parent.mkdir()
    own.write_text("base: DE\n", encoding="utf-8")
    desk.write(HOURLY)
    desk.at("2026-01-05T08:30")
    named = Schedule(cron="0 * * * *", calendar="bank")
    schedules.change(desk.database, "entry", named, desk.timetable.tick("entry"), "ana")
    own.unlink()
    desk.at("2026-01-05T09:00")
    assert desk.incidents() == [("schedule.failed", "calendar")]
    schedules.change(desk.database, "entry", None, desk.timetable.tick("entry"), "ana")
    desk.at("2026-01-05T09:01")
    assert desk.incidents() == []
    assert desk.told() == [("2026-01-05T09:00Z", "fired", None)]


def test_what_stands_open_about_a_file_is_over_when_it_is_deleted(desk: Desk) -> None:
    desk.write(HOURLY)
    desk.write(HOURLY, "other")
    desk.at("2026-01-05T08:30")
    (desk.folder / "invoices.csv").unlink()
    desk.at("2026-01-05T09:00")
    (desk.folder / "other.yaml").write_text("name: [", encoding="utf-8")
    desk.at("2026-01-05T09:01")
    assert [kind for kind, _ in desk.incidents()] == ["schedule.failed"] * 3
    (desk.folder / "entry.yaml").unlink()
    (desk.folder / "other.yaml").unlink()
    desk.at("2026-01-05T09:02")
    assert [kind for kind, _ in desk.incidents()] == ["schedule.missed"] * 2
    assert {told[1:] for told in desk.told()} == {("missed", "source")}


def test_a_folder_that_is_away_retires_nothing_and_is_caught_up(desk: Desk) -> None:
    desk.write(HOURLY)
    desk.at("2026-01-05T08:30")
    away = desk.folder.rename(desk.folder.with_name("away"))
    with pytest.raises(UserError, match="holds no definition any more"):
        desk.at("2026-01-05T09:00")
    away.rename(desk.folder)
    desk.at("2026-01-05T10:30")
    assert [told[1] for told in desk.told()] == ["missed", "fired"]


def test_another_machine_reads_calendars_from_its_own_folder(desk: Desk, open_ledger: Callable[..., Database]) -> None:
    own = desk.folder / "calendars" / "bank.yaml"
    own.parent.mkdir()
    own.write_text("add: [2026-01-05]\n", encoding="utf-8")
    desk.write(f"{HOURLY}, calendar: bank")
    desk.at("2026-01-05T08:30")
    there = desk.folder.rename(desk.folder.with_name("elsewhere"))
    other = Timetable(open_ledger(desk.clock), there, toy_registry(), "two")
    desk.clock.instant = datetime(2026, 1, 6, 0, 0, 20, tzinfo=UTC)
    other.tick_all()
    assert desk.told() == [("2026-01-06T00:00Z", "fired", None)]
    assert desk.incidents() == []
    assert Path(schedules.schedule(desk.database, "entry").path).parent == there.resolve()


def test_what_a_person_does_is_an_event_with_a_name(desk: Desk, bench: Bench) -> None:
    desk.write(DAILY)
    desk.at("2026-01-05T04:00")
    schedules.pause(desk.database, "entry", "ana")
    schedules.resume(desk.database, "entry", "ben")
    schedules.skip_next(desk.database, "entry", "cem")
    schedules.change(desk.database, "entry", Schedule(every="2h"), desk.clock.instant, "dee")
    told = [(event.kind, event.actor) for event in bench.rows(t.events)]
    assert told == [
        ("schedule.synced", "one"),
        ("schedule.paused", "ana"),
        ("schedule.resumed", "ben"),
        ("schedule.skip_asked", "cem"),
        ("schedule.changed", "dee"),
    ]
    assert bench.rows(t.events)[-1].data["to"] == {"every": "7200s"}


def test_a_name_that_is_no_schedule_is_guessed(desk: Desk) -> None:
    desk.write(DAILY)
    desk.at("2026-01-05T04:00")
    with pytest.raises(UserError, match='did you mean "entry"'):
        schedules.pause(desk.database, "entri", "ana")


def test_schedulers_side_by_side_decide_each_slot_once(
    desk: Desk, bench: Bench, open_ledger: Callable[..., Database]
) -> None:
    """Four processes' worth of ledgers look at the same instant, hour after hour."""
    desk.write(f"{HOURLY}, catch_up: all")
    desk.at("2026-01-05T00:30")
    some = [Timetable(open_ledger(desk.clock), desk.folder, toy_registry(), f"scheduler-{n}") for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(12):
            desk.clock.advance(timedelta(hours=2))
            list(pool.map(lambda one: one.tick_all(), some))
    runs = bench.rows(t.runs)
    assert len(runs) == len({run.slot for run in runs}) == len(slot_rows(desk.database)) == 24
    assert {row.run_id for row in slot_rows(desk.database)} == {run.id for run in runs}
