"""Loading: everything typed, everything pinned, every problem told once and in its place."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from engine.definition import Workflow
from engine.errors import UserError
from engine.loader import load, load_one, load_snapshot
from engine.ports import Registry
from tests.engine.toy_registry import Open, toy_registry

APP = """
name: erp
base_url: http://127.0.0.1:8000/
formats: {date: DD.MM.YYYY, thousands: ","}
commits: {submit_timeout: 8s}
session:
  probe: {button: Sign out}
  login:
    - open: /login
    - fill: {Password: "${secret:erp_password}"}
"""
WORKFLOW = """
name: entry
app: erp
params: {period: 2026-01, year: 2026}
fields: {invoice_no: {type: text, required: true}}
steps:
  - open: /invoices/new
    standard: 2s
  - fill: {Number: "${item.invoice_no}"}
  - commit: {click: {button: Save}, confirm: {text: Saved}, find: {open: "/i?q=${item.invoice_no}", row: x}}
    limit: 10s
  - read: {invoice_no: {field: Number}}
checks:
  - read_back: all
"""


@pytest.fixture
def registry() -> Registry:
    return toy_registry()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "apps").mkdir()
    write(tmp_path, "apps/erp", APP)
    write(tmp_path, "entry", WORKFLOW)
    return tmp_path


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def told(folder: Path, registry: Registry) -> list[str]:
    _, problems = load([folder], registry)
    return [str(problem).removeprefix(f"{folder.as_posix()}/") for problem in problems]


def test_a_definition_is_typed(folder: Path, registry: Registry) -> None:
    """The defaults of the frame, the shorthand of a step and the times of a step all arrive."""
    workflow = load_one(folder / "entry.yaml", registry)
    first, _, commit, read = workflow.steps
    assert first.params == Open(url="/invoices/new")
    assert (first.number, first.line, first.standard, first.label) == (1, 7, timedelta(seconds=2), "1 open")
    assert (commit.commit, commit.limit, read.read) == (True, timedelta(seconds=10), True)
    assert workflow.params == {"period": "2026-01", "year": "2026"}
    assert workflow.retry.attempts == 4
    assert workflow.checks[0].params.root == "all"


def test_an_application_is_typed(folder: Path, registry: Registry) -> None:
    app = load_one(folder / "entry.yaml", registry).app
    assert app.base_url == "http://127.0.0.1:8000"
    assert app.allowed_hosts == ("127.0.0.1",)
    assert app.formats.thousands == ","
    assert app.commits.submit_timeout == timedelta(seconds=8)
    assert [step.kind for step in app.login] == ["open", "fill"]
    assert app.extras.session.probe.button == "Sign out"
    assert (app.max_sessions, app.timeout) == (4, timedelta(seconds=20))


def test_a_snapshot_loads_the_same_although_the_files_are_gone(folder: Path, registry: Registry) -> None:
    workflow = load_one(folder / "entry.yaml", registry, base_url="https://test.example", params={"period": "2026-02"})
    (folder / "entry.yaml").unlink()
    (folder / "apps" / "erp.yaml").write_text("name: other", encoding="utf-8")
    again = load_snapshot(workflow.snapshot, registry)
    assert again == workflow
    assert again.hash == workflow.hash
    assert again.params["period"] == "2026-02"
    assert again.app.base_url == "https://test.example"


def test_a_snapshot_that_no_longer_loads_is_told(folder: Path, registry: Registry) -> None:
    snapshot = load_one(folder / "entry.yaml", registry).snapshot
    fewer = replace(registry, steps={name: kind for name, kind in registry.steps.items() if name != "fill"})
    with pytest.raises(UserError, match='unknown step "fill"'):
        load_snapshot(snapshot, fewer)


def test_anything_that_changes_what_happens_changes_the_hash(folder: Path, registry: Registry) -> None:
    def loaded(**changes: object) -> Workflow:
        return load_one(folder / "entry.yaml", registry, **changes)  # type: ignore[arg-type]

    hashes = {loaded().hash, loaded(base_url="https://t.example").hash, loaded(params={"year": "2027"}).hash}
    write(folder, "apps/erp", APP + "timeout: 5s\n")
    hashes.add(loaded().hash)
    write(folder, "entry", WORKFLOW + "owner: ap\n")
    hashes.add(loaded().hash)
    assert len(hashes) == 5


def test_another_address_joins_the_allowed_hosts(folder: Path, registry: Registry) -> None:
    write(folder, "apps/erp", APP + "allowed_hosts: [127.0.0.1, cdn.example]\n")
    app = load_one(folder / "entry.yaml", registry, base_url="https://test.example:8443/").app
    assert app.base_url == "https://test.example:8443"
    assert app.allowed_hosts == ("127.0.0.1", "cdn.example", "test.example")


def test_a_parameter_that_the_workflow_does_not_have_is_told(folder: Path, registry: Registry) -> None:
    with pytest.raises(UserError, match=r'no parameter "perod", did you mean "period"\?'):
        load_one(folder / "entry.yaml", registry, params={"perod": "x"})


def test_one_error_lists_every_problem(folder: Path, registry: Registry) -> None:
    write(folder, "entry", WORKFLOW.replace("item.invoice_no", "item.invoice") + "retires: 1\n")
    with pytest.raises(UserError) as raised:
        load_one(folder / "entry.yaml", registry)
    assert str(raised.value).count("[reference]") == 2
    assert 'unknown key "retires", did you mean "retry"?' in str(raised.value)


def test_the_problems_of_a_shared_application_are_told_once(folder: Path, registry: Registry) -> None:
    write(folder, "other", WORKFLOW.replace("name: entry", "name: other"))
    write(folder, "apps/erp", APP + "timeouts: 5s\n")
    assert [line.split(": ")[0] for line in told(folder, registry)] == ["apps/erp.yaml:11:1"]
    assert load([folder], registry)[0] == []


def test_applications_in_a_folder_are_not_taken_for_workflows(folder: Path, registry: Registry) -> None:
    workflows, problems = load([folder, folder / "entry.yaml"], registry)
    assert ([workflow.name for workflow in workflows], problems) == (["entry"], [])


def test_a_missing_file_stops_nothing(folder: Path, registry: Registry) -> None:
    workflows, problems = load([folder / "gone.yaml", folder / "entry.yaml"], registry)
    assert [workflow.name for workflow in workflows] == ["entry"]
    assert [(problem.rule, problem.line) for problem in problems] == [("file", 1)]


def test_a_broken_part_does_not_hide_the_rest(folder: Path, registry: Registry) -> None:
    """The wrong time zone is seen although the word before it is wrong; the unknown field although its step is."""
    write(
        folder,
        "entry",
        WORKFLOW.replace("commit: {click: {button: Save}", "commit: {clck: {button: Save}")
        + "source: {csv: invoices.csv, reference: '${invoice_no}'}\n"
        + "schedule: {cron: '0 6 * * *', catch_up: never, timezone: Mars}\n"
        + "review: {audit_sample: 5, four_eyes_over: {totl: 1}}\n",
    )
    rules = [line[line.rindex("[") :] for line in told(folder, registry)]
    assert rules == ["[key]", "[key]", "[value]", "[timezone]", "[value]", "[field]"]


def test_a_step_may_be_a_bare_name_only_if_it_needs_nothing(folder: Path, registry: Registry) -> None:
    write(folder, "entry", WORKFLOW.replace("  - read: {invoice_no: {field: Number}}", "  - read\n  - open"))
    assert told(folder, registry)[0].endswith('missing key "url" [key]')


def test_a_secret_in_the_wrong_place_is_not_printed(folder: Path, registry: Registry) -> None:
    write(folder, "entry", WORKFLOW.replace('{Number: "${item.invoice_no}"}', "{Password: 4711, Token: [x4712]}"))
    lines = told(folder, registry)
    assert any("[secret]" in line for line in lines)
    assert not any("4711" in line or "x4712" in line for line in lines)


def test_the_wrong_kind_of_thing_anywhere_is_a_problem_and_no_crash(folder: Path, registry: Registry) -> None:
    keys = ["name", "app", "schedule", "source", "params", "fields", "steps", "correction", "checks", "audit", "review"]
    for key in keys:
        rest = [line for line in WORKFLOW.splitlines() if not line.startswith(f"{key}:")]
        for wrong in (
            "5",
            "[1, [2]]",
            "{a: {b: [c]}}",
            "x",
            "~",
            "[{}, ~, {open: {}}, {open: [/]}, {read: 5}, {commit: x}]",
        ):
            write(folder, "entry", "\n".join(rest) + f"\n{key}: {wrong}\n")
            workflows, problems = load([folder], registry)
            assert problems or workflows


def test_the_same_for_applications(folder: Path, registry: Registry) -> None:
    for key in ("name", "base_url", "allowed_hosts", "formats", "commits", "session", "max_sessions", "timeout"):
        rest = [line for line in APP.splitlines() if not line.startswith(f"{key}:")]
        for wrong in ("5", "[1, [2]]", "{login: x}", "{login: [~, {commit: 5}]}", "x", "~"):
            write(folder, "apps/erp", "\n".join(rest) + f"\n{key}: {wrong}\n")
            workflows, problems = load([folder], registry)
            assert problems or workflows
