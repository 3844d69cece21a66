"""What a person decides, carried out in the application: correct, accept, reject, retry, four eyes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from bots.profile import AppExtras
from bots.registry import step_kinds
from engine import loader
from engine.definition import Workflow
from engine.errors import UserError
from engine.ledger import reviews
from engine.ports import Registry
from fixtures.portal.server import PortalServer
from qc_models.registry import check_kinds
from tests.integration.house import Terminal, definition, invoices, reference, submitted, terminal

SEED = 9
"""Its first two invoices are Chinese and over 10,000."""


@dataclass
class Desk:
    """A run of five invoices, every one of which waits for a person."""

    shell: Terminal
    portal: PortalServer
    rows: list[dict[str, str]]
    ids: dict[str, int]
    workflow: Workflow

    def id(self, number: int) -> int:
        """Return the item of the n-th invoice, from 0."""
        return self.ids[reference(self.rows[number])]

    def state(self, number: int) -> str:
        """Return how the n-th invoice's item stands now."""
        return self.shell.story()[reference(self.rows[number])].item.state

    def stored(self, number: int) -> dict[str, Any]:
        """Return what the portal stores of the n-th invoice."""
        wanted = self.rows[number]["invoice_no"]
        (record,) = [row for row in self.portal.records() if row["raw"]["Invoice number"] == wanted]
        fields: dict[str, Any] = record["fields"]
        return fields


BIG, CURRENCY, INVALID, TRUNCATED, GONE = range(5)


@pytest.fixture(scope="module")
def desk(portal_process: PortalServer, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = tmp_path_factory.mktemp("review")
    portal_process.reset()
    rows = invoices(folder / "source", 5, seed=SEED)
    spoilt = (folder / "source" / "invoices.csv").read_text(encoding="utf-8")
    right = f"{rows[INVALID]['invoice_no']},{rows[INVALID]['invoice_date']}"
    assert right in spoilt
    spoilt = spoilt.replace(right, f"{rows[INVALID]['invoice_no']},2026-02-31")
    (folder / "source" / "invoices.csv").write_text(spoilt, encoding="utf-8")
    number = [row["invoice_no"] for row in rows]
    portal_process.faults(
        [
            {"fault": "truncate_field", "field": "IBAN", "invoice_no": [number[BIG], number[TRUNCATED]]},
            {"fault": "wrong_option", "field": "Currency", "invoice_no": [number[CURRENCY]]},
            {"fault": "error_before_commit", "invoice_no": [number[GONE]], "times": 2},
        ]
    )
    shell = terminal(folder, portal_process)
    path = definition(folder / "definitions", steps={"attempts: 4": "attempts: 2"})
    done = shell("run", path, "--source", folder / "source" / "invoices.csv", "--base-url", portal_process.url)
    assert done.code == 1, done.err
    ids = {key: detail.item.id for key, detail in shell.story().items()}
    registry = Registry(steps=step_kinds(), checks=check_kinds(), app_extras=AppExtras)
    return Desk(shell, portal_process, rows, ids, loader.load_one(path, registry))


def test_what_waits_is_listed_with_the_field_and_the_reason(desk: Desk) -> None:
    waiting = {row["reference"]: row for row in desk.shell("review", "list", "--json").json["waiting"]}
    said = {reference(desk.rows[n]): waiting[reference(desk.rows[n])]["suspicious"] for n in (BIG, CURRENCY, INVALID)}
    assert said == {
        reference(desk.rows[BIG]): ["iban"],
        reference(desk.rows[CURRENCY]): ["currency"],
        reference(desk.rows[INVALID]): ["invoice_date"],
    }
    assert "2026-02-31" in waiting[reference(desk.rows[INVALID])]["message"]


def test_a_correction_edits_the_record_in_the_application(desk: Desk) -> None:
    before = len(desk.portal.records())
    currency = desk.rows[CURRENCY]["currency"]
    assert desk.stored(CURRENCY)["Currency"] != currency

    item = desk.id(CURRENCY)
    done = desk.shell("review", "correct", item, f"currency={currency}", "--as", "qa", "--reason", "see the scan")

    assert done.code == 0, done.err
    assert "the bot mended the record" in done.out
    assert desk.stored(CURRENCY)["Currency"] == currency
    assert len(desk.portal.records()) == before, "edited, not entered again"
    assert desk.state(CURRENCY) == "corrected"
    (correction,) = [detail for detail in desk.shell.story().values() if detail.item.corrects_item_id == item]
    assert (correction.item.state, correction.kind) == ("passed", "correction")
    (review,) = desk.shell.story()[reference(desk.rows[CURRENCY])].reviews
    assert (review.reviewer, review.reason, review.decision) == ("qa", "see the scan", "correct")


def test_a_corrected_item_cannot_be_decided_again(desk: Desk) -> None:
    again = desk.shell("review", "accept", desk.id(CURRENCY), "--as", "qa")
    assert again.code == 2
    assert "does not wait for a review: it is corrected" in again.err


def test_an_invalid_record_is_entered_once_it_is_right(desk: Desk) -> None:
    item = desk.id(INVALID)
    assert desk.rows[INVALID]["invoice_no"] not in [row["raw"]["Invoice number"] for row in desk.portal.records()]
    retried = desk.shell("items", "retry", item, "--reason", "try it")
    assert retried.code == 2
    assert f"review correct {item}" in retried.err

    refused = desk.shell("review", "correct", item, "total=1")
    assert refused.code == 2
    assert "invoice_date" in refused.err

    done = desk.shell("review", "correct", item, f"invoice_date={desk.rows[INVALID]['invoice_date']}", "--as", "qa")
    assert done.code == 0, done.err
    day = ".".join(reversed(desk.rows[INVALID]["invoice_date"].split("-")))
    assert desk.stored(INVALID)["Invoice date"] == day
    assert desk.state(INVALID) == "corrected"


def test_four_eyes_have_to_see_a_large_amount(desk: Desk) -> None:
    item = desk.id(BIG)
    first = desk.shell("review", "accept", item, "--as", "ana")
    assert first.code == 1
    assert "a second person" in first.out
    assert desk.state(BIG) == "review"

    same = desk.shell("review", "accept", item, "--as", "ana")
    assert same.code == 2
    assert "four eyes" in same.err

    second = desk.shell("review", "accept", item, "--as", "ben")
    assert second.code == 0, second.err
    assert desk.state(BIG) == "accepted"


def test_a_decision_about_an_older_attempt_is_refused(desk: Desk) -> None:
    key = reference(desk.rows[TRUNCATED])
    seen = desk.shell.story()[key]

    again = desk.shell("items", "retry", desk.id(TRUNCATED), "--reason", "look once more")

    assert again.code == 1, "the record is as wrong as before"
    assert submitted(desk.portal).count(key) == 1, "what arrived is read again, never sent again"
    with desk.shell.ledger() as database, pytest.raises(UserError, match="was worked on since you looked"):
        reviews.decide(
            database,
            desk.id(TRUNCATED),
            "accept",
            "qa",
            workflow=desk.workflow,
            seen_attempt=seen.attempts[-1].id,
        )
    assert desk.state(TRUNCATED) == "review"


def test_a_rejection_needs_a_reason_and_leaves_the_record_as_it_is(desk: Desk) -> None:
    item = desk.id(TRUNCATED)
    assert desk.shell("review", "reject", item).code == 2
    before = desk.stored(TRUNCATED)
    done = desk.shell("review", "reject", item, "--reason", "the supplier changed banks", "--as", "qa")
    assert done.code == 0, done.err
    assert desk.state(TRUNCATED) == "rejected"
    assert desk.stored(TRUNCATED) == before


def test_trying_again_what_never_arrived_really_sends_again(desk: Desk) -> None:
    before = desk.shell.story()[reference(desk.rows[GONE])]
    assert (before.item.state, before.item.reason) == ("review", "too_many_attempts")
    retried = desk.shell("items", "retry", desk.id(GONE), "--reason", "the portal is well again")
    assert retried.code == 0, retried.err
    assert desk.state(GONE) == "passed"
    assert submitted(desk.portal).count(reference(desk.rows[GONE])) == 1
