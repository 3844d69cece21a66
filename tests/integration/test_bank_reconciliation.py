"""A bank statement of twenty lines, reconciled in the portal: killed while marking, resumed, mended, sent again.

The ledger is SQLite's; `COUNTERSIGN_TEST_LEDGER=postgresql` makes it PostgreSQL's, which takes as long once more.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from benchmarks.process_tree import send, tree
from bots.reconciliation.kinds import KINDS
from engine.ledger.tables import intents
from fixtures.portal import seed
from fixtures.portal.server import PortalServer
from fixtures.portal.statement import Row, camt053
from tests.conftest import fresh_ledgers
from tests.integration.house import RETRY, ROOT, Terminal, definition, terminal

FIRST, UNTIL = 24, 44
"""Which of the portal's bank lines: sixteen payments, two of them without a document number, and four others."""
PAYMENTS = range(FIRST, 40)
NAMELESS = [n for n in PAYMENTS if n % 9 == 0]
SURE = [f"OP-{n + 1:06d}" for n in PAYMENTS if n not in NAMELESS]


@dataclass(frozen=True)
class Desk:
    """What a killed and resumed reconciliation left."""

    shell: Terminal
    portal: PortalServer
    command: tuple[object, ...]
    lines: list[Row]

    def cleared(self) -> Counter[str]:
        """Count the clearings of each item."""
        return Counter(row["item_no"] for row in self.portal.clearings())


def definitions(folder: Path) -> Path:
    """Copy both with short waits, without samples, and with reviews that let one kind close; return the first."""
    definition(folder)
    for name in ("clear-items", "bank-reconciliation"):
        text = (ROOT / "workflows" / f"{name}.yaml").read_text(encoding="utf-8")
        text = re.sub(r"audit_sample: [0-9.]+", "audit_sample: 0", re.sub(r"(?m)^retry:.*$", RETRY, text))
        held = ", ".join(kind for kind in KINDS if kind.startswith("amount"))
        text = text.replace("      gate:", "      evidence: {reference: {reviewed: 300000}}\n      gate:")
        text = text.replace("confidence: 0.95}", f"confidence: 0.95, suggest_only: [{held}]}}")
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder / "bank-reconciliation.yaml"


@pytest.fixture(scope="module")
def ledger(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Give the environment that names the ledger."""
    if os.environ.get("COUNTERSIGN_TEST_LEDGER") != "postgresql":
        yield {}
        return
    with fresh_ledgers(request.getfixturevalue("ledgers")) as url:
        yield {"COUNTERSIGN_DATABASE_URL": url("kill")}


@pytest.fixture(scope="module")
def desk(portal_process: PortalServer, tmp_path_factory: pytest.TempPathFactory, ledger: dict[str, str]) -> Desk:
    folder = tmp_path_factory.mktemp("reconciliation")
    portal_process.reset()
    lines = seed.bank_lines(seed.load_suppliers())[FIRST:UNTIL]
    (folder / "statement.xml").write_text(camt053(lines), encoding="utf-8")
    shell = terminal(folder, portal_process, **ledger)
    portal_process.faults(
        [
            {"fault": "late_answer", "seconds": 3, "nth_commit": 5},
            {"fault": "cut_after_commit", "invoice_no": [SURE[-1]]},
            {"fault": "error_before_commit", "invoice_no": [SURE[-2]]},
            {"fault": "expire_session", "invoice_no": [SURE[-3]]},
            {"fault": "popup", "path": f"/open-items/{SURE[-4]}"},
        ]
    )
    path = definitions(folder / "definitions")
    command = ("run", path, "--base-url", portal_process.url, "--slots", 2, "--lease", "6s", "--source")
    killed = shell.start(*command, folder / "statement.xml")
    while len(portal_process.clearings()) < 5:  # the fifth is stored, and its answer is not there yet
        assert killed.poll() is None, killed.communicate()
        with suppress(subprocess.TimeoutExpired):
            killed.wait(0.05)
    send(tree(killed.pid), signal.SIGKILL)
    killed.communicate()
    with shell.ledger() as database, database.read() as connection:
        unclear = connection.execute(sa.select(intents.c.id).where(intents.c.outcome.is_(None))).all()
    assert unclear, "the kill hit no commit"
    done = shell("worker", "--drain", "--slots", 2, "--lease", "6s")
    assert "Traceback" not in done.err, done.err
    return Desk(shell, portal_process, command, lines)


def test_every_item_is_marked_once_and_every_bank_line_is_in_one_place(desk: Desk) -> None:
    story = desk.shell.story()
    marked = [detail for detail in story.values() if detail.item.workflow == "clear-items"]
    assert desk.cleared() == Counter(SURE)
    assert sorted(one.payload["item"] for one in marked if one.item.state == "passed") == sorted(SURE)
    held = [one.item for one in marked if one.item.state == "review"]
    lines = [item for item in held if item.reference[0] in "LM"]
    assert {item.reason for item in held} <= {"break", "suggested"}
    assert len(SURE) + len(lines) == len(desk.lines) == UNTIL - FIRST
    partitions = [detail for detail in story.values() if detail.item.workflow == "bank-reconciliation"]
    assert [one.item.state for one in partitions] == ["passed"] * 3
    assert sum(one.payload["lines"] for one in partitions) == len(desk.lines)
    fired = Counter(hit["fault"] for hit in desk.portal.faults()["fired"])
    assert set(fired) == {"late_answer", "cut_after_commit", "error_before_commit", "expire_session", "popup"}


def test_what_is_read_back_is_what_was_matched(desk: Desk) -> None:
    stored = {row["item_no"]: row for row in desk.portal.clearings()}
    paid = dict(zip([f"OP-{n + 1:06d}" for n in PAYMENTS], desk.lines, strict=False))
    for name in SURE:
        assert stored[name]["amount"] == -paid[name][4]
        assert stored[name]["cleared_on"] == paid[name][1]
    assert len({row["statement_ref"] for row in stored.values()}) == len(SURE), "a reference a match"


def test_the_same_file_again_is_no_work_and_an_overlapping_one_only_its_new_lines(desk: Desk, tmp_path: Path) -> None:
    before = {key: detail.item.state for key, detail in desk.shell.story().items()}
    longer = seed.bank_lines(seed.load_suppliers())[FIRST : UNTIL + 2]
    (tmp_path / "longer.xml").write_text(camt053(longer), encoding="utf-8")
    again = desk.shell(*desk.command, tmp_path / "longer.xml")
    assert again.code in {0, 1}, again.err
    assert desk.cleared() == Counter(SURE)
    new = {key for key in desk.shell.story().keys() - before.keys() if key[0] in "LM"}
    assert len(new) == 2, "the lines that came before have their items or wait already"


def test_a_break_is_not_marked_however_often_it_is_tried(desk: Desk) -> None:
    breaks = {one.item.reference: one.item.id for one in desk.shell.story().values() if one.item.reason == "break"}
    tried = [number for reference, number in breaks.items() if reference.startswith(("L-", "B-"))]
    assert {reference[0] for reference in breaks} == {"L", "B"}
    desk.shell("items", "retry", *tried, "--reason", "try it")
    assert desk.cleared() == Counter(SURE)
    states = {one.item.id: one.item.state for one in desk.shell.story().values()}
    assert {states[number] for number in tried} == {"review"}


def test_a_person_takes_a_suggestion_or_names_the_item_and_the_bot_marks_it(desk: Desk) -> None:
    amounts = [f"{-desk.lines[number - FIRST][4] / 100:.2f}" for number in NAMELESS]
    story = desk.shell.story().values()
    waiting = {one.payload["amount"]: one.item for one in story if one.item.reason == "suggested"}
    taken, named = (waiting[amount] for amount in amounts)
    names = [f"OP-{number + 1:06d}" for number in NAMELESS]

    retried = desk.shell("items", "retry", taken.id, "--as", "qa", "--reason", "it is this one")
    corrected = desk.shell(
        "review", "correct", named.id, f"item={names[1]}", "--as", "qa", "--reason", "see the letter"
    )

    assert (retried.code, corrected.code) == (0, 0), retried.err + corrected.err
    assert desk.cleared() == Counter([*SURE, *names])
    states = {reference: one.item.state for reference, one in desk.shell.story().items()}
    assert (states[taken.reference], states[named.reference]) == ("passed", "corrected")
