"""A broken definition and the lines it must print are one test; set COUNTERSIGN_UPDATE=1 to write the lines anew."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from bots.profile import AppExtras
from bots.reconciliation.partitions import statement_rows
from bots.registry import step_kinds
from engine.errors import UserError
from engine.loader import load, load_one, load_snapshot
from engine.ports import Registry
from engine.sources import read_source
from qc_models.registry import check_kinds

ROOT = Path(__file__).parents[2]
BROKEN = ROOT / "fixtures" / "workflows" / "broken"
OK = ROOT / "fixtures" / "workflows" / "ok"


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry(step_kinds(), check_kinds(), AppExtras, statement_rows)


@pytest.mark.parametrize("name", sorted(path.stem for path in BROKEN.glob("*.yaml")))
def test_a_broken_file_prints_all_its_problems_in_one_pass(
    name: str, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(BROKEN)
    workflows, problems = load([Path(f"{name}.yaml")], registry)
    printed = "".join(f"{problem}\n" for problem in problems)
    expected = BROKEN / f"{name}.out"
    if os.environ.get("COUNTERSIGN_UPDATE"):
        expected.write_text(printed, encoding="utf-8")
    assert printed == expected.read_text(encoding="utf-8")
    assert problems
    assert workflows == []


def test_every_expectation_has_its_file() -> None:
    assert {path.stem for path in BROKEN.glob("*.out")} == {path.stem for path in BROKEN.glob("*.yaml")}


def test_one_broken_file_never_stops_the_others(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BROKEN)
    workflows, problems = load([Path(), OK / "minimal.yaml"], registry)
    expected = {line for path in BROKEN.glob("*.out") for line in path.read_text(encoding="utf-8").splitlines()}
    assert [workflow.name for workflow in workflows] == ["minimal"]
    assert {str(problem) for problem in problems} == expected


def test_good_files_print_nothing(registry: Registry) -> None:
    workflows, problems = load([OK], registry)
    assert problems == []
    assert {workflow.name for workflow in workflows} == {path.stem for path in OK.glob("*.yaml")}


def test_words_that_yaml_would_turn_stay_texts(registry: Registry) -> None:
    workflow = load_one(OK / "yaml-traps.yaml", registry)
    assert workflow.owner == "no"
    assert workflow.params == {
        "country": "NO",
        "start": "12:30",
        "code": "007",
        "version": "1.10",
        "day": "2026-01-31",
        "answer": "yes",
        "empty": "",
    }
    assert workflow.fields["on"].options == ("on", "off", "yes", "no", "y", "n")
    assert str(workflow.fields["amount"].max) == "12345678901234567.89"
    assert workflow.retry.jitter is False


def test_the_products_own_workflow_loads_and_pins_itself(registry: Registry) -> None:
    workflow = load_one(ROOT / "workflows" / "invoice-entry.yaml", registry)
    assert [step.kind for step in workflow.steps] == ["open", "fill", "rows", "commit", "read"]
    assert workflow.app.formats.date == "DD.MM.YYYY"
    assert workflow.app.commits.find_authoritative
    assert workflow.app.allowed_hosts == ("127.0.0.1",)
    assert load_snapshot(workflow.snapshot, registry) == workflow


def test_a_workflow_pins_the_one_that_follows_it(registry: Registry, tmp_path: Path) -> None:
    workflow = load_one(ROOT / "workflows" / "bank-reconciliation.yaml", registry, base_url="http://127.0.0.1:1")
    assert workflow.followed is not None
    assert (workflow.followed.name, workflow.followed.app.base_url) == ("clear-items", "http://127.0.0.1:1")
    assert load_snapshot(workflow.snapshot, registry) == workflow
    changed = replace(workflow.snapshot, followed={**workflow.snapshot.followed, "x": "y"})
    assert changed.hash != workflow.snapshot.hash
    (tmp_path / "apps").mkdir()
    for name in ("apps/plain", "hands-on", "takes-over"):
        text = (OK / f"{name}.yaml").read_text(encoding="utf-8").replace("follows: hands-on", "jsonl: rows.jsonl")
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"takes-over\.yaml must say where its records come from"):
        load_one(tmp_path / "hands-on.yaml", registry)


def test_the_products_own_statement_is_read_whole(registry: Registry) -> None:
    batch = read_source(load_one(ROOT / "workflows" / "bank-reconciliation.yaml", registry))
    assert (batch.rejected, batch.repeated) == ([], [])
    entries = (ROOT / "fixtures" / "data" / "statement.xml").read_text(encoding="utf-8").count("<Ntry>")
    assert sum(int(str(item.payload["lines"])) for item in batch.items) == entries == 60
    assert {item.payload["currency"] for item in batch.items} == {"EUR", "USD"}


def test_the_products_own_source_is_read_whole(registry: Registry) -> None:
    batch = read_source(load_one(ROOT / "workflows" / "invoice-entry.yaml", registry))
    rows = (ROOT / "fixtures" / "data" / "invoices.csv").read_text(encoding="utf-8").splitlines()
    lines = (ROOT / "fixtures" / "data" / "invoice_lines.csv").read_text(encoding="utf-8").splitlines()
    assert len(batch.items) + len(batch.rejected) + len(batch.repeated) == len(rows) - 1
    tables = [item.payload["lines"] for item in batch.items]
    assert batch.rejected or sum(len(table) for table in tables if isinstance(table, list)) == len(lines) - 1


def test_the_reference_page_shows_definitions_that_load(registry: Registry, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "reference" / "definitions.md").read_text(encoding="utf-8")
    (tmp_path / "apps").mkdir()
    for block in re.findall(r"```yaml\n(name: .*?)```", page, re.DOTALL):
        folder = tmp_path / "apps" if "base_url" in block else tmp_path
        (folder / f"{block.split()[1]}.yaml").write_text(block, encoding="utf-8")
    workflows, problems = load([tmp_path], registry)
    assert [str(problem) for problem in problems] == []
    assert [workflow.name for workflow in workflows] == ["supplier-entry"]


def test_the_reference_page_shows_a_schedule_and_a_calendar_that_load(registry: Registry, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "reference" / "definitions.md").read_text(encoding="utf-8").partition("## Schedules")[2]
    schedule, calendar = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[:2]
    (tmp_path / "apps").mkdir()
    (tmp_path / "calendars").mkdir()
    (tmp_path / "apps" / "plain.yaml").write_bytes((OK / "apps" / "plain.yaml").read_bytes())
    (tmp_path / "calendars" / "plant.yaml").write_text(calendar, encoding="utf-8")
    text = (OK / "scheduled.yaml").read_text(encoding="utf-8")
    text = re.sub(r"schedule:\n(  .*\n)+", schedule, text).replace("DE-BY", "plant")
    (tmp_path / "scheduled.yaml").write_text(text, encoding="utf-8")
    workflow = load_one(tmp_path / "scheduled.yaml", registry)
    assert workflow.schedule is not None
    assert (workflow.schedule.calendar, workflow.schedule.cut_off) == ("plant", "16:00")
    (tmp_path / "calendars" / "plant.yaml").unlink()
    assert load_snapshot(workflow.snapshot, registry) == workflow, "a run needs no calendar"


def test_the_reference_page_names_every_rule_that_a_broken_file_breaks() -> None:
    page = (ROOT / "docs" / "reference" / "definitions.md").read_text(encoding="utf-8").partition("## Rules")[2]
    broken = "".join(path.read_text(encoding="utf-8") for path in BROKEN.glob("*.out"))
    assert set(re.findall(r"\[([a-z-]+)\]$", broken, re.MULTILINE)) <= set(re.findall(r"`([a-z-]+)`", page))
