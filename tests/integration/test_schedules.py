"""Schedulers as processes: killed, restarted and doubled, over a clock change; and the verbs around them."""

from __future__ import annotations

import select
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.schedules import simulate
from engine.ledger import schedules
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
    """Two days around the autumn change in Berlin, some 80 slots."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    if backend == "postgresql":
        make: Callable[[], str] = request.getfixturevalue("postgres_url")
        url = make()
    outcome = simulate(url, tmp_path, days=2, kills=2, seed=3, begin=datetime(2026, 10, 24, tzinfo=UTC))
    assert outcome.kills >= 2
    assert outcome.slots > 70
    found = replace(outcome, kills=0, seconds=0, incidents=0)
    assert found == replace(found, runs=found.slots, missing=0, surplus=0)


def test_a_scheduler_takes_up_a_folder_until_it_is_stopped(shell: Terminal) -> None:
    process = shell.start("scheduler", "--workflows", shell.home.parent / "workflows")
    try:
        assert process.stderr is not None
        assert "looks after" in process.stderr.readline()
        with shell.ledger() as database:
            while not schedules.schedules(database):
                assert process.poll() is None
                select.select([], [], [], 0.1)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 0
    (row,) = shell("schedules", "list", "--json").json["schedules"]
    assert (row["workflow"], row["state"], row["next"][11:16]) in {
        ("entry", "active", f"0{hour}:00") for hour in (4, 5)
    }
