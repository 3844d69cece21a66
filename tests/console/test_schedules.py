"""The verbs about schedules and incidents, over a real ledger and a real folder."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from console.scheduler import add_scheduler_verbs
from engine.clock import ManualClock
from engine.errors import UserError
from engine.ledger import tables as t
from engine.ledger.database import Database
from engine.ports import Registry
from engine.timetable import Timetable
from tests.engine.toy_registry import toy_registry

DEFINITION = """
name: entry
app: erp
schedule: {cron: "0 6 * * mon-fri", timezone: Europe/Berlin, calendar: DE}
source: {csv: invoices.csv, reference: "${invoice_no}"}
fields: {invoice_no: {type: text, required: true}}
steps:
  - open: /
"""


@dataclass
class Desk:
    """Ana's place at a ledger with one schedule."""

    database: Database
    clock: ManualClock
    folder: Path
    registry: Registry = field(default_factory=toy_registry)
    console: Console = field(default_factory=lambda: Console(width=160))
    user: str = "ana"

    def say(self, text: str) -> None:
        """Print it."""
        self.console.print(text)

    def at(self, moment: str) -> None:
        """Move the clock (UTC) and let a scheduler look."""
        self.clock.instant = datetime.fromisoformat(moment).replace(tzinfo=UTC)
        Timetable(self.database, self.folder, self.registry, "scheduler-1").tick_all()


@dataclass
class Terminal:
    """The verbs as the runner mounts them."""

    desk: Desk

    def __call__(self, *arguments: str) -> Result:
        """Run a verb."""
        app = typer.Typer()
        add_scheduler_verbs(app, lambda: self.desk)  # type: ignore[arg-type,return-value] # it needs no more than this
        return CliRunner().invoke(app, list(arguments))

    def json(self, *arguments: str) -> Any:
        """Run a verb with --json."""
        return json.loads(self(*arguments, "--json").stdout)

    def refused(self, *arguments: str) -> str:
        """Run a verb that must be refused, and return why."""
        error = self(*arguments).exception
        assert isinstance(error, UserError)
        return str(error)


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    folder = tmp_path / "workflows"
    (folder / "apps").mkdir(parents=True)
    (folder / "apps" / "erp.yaml").write_text("name: erp\nbase_url: http://erp.invalid\n", encoding="utf-8")
    (folder / "entry.yaml").write_text(DEFINITION, encoding="utf-8")
    (folder / "invoices.csv").write_text("invoice_no\nINV-1\n", encoding="utf-8")
    clock = ManualClock()
    desk = Desk(Database(str(tmp_path / "ledger.db"), clock), clock, folder)
    desk.database.upgrade()
    desk.at("2026-03-27T08:00")
    return Terminal(desk)


def test_the_next_slots_are_shown_in_local_time_and_utc(terminal: Terminal) -> None:
    """Over the change of 29 March, and past Good Friday and Easter Monday."""
    found = terminal.json("schedules", "next", "entry", "--count", "5")
    assert [slot["local"] for slot in found["slots"]][:2] == ["2026-03-30T06:00:00+02:00", "2026-03-31T06:00:00+02:00"]
    assert [slot["fire_at"][:16] for slot in found["slots"]][3:] == ["2026-04-02T04:00", "2026-04-07T04:00"]
    shown = terminal("schedules", "next", str(terminal.desk.folder / "entry.yaml")).stdout
    assert "Mon 2026-03-30 06:00 CEST" in shown


def test_a_pause_names_who_made_it(terminal: Terminal) -> None:
    assert terminal("schedules", "pause", "entry", "--as", "ben").exit_code == 0
    (row,) = terminal.json("schedules", "list")["schedules"]
    assert (row["state"], row["changed_by"], row["next"]) == ("paused", "ben", None)
    assert "by ben" in terminal.refused("schedules", "pause", "entry")
    assert "nothing is planned" in terminal("schedules", "next", "entry").stdout
    assert "2026-03-30 04:00" in terminal("schedules", "resume", "entry").stdout


def test_a_slot_that_is_left_out_is_not_announced(terminal: Terminal) -> None:
    assert "2026-03-31 04:00" in terminal("schedules", "skip", "entry").stdout
    terminal.desk.at("2026-03-30T04:00:10")
    assert terminal.json("schedules", "slots", "entry")["slots"][0]["reason"] == "skip_next"
    assert "skip_next" in terminal("schedules", "slots", "entry").stdout


def test_a_slot_that_was_skipped_while_nobody_looked_is_not_skipped_again_in_the_list(terminal: Terminal) -> None:
    terminal("schedules", "skip", "entry")
    terminal.desk.clock.instant = datetime(2026, 3, 30, 5, tzinfo=UTC)
    (row,) = terminal.json("schedules", "list")["schedules"]
    assert row["next"][:16] == "2026-03-31T04:00"


def test_a_calendar_that_is_gone_hides_no_other_schedule_and_another_can_be_named(terminal: Terminal) -> None:
    own = terminal.desk.folder / "calendars" / "bank.yaml"
    own.parent.mkdir()
    own.write_text("base: DE\n", encoding="utf-8")
    other = DEFINITION.replace("name: entry", "name: other")
    (terminal.desk.folder / "other.yaml").write_text(other, encoding="utf-8")
    terminal.desk.at("2026-03-27T08:01")
    assert terminal("schedules", "set", "entry", "--calendar", "bank").exit_code == 0
    own.unlink()
    entry, healthy = terminal.json("schedules", "list")["schedules"]
    assert (entry["next"], healthy["next"][:16]) == (None, "2026-03-30T04:00")
    assert 'unknown calendar "bank"' in entry["problem"]
    assert 'unknown calendar "bank"' in terminal("schedules", "list").stdout
    assert "2026-03-30 04:00" in terminal("schedules", "set", "entry", "--calendar", "DE").stdout


def test_a_change_is_checked_as_a_definition_is(terminal: Terminal) -> None:
    why = terminal.refused("schedules", "set", "entry", "--cron", "0 7 * * 1-5", "--calendar", "DE-BV")
    assert "write week days by name" in why
    assert 'did you mean "DE-MV"' in why
    assert "stays as it is" in terminal.refused("schedules", "set", "entry", "--overlap", "maybe")
    assert "say what to change" in terminal.refused("schedules", "set", "entry")
    assert 'did you mean "entry"' in terminal.refused("schedules", "skip", "entri")


def test_a_change_holds_from_now_on_and_is_undone(terminal: Terminal) -> None:
    assert terminal("schedules", "set", "entry", "--every", "2h", "--calendar", "none", "--as", "cem").exit_code == 0
    (row,) = terminal.json("schedules", "list")["schedules"]
    assert row["holds"] == {"every": "7200s", "timezone": "Europe/Berlin"}
    assert "every 2 h Europe/Berlin (changed)" in terminal("schedules", "list").stdout
    assert terminal.json("schedules", "next", "entry")["slots"][0]["slot"] == "2026-03-27T10:00Z"
    assert "2026-03-30 04:00" in terminal("schedules", "reset", "entry").stdout
    assert terminal.refused("schedules", "reset", "entry").startswith("entry: nothing to reset")


def test_a_run_beside_the_schedule_is_opened_by_its_starter(terminal: Terminal) -> None:
    assert terminal.json("schedules", "run", "entry", "--as", "dee")["enqueued"] == 1
    with terminal.desk.database.read() as connection:
        (run,) = connection.execute(t.runs.select()).all()
    assert (run.trigger, run.slot) == ("dee", None)
    assert terminal.json("schedules", "slots", "entry") == {"slots": []}


def test_a_missed_slot_is_an_incident_until_a_person_closes_it(terminal: Terminal) -> None:
    terminal.desk.at("2026-04-01T12:00")
    found = terminal.json("incidents", "list")["incidents"]
    assert [one["kind"] for one in found] == ["schedule.late", "schedule.missed"]
    assert "2 slots from 2026-03-30T06:00" in terminal("incidents", "list").stdout
    assert terminal("incidents", "close", str(found[1]["id"])).exit_code == 0
    assert [one["kind"] for one in terminal.json("incidents", "list")["incidents"]] == ["schedule.late"]
    assert len(terminal.json("incidents", "list", "--all")["incidents"]) == 2
    assert "stands open" in terminal.refused("incidents", "close", str(found[1]["id"]))
