"""Stopping politely, going on later, and two people who start the same file."""

from __future__ import annotations

import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.ledger import tables
from fixtures.portal.server import PortalServer
from tests.integration.house import Terminal, definition, invoices, reference, submitted, terminal


def ended(process: subprocess.Popen[str], seconds: float = 150) -> tuple[int, str, str]:
    """Wait for a process."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, out, err


def until_one_passed(shell: Terminal, process: subprocess.Popen[str]) -> None:
    """Wait until the first item has passed."""
    passed = sa.select(tables.items.c.id).where(tables.items.c.state == "passed")
    with shell.ledger() as database:
        while process.poll() is None:
            with database.read() as connection:
                if connection.execute(passed).first() is not None:
                    return
            try:
                process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
    pytest.fail(f"the worker ended early: {process.communicate()}")


def test_a_stopped_worker_ends_what_it_began_and_the_next_one_does_the_rest(
    portal: PortalServer, tmp_path: Path
) -> None:
    rows = invoices(tmp_path / "source", 8)
    shell = terminal(tmp_path, portal)
    source = tmp_path / "source" / "invoices.csv"
    path = definition(tmp_path / "definitions")
    queued = shell("run", path, "--source", source, "--base-url", portal.url, "--enqueue-only")
    assert queued.code in {0, 1}

    first = shell.start("worker", "--slots", 2)
    until_one_passed(shell, first)
    first.send_signal(signal.SIGTERM)
    code, _, err = ended(first)
    assert code in {0, 1}, err
    assert "Traceback" not in err

    with shell.ledger() as database, database.read() as connection:
        stopped = connection.execute(sa.select(tables.items.c.state, tables.items.c.owner)).all()
    assert [row for row in stopped if row.owner is not None] == []
    states = Counter(row.state for row in stopped)
    assert set(states) == {"passed", "ready"}, "the stop came before the end and cut nothing off"

    assert shell("worker", "--drain").code == 0
    assert Counter(detail.item.state for detail in shell.story().values()) == {"passed": 8}
    assert submitted(portal) == sorted(map(reference, rows))


def test_the_same_file_started_twice_at_once_is_entered_once(portal: PortalServer, tmp_path: Path) -> None:
    rows = invoices(tmp_path / "source", 4)
    shell = terminal(tmp_path, portal)
    source = tmp_path / "source" / "invoices.csv"
    path = definition(tmp_path / "definitions")
    both = [
        shell.start("run", path, "--source", source, "--base-url", portal.url, "--slots", 1, "--json") for _ in range(2)
    ]
    results = [ended(process) for process in both]
    assert [code for code, _, _ in results] == [0, 0], results
    assert submitted(portal) == sorted(map(reference, rows))
    assert len(shell.story()) == 4
    said = "".join(err for _, _, err in results)
    assert "4 enqueued" in said
    assert "4 already known" in said

    logins = portal.logins()
    third = shell("run", path, "--source", source, "--base-url", portal.url)
    assert third.code == 0, third.err
    assert "0 enqueued" in third.err
    assert portal.logins() == logins, "nothing to do needs no login"
