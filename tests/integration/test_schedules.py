"""Schedulers as processes: killed, restarted and doubled, over a clock change; and the verbs around them."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.schedules import simulate
from tests.integration.house import Terminal

DEFINITION = """
name: entry
app: erp
schedule: {cron: "0 6 * * mon-fri", timezone: Europe/Berlin, calendar: DE}
source: {csv: invoices.csv, reference: "${invoice_no}"}
fields: {invoice_no: {type: text, required: true}}
steps:
  - open: /
"""


@pytest.fixture
def shell(tmp_path: Path) -> Terminal:
    folder = tmp_path / "workflows"
    (folder / "apps").mkdir(parents=True)
    (folder / "apps" / "erp.yaml").write_text("name: erp\nbase_url: http://erp.invalid\n", encoding="utf-8")
    (folder / "entry.yaml").write_text(DEFINITION, encoding="utf-8")
    (folder / "invoices.csv").write_text("invoice_no\nINV-1\n", encoding="utf-8")
    return Terminal(tmp_path / "home")


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_two_schedulers_that_are_killed_open_one_run_a_slot(
    backend: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Four days around the autumn change in Berlin, some 150 slots."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    if backend == "postgresql":
        make: Callable[[], str] = request.getfixturevalue("postgres_url")
        url = make()
    outcome = simulate(url, tmp_path, days=4, kills=4, seed=3, begin=datetime(2026, 10, 23, tzinfo=UTC))
    assert outcome.kills >= 4
    assert outcome.slots > 140
    found = replace(outcome, kills=0, seconds=0, incidents=0)
    assert found == replace(found, runs=found.slots, missing=0, surplus=0)


def test_a_scheduler_takes_up_a_folder_and_people_change_what_it_does(shell: Terminal) -> None:
    folder = shell.home.parent / "workflows"
    process = shell.start("scheduler", "--workflows", folder)
    try:
        with shell.ledger():
            while not shell("schedules", "list", "--json").json["schedules"]:
                assert process.poll() is None
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 0

    assert shell("schedules", "pause", "entry", "--as", "ana").code == 0
    (paused,) = shell("schedules", "list", "--json").json["schedules"]
    assert (paused["state"], paused["changed_by"], paused["next"]) == ("paused", "ana", None)
    assert "by ana" in shell("schedules", "pause", "entry").err
    assert shell("schedules", "resume", "entry", "--as", "ben").code == 0

    refused = shell("schedules", "set", "entry", "--cron", "0 7 * * 1-5", "--calendar", "DE-BV")
    assert (refused.code, "write week days by name" in refused.err, "DE-MV" in refused.err) == (2, True, True)
    assert shell("schedules", "set", "entry", "--every", "2h", "--calendar", "none", "--as", "cem").code == 0
    coming = shell("schedules", "next", "entry", "--count", "3", "--json").json["slots"]
    assert [slot["slot"][-4:] for slot in coming] == [":00Z"[-4:]] * 3
    assert shell("schedules", "reset", "entry").code == 0
    assert shell("schedules", "next", "entry", "--json").json["timezone"] == "Europe/Berlin"

    assert shell("schedules", "run", "entry", "--as", "dee", "--json").json["enqueued"] == 1
    assert shell("schedules", "slots", "entry", "--json").json == {"slots": []}
    assert shell("incidents", "list", "--json").json == {"incidents": []}
    wrong = shell("schedules", "skip", "entri")
    assert (wrong.code, 'did you mean "entry"' in wrong.err) == (2, True)
