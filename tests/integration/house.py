"""What every story needs: `runner.py` as a process, the product's definition with short waits, and records."""

from __future__ import annotations

import atexit
import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from socket import AF_UNIX, SOCK_SEQPACKET, send_fds, socket
from tempfile import TemporaryFile
from typing import Any

from engine.ledger import reads
from engine.ledger.database import Database
from engine.ledger.rows import ItemDetail
from fixtures.generate.writer import write_invoices
from fixtures.portal.server import PortalServer

ROOT = Path(__file__).resolve().parents[2]
HURRY = """
commits: {click_window: 1s, submit_timeout: 3s, settle_time: 1s, find_authoritative: true}
breaker: {failures: 30, pause: 1s}
"""
RETRY = "retry: {attempts: 4, wait: 200ms, factor: 1.5, max_wait: 1s}"
NO_SAMPLE = "review: {audit_sample: 0, four_eyes_over: {total: 10000}}"


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Return the one JSON document on standard output; anything else beside it is an error."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Terminal:
    """A shell with a home and secrets of its own; calling it runs `runner.py` to its end."""

    home: Path
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """Return what a started process sees: no secret and no home of whoever runs the tests."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERSIGN_")}
        return {**kept, "COUNTERSIGN_HOME": str(self.home), "COLUMNS": "200", "NO_COLOR": "1", **self.env}

    def __call__(self, *arguments: object, timeout: float = 100) -> Ended:
        """Run a verb and wait for it; it is forked from a process that has loaded `runner.py` (`warm`)."""
        asked = {"arguments": list(map(str, arguments)), "environment": self.environment}
        with TemporaryFile() as out, TemporaryFile() as err, socket(AF_UNIX, SOCK_SEQPACKET) as line:
            line.connect(_warm())
            send_fds(line, [json.dumps(asked).encode()], [out.fileno(), err.fileno()])
            pid = int(line.recv(100))
            line.settimeout(timeout)
            try:
                code = int(line.recv(100))
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise
            return Ended(code, *(os.pread(file.fileno(), 1 << 26, 0).decode() for file in (out, err)))

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """Start a verb and do not wait; whoever starts it waits for it."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    @staticmethod
    def command(*arguments: object) -> list[str]:
        """Return the command of a verb."""
        return [sys.executable, "runner.py", *map(str, arguments)]

    @contextmanager
    def ledger(self) -> Iterator[Database]:
        """Open the ledger that the processes wrote."""
        database = Database(self.env.get("COUNTERSIGN_DATABASE_URL") or str(self.home / "ledger.db"))
        try:
            yield database
        finally:
            database.close()

    def story(self) -> dict[str, ItemDetail]:
        """Return everything that the ledger knows, by reference."""
        with self.ledger() as database:
            ids = [row.id for row in reads.items(database, limit=1000)]
            return {detail.item.reference: detail for detail in (reads.item(database, number) for number in ids)}

    def log(self) -> list[dict[str, Any]]:
        """Return every line of the log file."""
        lines = (self.home / "logs" / "countersign.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]


@cache
def _warm() -> bytes:
    """Start the process that the verbs are forked from and return its address; it ends when this process does."""
    with socket(AF_UNIX, SOCK_SEQPACKET) as listener:
        listener.bind("")  # Linux chooses a name that is no file
        listener.listen()
        command = [sys.executable, "-m", "tests.integration.warm", str(listener.fileno())]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERSIGN_")}
        warm = subprocess.Popen(command, cwd=ROOT, env=kept, stdin=subprocess.PIPE, pass_fds=[listener.fileno()])
        address: bytes = listener.getsockname()
    atexit.register(warm.communicate)
    return address


def terminal(folder: Path, portal: PortalServer, **env: str) -> Terminal:
    """Return a shell that knows the portal's password."""
    return Terminal(folder / "home", {"COUNTERSIGN_SECRET_ERP_PASSWORD": portal.password, **env})


def definition(folder: Path, *, app: Mapping[str, str] | None = None, steps: Mapping[str, str] | None = None) -> Path:
    """Copy the product's own definition, with short waits and without the model; return the workflow's path.

    Args:
        folder: where to; made if need be.
        app: further replacements in the application profile, each of which must hit.
        steps: the same in the workflow.
    """
    (folder / "apps").mkdir(parents=True)
    profile = (ROOT / "workflows" / "apps" / "erp.yaml").read_text(encoding="utf-8")
    profile = re.sub(r"(?m)^breaker:.*\n", "", re.sub(r"(?ms)^commits:\n(  .*?\n)+", "", profile)) + HURRY
    text = (ROOT / "workflows" / "invoice-entry.yaml").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^retry:.*$", RETRY, re.sub(r"(?m)^  - model:.*\n", "", text))
    text = re.sub(r"(?m)^review:\n(  .*\n)+", NO_SAMPLE + "\n", text)
    profile = profile.replace("timeout: 20s", "timeout: 5s")
    _write(folder / "apps" / "erp.yaml", profile, app or {})
    _write(folder / "invoice-entry.yaml", text, steps or {})
    return folder / "invoice-entry.yaml"


def _write(path: Path, text: str, changes: Mapping[str, str]) -> None:
    for old, new in changes.items():
        if old not in text:
            raise ValueError(f"{path.name} does not hold {old!r}")
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def invoices(folder: Path, count: int, *, seed: int = 13) -> list[dict[str, str]]:
    """Write up to sixteen right invoices with lines and return them.

    Seed 13 gives sixteen numbers that differ, Chinese suppliers in second and fifth place, and no total over 10,000.
    """
    write_invoices(folder, 16, seed, errors=0.0)  # another number would be other invoices
    rows = _read(folder / "invoices.csv")[:count]
    keys = {reference(row) for row in rows}
    _write_rows(folder / "invoices.csv", rows)
    lines = _read(folder / "invoice_lines.csv")
    _write_rows(folder / "invoice_lines.csv", [line for line in lines if reference(line) in keys])
    return rows


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def _write_rows(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def reference(row: Mapping[str, str]) -> str:
    """Return an invoice's reference as the definition makes it."""
    return f"{row['supplier']}/{row['invoice_no']}"


def submitted(portal: PortalServer) -> list[str]:
    """Return the key of each record that the portal holds, as it was sent."""
    return sorted(f"{row['raw']['Supplier']}/{row['raw']['Invoice number']}" for row in portal.records())
