"""The command line as a user meets it: exit codes, and messages that say what is wrong and what to do."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from engine.ledger.database import Database
from engine.yaml_source import parse
from tests.integration.house import ROOT, Ended, Terminal, definition, invoices

BROKEN = ROOT / "fixtures" / "workflows" / "broken" / "duplicate-key.yaml"
Said = Callable[[str], Ended]
pytestmark = pytest.mark.timeout(400)  # the first test waits for all commands


def closed_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def damage(home: Path) -> None:
    """Leave a ledger there that has lost a table: nothing that a user does leads to it."""
    home.mkdir(parents=True)
    ledger = Database(str(home / "ledger.db"))
    ledger.upgrade()
    ledger.close()
    with closing(sqlite3.connect(home / "ledger.db")) as connection:
        connection.execute("DROP TABLE items")


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Said:
    """Run every command of these stories, two at a time, each with a home of its own; return how one ended."""
    folder = tmp_path_factory.mktemp("command-line")
    invoices(folder / "source", 1)
    source = ("--source", folder / "source" / "invoices.csv")
    nowhere = ("--base-url", f"http://127.0.0.1:{closed_port()}")
    hasty = {"attempts: 4": "attempts: 2"}
    path = definition(folder / "definitions", app={"timeout: 5s": "timeout: 3s"}, steps=hasty)
    secret = {"COUNTERSIGN_SECRET_ERP_PASSWORD": "long enough a password"}
    damage(folder / "damaged ledger" / "home")
    commands: dict[str, tuple[Any, ...]] = {
        "no such definition": ("run", folder / "definitions" / "invoice-entri.yaml"),
        "no such source": ("run", path, "--source", folder / "source" / "gone.csv"),
        "unknown option": ("run", path, "--dry-rum"),
        "param without value": ("run", path, "--param", "batch"),
        "broken definition": ("run", BROKEN),
        "validate broken": ("validate", BROKEN),
        "validate broken json": ("validate", BROKEN, "--json"),
        "missing secret": ("run", path, *source, *nowhere),
        "missing secret, dry": ("run", path, *source, *nowhere, "--dry-run"),
        "dead target, dry": ("run", path, *source, *nowhere, "--dry-run"),
        "dead target": ("run", path, *source, *nowhere, "--json"),
        "damaged ledger": ("items", "list"),
        "doctor json": ("doctor", "--json"),
        "steps json": ("steps", "--json"),
        "schema": ("schema",),
        "schema app": ("schema", "app"),
        "schema of what": ("schema", "apps"),
        "no item": ("items", "show", "7"),
        "no run": ("report", "7"),
        "report json": ("report", "--json"),
        "drain nothing": ("worker", "--drain"),
    }

    def one(name: str) -> Ended:
        return Terminal(folder / name / "home", {} if "secret" in name else secret)(*commands[name])

    with ThreadPoolExecutor(2) as pool:
        ended = dict(zip(commands, pool.map(one, commands), strict=True))
    return ended.__getitem__


MISTAKES = {
    "no such definition": r"invoice-entri\.yaml.*(no such|does not exist|cannot be read|not found)",
    "no such source": r"gone\.csv",
    "unknown option": r"(?s)--dry-rum.*--dry-run",
    "param without value": r"--param batch: write it as name=value",
    "broken definition": r"duplicate-key\.yaml:\d+:\d+: .*\[[a-z-]+\]",
    "schema of what": r"workflow and of app, not of 'apps'",
    "no item": r"there is no item 7; `runner\.py items list`",
    "no run": r"there is no run 7",
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_ends_with_2_and_a_sentence(said: Said, name: str) -> None:
    done = said(name)
    assert done.code == 2, done
    assert re.search(MISTAKES[name], done.err), done.err
    assert "Traceback" not in done.err
    assert done.out == "", "standard output is for results"


@pytest.mark.parametrize("name", ["validate broken", "validate broken json"])
def test_validate_lists_every_problem_with_its_place(said: Said, name: str) -> None:
    done = said(name)
    assert done.code == 2
    if name.endswith("json"):
        lines = ["{path}:{line}:{col}: {message} [{rule}]".format(**problem) for problem in done.json["problems"]]
    else:
        lines = done.out.splitlines()
    expected = BROKEN.with_suffix(".out").read_text(encoding="utf-8").splitlines()
    assert [line.removeprefix(f"{BROKEN.parent}/") for line in lines] == expected


@pytest.mark.parametrize("name", ["missing secret", "missing secret, dry"])
def test_a_missing_secret_is_asked_for_in_all_three_places(said: Said, name: str) -> None:
    done = said(name)
    assert done.code == 2, done
    for place in ("COUNTERSIGN_SECRET_ERP_PASSWORD", "COUNTERSIGN_SECRETS_FILE", "keyring"):
        assert place in done.err


@pytest.mark.parametrize("name", ["dead target", "dead target, dry"])
def test_an_application_that_is_not_there_is_named(said: Said, name: str) -> None:
    done = said(name)
    assert done.code == 1, done
    assert re.search(r"ERR_CONNECTION_REFUSED", done.err), done.err
    assert "http://127.0.0.1:" in done.err
    assert "Traceback" not in done.err
    if name == "dead target":
        assert done.json["figures"]["review_reasons"] == {"application_unreachable": 1}


def test_a_bug_of_ours_ends_with_3_and_a_log_that_names_it(said: Said) -> None:
    done = said("damaged ledger")
    assert done.code == 3, done
    (told,) = re.findall(r"please report it with (.*\.jsonl)", done.err)
    last = json.loads(Path(told).read_text(encoding="utf-8").splitlines()[-1])
    assert last["level"] == "CRITICAL"
    assert "no such table: items" in last["exception"]


@pytest.mark.parametrize(
    ("name", "code", "keys"),
    [
        ("report json", 0, {"figures", "by_workflow", "by_day"}),
        ("steps json", 0, {"step", "check"}),
        ("schema", 0, {"$schema", "properties"}),
        ("schema app", 0, {"$schema", "properties"}),
    ],
)
def test_json_is_one_document_on_standard_output(said: Said, name: str, code: int, keys: set[str]) -> None:
    done = said(name)
    assert done.code == code, done
    assert keys <= set(done.json)


def test_doctor_says_what_is_there_and_how_to_mend_the_rest(said: Said) -> None:
    done = said("doctor json")
    lines = {line["name"]: line for line in done.json}
    assert lines["browser"]["ok"], lines["browser"]
    assert {"python", "playwright", "disk"} <= set(lines)
    assert all(line["ok"] or line["mend"] for line in lines.values())
    assert done.code == (0 if all(line["ok"] for line in lines.values()) else 2)


@pytest.mark.parametrize(
    ("name", "path"), [("schema", "workflows/invoice-entry.yaml"), ("schema app", "workflows/apps/erp.yaml")]
)
def test_the_schemas_are_schemas_and_accept_what_the_loader_accepts(said: Said, name: str, path: str) -> None:
    schema = said(name).json
    jsonschema.Draft202012Validator.check_schema(schema)
    document, _ = parse(path, (ROOT / path).read_text(encoding="utf-8"))
    assert document is not None
    jsonschema.validate(document.data, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document.data, "stepps": []}, schema)


def test_nothing_to_do_is_no_failure(said: Said) -> None:
    assert said("drain nothing").code == 0


def test_a_path_with_spaces_and_chinese_is_a_path(tmp_path: Path) -> None:
    path = definition(tmp_path / "定义 folder")
    done = Terminal(tmp_path / "家 home")("validate", path)
    assert (done.code, "1 definition(s) good" in done.err) == (0, True), done.err
