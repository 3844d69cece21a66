"""`runner.py serve` as a process: it says where it is, lets the first admin in once, and ends when it is told to."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from subprocess import Popen

import httpx

from engine.ledger import audit_log, users
from tests.integration.house import Terminal


def heard(process: Popen[str], pattern: str) -> str:
    """Read the process's standard error up to what matches."""
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(pattern, line):
            return found[1]
    raise AssertionError(f"it ended with {process.wait()} and never said {pattern}")


def test_the_first_start_makes_an_admin_whose_password_is_shown_once(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "home")
    serve = ("serve", "--only", "console", "--port", 0)
    process = terminal.start(*serve)
    try:
        password = heard(process, r"password, shown this once: (\S+)")
        with httpx.Client(base_url=heard(process, r"the console is at (http://127\.0\.0\.1:\d+)/")) as client:
            assert client.get("/readyz").text == "ok\n"
            csrf = re.search(r'name="csrf" value="([^"]+)"', client.get("/login").text)
            assert csrf is not None
            answer = client.post("/login", data={"csrf": csrf[1], "name": "admin", "password": password})
            assert answer.headers["location"] == "/"
            assert client.get("/").headers["location"] == "/account", "the password on the screen opens nothing else"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    assert process.stderr is not None
    process.stderr.close()
    with terminal.ledger() as database:
        assert password not in Path(database.engine.url.database or "").read_bytes().decode("latin-1")
        assert audit_log.verify(database).broken_at is None
        assert [user.name for user in users.listing(database)] == ["admin"]
    assert password not in (terminal.home / "logs" / "countersign.jsonl").read_text(encoding="utf-8")
