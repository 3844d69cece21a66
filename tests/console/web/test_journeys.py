"""A day of each role, in a real browser against a real server and a real ledger."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from console.web import fresh
from console.web.pages import today
from engine.ledger import reads
from tests.console.story import flag, invoice
from tests.console.web.conftest import HOSTILE, Place, SignIn


def shows(page: Page, text: str, *, visible: bool = True) -> None:
    """Wait for a page with this text to be there, its scripts included."""
    page.get_by_text(text).first.wait_for(state="visible" if visible else "attached")
    page.wait_for_load_state("load")


def test_a_qa_lead_decides_what_waits_by_keyboard_alone(place: Place, signs_in: SignIn) -> None:
    story = place.story
    place.person("ana", "qa_lead")
    story.open([invoice(1), invoice(2, supplier=HOSTILE), invoice(3), invoice(4)])
    for n in (1, 2, 3, 4):
        story.flags(flag("iban", observed=HOSTILE if n == 2 else "DE12"), screenshot=b"\xff\xd8")
    page = signs_in("ana")
    page.get_by_role("link", name="Review").click()
    shows(page, "Start with the longest wait")
    page.keyboard.press("Enter")
    shows(page, "Right is", visible=False)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    shows(page, "Item 1 accepted.")
    expect(page.get_by_text(HOSTILE.split("\u202e", maxsplit=1)[0]).first).to_be_visible()
    page.keyboard.press("r")
    page.keyboard.type("the IBAN is another one")
    page.keyboard.press("Enter")
    shows(page, "Item 2 rejected.")
    page.keyboard.press("c")
    expect(page.get_by_label("Right value of iban")).to_be_focused()
    page.keyboard.type("DE99")
    page.keyboard.press("Enter")
    shows(page, "Correction of item 3 ordered")
    page.keyboard.press("n")
    expect(page).to_have_url(re.compile("/review/4"))
    states = {row.id: row.state for row in reads.items(story.database) if row.corrects_item_id is None}
    assert states == {1: "accepted", 2: "rejected", 3: "correcting", 4: "review"}
    assert page.title() != "owned"


def test_an_operator_watches_a_run_and_sees_it_change_without_asking(
    place: Place, signs_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = place.story
    place.person("otto", "operator")
    story.open(3)
    story.passes()
    monkeypatch.setattr(today, "_LOOK", 0.2)
    monkeypatch.setattr(fresh, "_SHARE", 0)
    page = signs_in("otto")
    waiting = page.locator(".sums strong").first
    expect(waiting).to_have_text("0")
    expect(page.get_by_role("link", name="Review")).to_have_count(0)
    story.flags()
    expect(waiting).to_have_text("1", timeout=20_000)
    page.get_by_role("link", name="Runs").click()
    page.get_by_role("link", name="1", exact=True).click()
    page.get_by_role("link", name="in review 1").click()
    page.get_by_role("link", name="2", exact=True).click()
    expect(page.get_by_text("Attempt 1")).to_be_visible()
    expect(page.get_by_text("3 commit: send")).to_be_visible()


def test_an_admin_lets_somebody_in_and_proves_what_was_done(place: Place, signs_in: SignIn) -> None:
    place.person("root", "admin")
    page = signs_in("root")
    page.get_by_role("link", name="Users").click()
    page.get_by_label("Full name").fill("Ben Ito")
    page.get_by_label("Name to sign in with").fill("ben")
    page.get_by_label("QA lead").last.check()
    page.get_by_role("button", name="Add").click()
    password = page.locator("code").inner_text()
    assert len(password) > 30
    page.get_by_role("link", name="Audit").click()
    expect(page.get_by_role("link", name="user.add").first).to_be_visible()
    page.get_by_role("button", name="Verify the chain").click()
    expect(page.get_by_role("status")).to_contain_text("entries are what was written")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Name").fill("ben")
    page.get_by_label("Password").fill(password)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Somebody else knows your password")).to_be_visible()
