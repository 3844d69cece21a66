"""One invoice through the portal: what the executor asks of hands, against the real application."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bots.dry_run import to_the_brink
from bots.hands import BrowserHands
from bots.office import BotOffice
from engine.definition import Step
from engine.errors import BusinessException, NotSent, Rejected, SessionLost, SystemException, UnknownOutcome
from engine.ports import Found, Receipt
from engine.redact import Redactor
from fixtures.portal.server import PortalServer
from tests.bots.house import item, workflow
from tests.bots.portal_walk import AUDIT, FIELDS, erp, invoice, walk

pytestmark = pytest.mark.asyncio(loop_scope="session")
LIMIT = timedelta(seconds=6)


@pytest.fixture
def portal(portal_process: PortalServer) -> Iterator[PortalServer]:
    portal_process.reset()
    yield portal_process
    portal_process.faults([])


def allow() -> None:
    """Permit every send."""


async def prepared(office: BotOffice, portal: PortalServer, slot: int, **changes: Any) -> BrowserHands:
    return await office.hands(workflow(erp(portal, **changes), walk(), fields=FIELDS, audit=AUDIT), slot)


async def filled(hands: BrowserHands, folder: Path, raw: dict[str, Any]) -> Step:
    """Begin an item and do everything before its commit."""
    view = item(FIELDS, folder, raw)
    await hands.begin(view)
    try:
        await hands.perform(hands.workflow.steps[0])
    except SessionLost:  # another test ended it
        await hands.begin(view)
        await hands.perform(hands.workflow.steps[0])
    for step in hands.workflow.steps[1:3]:
        await hands.perform(step)
    commit = hands.workflow.steps[3]
    await hands.aim(commit)
    return commit


async def sent(
    hands: BrowserHands, folder: Path, raw: dict[str, Any], limit: timedelta = LIMIT
) -> tuple[Step, Receipt]:
    commit = await filled(hands, folder, raw)
    return commit, await hands.send(commit, allow, limit)


async def test_an_invoice_is_saved_found_and_read_back_typed(
    office: BotOffice, portal: PortalServer, slot: int, tmp_path: Path
) -> None:
    hands = await prepared(office, portal, slot)
    commit, receipt = await sent(hands, tmp_path, invoice())
    assert receipt.app_id == "PI-000001"
    assert [(request.method, request.status) for request in receipt.requests] == [("POST", 303)]
    found = await hands.find(commit)
    assert found == Found(1, f"{portal.url}/invoices/1")
    await hands.perform(hands.workflow.steps[4])
    assert hands.record == item(FIELDS, tmp_path, invoice()).payload
    assert await hands.capture(tmp_path / "record.jpg")
    assert (tmp_path / "record.jpg").read_bytes().startswith(b"\xff\xd8")
    (tmp_path / "full.jpg").symlink_to("/dev/full")
    with pytest.raises(SystemException, match=r"full\.jpg: No space left") as full:
        await hands.capture(tmp_path / "full.jpg")
    assert full.value.code == "evidence_not_written"
    await hands.end(None)
    assert portal.counts() == {"records": 1, "duplicates": []}


async def test_what_the_application_calls_invalid_is_rejected_with_its_words(
    office: BotOffice, portal: PortalServer, slot: int, tmp_path: Path
) -> None:
    hands = await prepared(office, portal, slot)
    commit = await filled(hands, tmp_path, invoice(invoice_date="1999-01-04"))
    with pytest.raises(Rejected, match="Invoice date is more than 10 years away"):
        await hands.send(commit, allow, LIMIT)
    assert portal.counts()["records"] == 0


async def test_an_unknown_supplier_is_wrong_data_before_anything_is_sent(
    office: BotOffice, portal: PortalServer, slot: int, tmp_path: Path
) -> None:
    hands = await prepared(office, portal, slot)
    with pytest.raises(BusinessException) as caught:
        await filled(hands, tmp_path, invoice(supplier="上海恒通贸易有限公"))
    assert caught.value.code == "unknown_choice"
    assert "上海恒通贸易有限公司" in caught.value.message


@pytest.mark.parametrize("fault", ["error_after_commit", "cut_after_commit", "cut_before_commit"])
async def test_a_commit_without_a_clear_answer_is_unknown_and_never_doubled(
    office: BotOffice, portal: PortalServer, slot: int, tmp_path: Path, fault: str
) -> None:
    hands = await prepared(office, portal, slot)
    portal.faults([{"fault": fault}])
    commit = await filled(hands, tmp_path, invoice())
    with pytest.raises(UnknownOutcome):
        await hands.send(commit, allow, LIMIT)
    there = 0 if fault == "cut_before_commit" else 1
    assert (await hands.find(commit)).count == there
    assert portal.counts() == {"records": there, "duplicates": []}


async def test_a_late_answer_is_unknown_at_the_limit(
    office: BotOffice, portal: PortalServer, slot: int, tmp_path: Path
) -> None:
    hands = await prepared(office, portal, slot)
    portal.faults([{"fault": "late_answer", "seconds": 2}])
    commit = await filled(hands, tmp_path, invoice())
    began = time.perf_counter()
    with pytest.raises(UnknownOutcome):
        await hands.send(commit, allow, timedelta(seconds=0.6))
    assert time.perf_counter() - began < 1.5
    assert (await hands.find(commit)).count == 1


async def test_a_session_that_dies_under_the_commit_is_unknown_then_entered_again(
    office: BotOffice, portal: PortalServer, slot: int, tmp_path: Path
) -> None:
    hands = await prepared(office, portal, slot)
    portal.faults([{"fault": "expire_session"}])
    commit = await filled(hands, tmp_path, invoice())
    with pytest.raises(UnknownOutcome) as caught:
        await hands.send(commit, allow, LIMIT)
    assert caught.value.code == "session_lost"
    with pytest.raises(SessionLost):
        await hands.find(commit)
    await hands.begin(item(FIELDS, tmp_path, invoice()))
    assert (await hands.find(commit)).count == 0


async def test_a_lost_session_is_noticed_at_the_next_step_and_one_login_serves_all_slots(
    office: BotOffice, portal: PortalServer, slot: int, tmp_path: Path
) -> None:
    hands = await prepared(office, portal, slot)
    other = await office.hands(hands.workflow, slot + 10_000)
    view = item(FIELDS, tmp_path, invoice())
    await hands.begin(view)
    await other.begin(view)
    assert portal.expire_sessions() >= 1
    for each in (hands, other):
        with pytest.raises(SessionLost):
            await each.perform(each.workflow.steps[0])
        await each.begin(view)
        await each.perform(each.workflow.steps[0])
    assert portal.expire_sessions() == 1


async def test_a_refused_permit_sends_nothing(
    office: BotOffice, portal: PortalServer, slot: int, tmp_path: Path
) -> None:
    hands = await prepared(office, portal, slot)
    commit = await filled(hands, tmp_path, invoice())

    def refuse() -> None:
        raise NotSent("click_window_over", "too late")

    with pytest.raises(NotSent) as caught:
        await hands.send(commit, refuse, LIMIT)
    assert caught.value.code == "click_window_over"
    assert portal.counts()["records"] == 0
    await hands.aim(commit)
    assert (await hands.send(commit, allow, LIMIT)).app_id == "PI-000001"


async def test_a_dialog_over_the_form_is_clicked_away(
    office: BotOffice, portal: PortalServer, slot: int, tmp_path: Path
) -> None:
    hands = await prepared(office, portal, slot)
    portal.faults([{"fault": "popup", "after_ms": 120}])
    await sent(hands, tmp_path, invoice())
    assert portal.counts()["records"] == 1


async def test_a_form_that_renders_itself_anew_keeps_every_value(
    office: BotOffice, portal: PortalServer, slot: int, tmp_path: Path
) -> None:
    hands = await prepared(office, portal, slot)
    portal.faults([{"fault": "reformat_late"}])
    commit, _ = await sent(hands, tmp_path, invoice())
    await hands.find(commit)
    await hands.perform(hands.workflow.steps[4])
    assert hands.record == item(FIELDS, tmp_path, invoice()).payload


@pytest.mark.parametrize("level", [1, 2])
async def test_changed_ids_and_order_change_nothing(
    office: BotOffice, portal: PortalServer, slot: int, tmp_path: Path, level: int
) -> None:
    hands = await prepared(office, portal, slot)
    portal.faults([{"fault": "drift", "level": level}])
    commit, _ = await sent(hands, tmp_path, invoice())
    await hands.find(commit)
    await hands.perform(hands.workflow.steps[4])
    assert hands.record == item(FIELDS, tmp_path, invoice()).payload


async def test_changed_labels_are_refused_with_the_nearest_names(
    office: BotOffice, portal: PortalServer, slot: int, tmp_path: Path
) -> None:
    hands = await prepared(office, portal, slot, timeout=0.5)
    portal.faults([{"fault": "drift", "level": 3}])
    with pytest.raises(SystemException) as caught:
        await filled(hands, tmp_path, invoice())
    assert caught.value.code == "element_missing"
    assert portal.counts()["records"] == 0


async def test_find_tells_two_from_one_and_something_alike_from_nothing(
    office: BotOffice, portal: PortalServer, slot: int, tmp_path: Path
) -> None:
    hands = await prepared(office, portal, slot)
    portal.faults([{"fault": "truncate_field", "field": "Invoice number", "length": 4, "invoice_no": ["INV-9"]}])
    commit, _ = await sent(hands, tmp_path, invoice("INV-9"))
    assert await hands.find(commit) == Found(0, alike=1)
    for _ in range(2):
        commit, _ = await sent(hands, tmp_path, invoice("INV-2"))
    assert (await hands.find(commit)).count == 2


async def test_the_run_audit_counts_every_key_over_all_pages(
    office: BotOffice, portal: PortalServer, slot: int, tmp_path: Path
) -> None:
    hands = await prepared(office, portal, slot)
    for number in ("A-1", "A-2", "A-3", "A-3", "A-4"):
        await sent(hands, tmp_path, invoice(number))
    views = [item(FIELDS, tmp_path, invoice(f"A-{n}"), n) for n in range(1, 6)]
    assert await hands.listed(views) == {1: 1, 2: 1, 3: 2, 4: 1, 5: 0}


async def test_a_dry_run_shows_what_would_be_sent_and_sends_nothing(
    office: BotOffice, portal: PortalServer, slot: int, tmp_path: Path
) -> None:
    hands = await prepared(office, portal, slot)
    requests = await to_the_brink(hands, item(FIELDS, tmp_path, invoice("DRY-1")))
    assert [request.method for request in requests] == ["POST"]
    assert "DRY-1" in (requests[0].body or "")
    assert portal.counts()["records"] == 0


async def test_the_password_is_in_no_trace_and_no_picture(
    office: BotOffice, portal: PortalServer, slot: int, tmp_path: Path, redactor: Redactor
) -> None:
    hands = await prepared(office, portal, slot)
    await filled(hands, tmp_path, invoice(purchase_order=portal.password))
    assert not await hands.capture(tmp_path / "leak.jpg")
    assert not (tmp_path / "leak.jpg").exists()
    await hands.end(tmp_path / "trace.zip")
    assert (tmp_path / "trace.zip").stat().st_size > 500
    assert not redactor.scrub_zip(tmp_path / "trace.zip")
