"""The main job, once, against everything the portal can do wrong: what each part says afterwards."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine.ledger.rows import ItemDetail
from fixtures.portal.server import PortalServer
from tests.integration.house import Ended, Terminal, definition, invoices, reference, submitted, terminal

COMMIT_FAULTS: tuple[dict[str, Any], ...] = (
    {"fault": "late_answer", "seconds": 12},
    {"fault": "cut_after_commit"},
    {"fault": "late_commit", "seconds": 4},
    {"fault": "error_after_commit"},
    {"fault": "cut_before_commit"},
    {"fault": "error_before_commit"},
    {"fault": "expire_session"},
)
CORRUPTIONS: dict[str, dict[str, Any]] = {
    "iban": {"fault": "truncate_field", "field": "IBAN", "length": 9},
    "cost_center": {"fault": "wrong_option", "field": "Cost center"},
}
PAGE_FAULTS: tuple[dict[str, Any], ...] = (
    {"fault": "popup", "nth": 2},
    {"fault": "drift", "level": 1, "nth": 3},
    {"fault": "drift", "level": 2, "nth": 5},
    {"fault": "drift", "level": 3, "nth": 7},
    {"fault": "reformat_late", "every": 4},
)


@dataclass(frozen=True)
class Told:
    """What is left when the run has ended."""

    shell: Terminal
    run: Ended
    references: list[str]
    wrong: dict[str, str]
    """Reference to the field that the portal stored wrong."""
    records: list[dict[str, Any]]
    submitted: list[str]
    hits: Counter[str]
    items: dict[str, ItemDetail]
    report: Any


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder: Path = tmp_path_factory.mktemp("main-job")
    rows = invoices(folder / "source", 10)
    faults = [*COMMIT_FAULTS, *CORRUPTIONS.values()]
    plan = [{**fault, "invoice_no": [row["invoice_no"]]} for fault, row in zip(faults, rows, strict=False)]
    wrong = {reference(row): name for name, row in zip(CORRUPTIONS, rows[len(COMMIT_FAULTS) :], strict=False)}
    path = definition(folder / "definitions")
    with PortalServer(folder / "portal.db", faults=[*plan, *PAGE_FAULTS]) as portal:
        shell = terminal(folder, portal)
        run = shell("run", path, "--source", folder / "source" / "invoices.csv", "--base-url", portal.url)
        hits = Counter(str(hit["fault"]) for hit in portal.faults()["fired"])
        records, keys = portal.records(), submitted(portal)
    report = shell("report", 1, "--json").json
    return Told(shell, run, [reference(row) for row in rows], wrong, records, keys, hits, shell.story(), report)


def test_every_fault_really_hit(told: Told) -> None:
    planned = Counter(str(fault["fault"]) for fault in (*COMMIT_FAULTS, *CORRUPTIONS.values(), *PAGE_FAULTS))
    assert {name: told.hits[name] for name in planned if told.hits[name] < planned[name]} == {}


def test_the_portal_holds_every_invoice_once(told: Told) -> None:
    assert told.submitted == sorted(told.references)


def test_what_the_portal_stored_wrong_waits_for_a_person_with_its_field_named(told: Told) -> None:
    flagged = {
        key: {finding.field for verdict in detail.verdicts for finding in verdict.findings}
        for key, detail in told.items.items()
        if detail.item.state == "review"
    }
    assert flagged == {key: {name} for key, name in told.wrong.items()}


def test_all_others_passed(told: Told) -> None:
    states = Counter(detail.item.state for detail in told.items.values())
    assert states == {"passed": len(told.references) - len(told.wrong), "review": len(told.wrong)}
    assert told.run.code == 1


def test_what_was_never_confirmed_was_asked_for_and_not_sent_again(told: Told) -> None:
    sent = {key: [intent.outcome for intent in detail.intents] for key, detail in told.items.items()}
    assert all(outcomes.count("sent") == 1 for outcomes in sent.values()), sent
    assert all(outcome is not None for outcomes in sent.values() for outcome in outcomes), sent


def test_the_run_audit_saw_every_key(told: Told) -> None:
    # the audit compares with the list by supplier and number, neither of which was stored wrong
    assert told.report["run"]["audit"]["keys"] == len(told.references)
    assert told.report["run"]["audit"]["as_expected"] == len(told.references)


def test_the_evidence_is_what_was_sealed(told: Told) -> None:
    root = told.shell.home / "evidence"
    for key, detail in told.items.items():
        last = detail.attempts[-1].id
        kinds = {file.kind for file in detail.evidence if file.attempt_id == last}
        assert {"payload", "read-back", "diff", "screenshot"} <= kinds, key
        assert ("trace" in kinds) == (detail.item.state == "review"), key
        for file in detail.evidence:
            assert hashlib.sha256((root / file.path).read_bytes()).hexdigest() == file.sha256, file.path


def test_every_settlement_is_logged_with_run_item_and_attempt(told: Told) -> None:
    settled = [line for line in told.shell.log() if line["event"] == "item.settled"]
    ids = {(1, detail.item.id, attempt.fence) for detail in told.items.values() for attempt in detail.attempts}
    assert {(line["run"], line["item"], line["attempt"]) for line in settled} == ids
    assert {line["reference"] for line in settled} == set(told.references)


def test_nothing_unforeseen_happened(told: Told) -> None:
    assert [line["message"] for line in told.shell.log() if line["exception"] or line["level"] == "ERROR"] == []


def test_the_report_says_what_the_portal_says(told: Told) -> None:
    figures = told.report["figures"]
    assert (figures["items"], figures["passed"], figures["in_review"]) == (10, 8, 2)
    assert figures["straight_through"]["n"] == 10
    assert told.report["run"]["state"] == "done"
    assert figures["retried"] >= 1


def test_the_summary_names_what_is_next(told: Told) -> None:
    assert "run-000001.html" in told.run.out
    assert "review" in told.run.out


def test_the_html_report_stands_alone(told: Told) -> None:
    text = (told.shell.home / "reports" / "run-000001.html").read_text(encoding="utf-8")
    assert not re.search(r"""<(link|script|img|iframe)[^>]*(src|href)=["']?(https?:)?//""", text)
    for key in told.wrong:
        assert key.partition("/")[2] in text


def test_a_chinese_name_survives_everywhere(told: Told) -> None:
    name = next(key.partition("/")[0] for key in told.references if re.search("[\u4e00-\u9fff]", key))
    number = next(key for key in told.references if key.startswith(name)).partition("/")[2]
    detail = told.items[f"{name}/{number}"]
    places: dict[str, Any] = {
        "portal": [row["fields"]["Supplier"] for row in told.records],
        "ledger": [detail.payload["supplier"]],
        "log": (told.shell.home / "logs" / "countersign.jsonl").read_text(encoding="utf-8"),
        "report": (told.shell.home / "reports" / "run-000001.html").read_text(encoding="utf-8"),
    }
    for kind in ("payload", "read-back"):
        file = next(file for file in detail.evidence if file.kind == kind)
        places[kind] = (told.shell.home / "evidence" / file.path).read_text(encoding="utf-8")
        json.loads(places[kind])
    assert [place for place, text in places.items() if name not in text] == []
