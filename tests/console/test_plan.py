"""`plan` and `forecast` as a person uses them: a real ledger, real schedules, definitions in a folder."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from console.plan import add_plan_verbs
from engine.clock import ManualClock
from engine.errors import UserError
from engine.ledger import schedules, workers
from engine.ledger.database import Database
from engine.ledger.runs import NewItem, open_run
from engine.ledger.schedules import Written
from engine.loader import load_one
from engine.ports import Registry
from tests.engine.toy_registry import toy_registry

DEFINITION = """\
name: {name}
app: erp
schedule: {{cron: "{cron}"}}
source: {{csv: rows.csv, reference: "${{number}}"}}
fields:
  number: {{type: text, required: true}}
steps:
  - open: /
time: {{standard: 60s, due: 40m}}
"""
APP = "name: erp\nbase_url: https://erp.example\nmax_sessions: 9\n"


@dataclass
class PlanDesk:
    """A person's place at a ledger and a folder of definitions."""

    folder: Path
    clock: ManualClock = field(default_factory=ManualClock)
    registry: Registry = field(default_factory=toy_registry)
    console: Console = field(default_factory=lambda: Console(width=200))
    user: str = "ana"

    def __post_init__(self) -> None:
        self.database = Database(str(self.folder / "ledger.db"), self.clock)
        self.database.upgrade()
        (self.folder / "apps").mkdir()
        (self.folder / "apps" / "erp.yaml").write_text(APP, encoding="utf-8")

    def schedule(self, name: str, cron: str) -> Path:
        """Write a definition and tell the ledger of its schedule."""
        path = self.folder / f"{name}.yaml"
        path.write_text(DEFINITION.format(name=name, cron=cron), encoding="utf-8")
        loaded = {one.stem: load_one(one, self.registry) for one in self.folder.glob("*.yaml")}
        found = {
            name: Written(str(self.folder / f"{name}.yaml"), one.schedule)
            for name, one in loaded.items()
            if one.schedule is not None
        }
        schedules.sync(self.database, found, self.folder, set(), {}, "tests")
        return path

    def enqueue(self, path: Path, count: int, first: int = 0) -> int:
        """Open a run of so many items."""
        items = [NewItem(str(number), {"number": str(number)}, "rows.csv") for number in range(first, first + count)]
        return open_run(self.database, load_one(path, self.registry), items, trigger="test").run_id

    def __call__(self, *arguments: str) -> Result:
        """Run a verb."""
        app = typer.Typer()
        add_plan_verbs(app, lambda: self)
        return CliRunner().invoke(app, list(arguments))

    def json(self, *arguments: str) -> Any:
        """Run a verb with --json."""
        return json.loads(self(*arguments, "--json").stdout_bytes.decode("utf-8"))


@pytest.fixture
def desk(tmp_path: Path) -> PlanDesk:
    return PlanDesk(tmp_path)


def test_a_day_worked_by_hand_is_planned_from_schedules_and_past_runs(desk: PlanDesk) -> None:
    path = desk.schedule("invoices", "0 10,12 * * *")
    desk.enqueue(path, 120)  # so many items its runs have; it is 08:00, and they are open
    made = desk.json("plan", "--max-slots", "5")
    # 120 items of a minute (standard time) in 40 minutes, at once, at 10:00 and at 12:00: three slots, idle between
    assert (made["enough"], made["best"], made["items"]) == (3, 3, 360)
    third = made["options"][2]
    assert third["utilisation"]["value"] == pytest.approx(120 / 280)
    assert third["last_end"] == "2026-01-05T12:40:00+00:00"
    assert [one["met"]["value"] for one in made["options"][:3]] == [0, 0, 1]
    assert made["advice"][0].startswith("3 slot(s) meet every deadline, 42.9")
    assert made["advice"][-1] == "no worker lives at present"
    assert made["basis"]["times"] == [
        {"workflow": "invoices", "measured": 0, "mean_seconds": 60, "attempts_per_item": 1}
    ]


def test_the_tables_say_the_same_to_a_person(desk: PlanDesk) -> None:
    desk.enqueue(desk.schedule("invoices", "0 10,12 * * *"), 120)
    workers.register(desk.database, "w", "worker", slots=2, lease=timedelta(seconds=60))
    told = desk("plan", "--max-slots", "3").stdout
    assert "60.0 (standard time)" in told
    assert "2 (now)" in told
    assert "invoices run 1 due 2026-01-05 08:40:00: 20 min late" in told
    assert "no worker" not in told


def test_a_later_day_begins_with_nothing_open_and_one_number_of_slots_is_enough(desk: PlanDesk) -> None:
    desk.enqueue(desk.schedule("invoices", "0 10 * * *"), 30)
    made = desk.json("plan", "--day", "2026-01-07", "--slots", "1")
    assert (made["start"], made["until"]) == ("2026-01-07T00:00:00+00:00", "2026-01-08T00:00:00+00:00")
    assert ([one["slots"] for one in made["options"]], made["items"]) == ([1], 30)


def test_a_deadline_that_is_past_already_is_not_counted_and_its_items_are(desk: PlanDesk) -> None:
    run_id = desk.enqueue(desk.schedule("invoices", "0 3 * * *"), 30)
    desk.clock.advance(timedelta(hours=1))
    made = desk.json("plan", "--hours", "2", "--max-slots", "2")
    assert (made["enough"], made["items"], made["options"][0]["misses"]) == (1, 30, [])
    assert f"the deadline of run {run_id} is past already: not counted, its items are" in made["advice"]


def test_what_to_move_apart_is_said_and_why_more_slots_do_not_help(desk: PlanDesk) -> None:
    for name in ("invoices", "orders"):
        desk.schedule(name, "0 10 * * *")
    desk.schedule("archive", "0 20 * * *")
    items = [part for name in ("invoices", "orders", "archive") for part in ("--items", f"{name}=30")]
    made = desk.json("plan", *items, "--max-slots", "4")
    assert made["enough"] == 2
    assert {(one["workflow"], one["hours"], one["slots"]) for one in made["moves"]} == {
        ("invoices", -1, 1),
        ("orders", -1, 1),
    }
    assert "invoices 1 h earlier, its deadlines where they are: 1 slot(s) meet every deadline" in " ".join(
        made["advice"]
    )
    assert "the hour from 2026-01-05 10:00:00 UTC: invoices, orders" in made["advice"][1]
    told = desk("plan", "--items", "invoices=900", "--items", "orders=900", "--max-slots", "10").stdout
    assert "the sessions of erp (9) are all used: more slots do not help, more sessions would" in told


def test_a_workflow_without_a_past_run_is_named_and_can_be_assumed(desk: PlanDesk) -> None:
    desk.schedule("invoices", "0 10 * * *")
    assert desk.json("plan")["left_out"] == ["invoices: no past run; name --items invoices=N"]
    assert desk.json("plan", "--items", "invoices=80", "--max-slots", "4")["enough"] == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--day", "tomorrow"), "--day tomorrow: write it like 2026-01-31"),
        (("--day", "2026-01-04"), "--day 2026-01-04: is over; a plan is made for now or later"),
        (("--items", "invoices"), "--items invoices: write it as NAME=N, with N items a run"),
        (("--items", "invoice=3"), "--items invoice: no schedule of that name starts in this time; there is: invoices"),
    ],
)
def test_a_mistake_is_said_in_a_sentence(desk: PlanDesk, arguments: tuple[str, str], said: str) -> None:
    desk.schedule("invoices", "0 10 * * *")
    found = desk("plan", *arguments)
    assert isinstance(found.exception, UserError)
    assert str(found.exception) == said


def test_the_forecast_says_what_will_be_late_and_ends_with_1(desk: PlanDesk) -> None:
    run_id = desk.enqueue(desk.schedule("invoices", "0 10 * * *"), 120)
    workers.register(desk.database, "w", "worker", slots=2, lease=timedelta(seconds=60))
    said = f"invoices run {run_id} will not finish by 08:40 UTC: 120 of 120 items left, expected 09:00 (09:00-09:00)"
    told = desk("forecast")
    assert said in told.stdout
    assert told.exit_code == 1
    (run,) = desk.json("forecast")["runs"]
    assert (run["sentence"], run["chance_late"], run["expected"]) == (said, 1, "2026-01-05T09:00:00+00:00")
    workers.register(desk.database, "w2", "worker", slots=2, lease=timedelta(seconds=60))
    assert desk("forecast").exit_code == 0
