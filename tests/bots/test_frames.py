"""Commits and secrets in inline frames, and commits that no guard sees, keep to the same rules."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bots.hands import BrowserHands
from bots.office import BotOffice
from engine.errors import NotSent, Rejected, SystemException, UnknownOutcome
from engine.redact import Redactor
from tests.bots.house import Pages, step
from tests.bots.test_hostile_pages import CANARY, LIMIT, SAVE, allow, opened, secretive

pytestmark = pytest.mark.asyncio(loop_scope="session")

FRAMED: dict[str, Any] = {
    "click": {"button": "Save", "frame": "Entry"},
    "confirm": {"text": "Saved", "frame": "Entry"},
    "rejected": {"role": "alert", "frame": "Entry"},
    "id": {"field": "Number", "frame": "Entry"},
    "in_doubt": "review",
}


async def framed(office: BotOffice, pages: Pages, slot: int, folder: Path, before: str, after: str) -> BrowserHands:
    pages.show(f"{before}<form method=post action=/save><button>Save</button></form>", "/entry")
    pages.show(after, "/save")
    return await opened(office, pages, slot, folder, "<h1>Office</h1><iframe title=Entry src=/entry></iframe>")


async def test_a_commit_in_a_frame_is_confirmed_where_the_definition_says(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    answer = "<p>Saved</p><dl><dt>Number<dd>R-7</dl>"
    hands = await framed(office, pages, slot, tmp_path, "<p>Saved</p>", answer)
    receipt = await hands.send(step("commit", FRAMED), allow, LIMIT)
    assert (receipt.app_id, receipt.url, len(receipt.requests)) == ("R-7", f"{pages.url}/", 1)


async def test_words_around_the_frame_or_in_it_from_before_confirm_nothing(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    hands = await framed(office, pages, slot, tmp_path, "", "<p>Thinking</p>")
    await hands.bot.page.evaluate("document.querySelector('h1').textContent = 'Saved'")
    with pytest.raises(UnknownOutcome):
        await hands.send(step("commit", FRAMED), allow, LIMIT)
    still = "<p>Saved</p><button onclick=\"fetch('/save', {method: 'POST'})\">Save</button><!--"
    hands = await framed(office, pages, slot, tmp_path, still, "")
    with pytest.raises(UnknownOutcome):
        await hands.send(step("commit", FRAMED), allow, LIMIT)
    assert len(pages.posted) == 2


async def test_a_rejection_in_a_frame_is_one_and_one_around_it_is_none(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    hands = await framed(office, pages, slot, tmp_path, "", "<p role=alert>Number is taken</p>")
    with pytest.raises(Rejected, match="Number is taken"):
        await hands.send(step("commit", FRAMED), allow, LIMIT)
    await hands.perform(step("open", "/"))
    with pytest.raises(UnknownOutcome):
        await hands.send(step("commit", {**FRAMED, "rejected": {"role": "alert"}}), allow, LIMIT)


async def test_a_click_on_the_page_may_be_answered_in_a_frame_that_comes_with_it(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    body = "<form method=post action=/save><button>Save</button></form>"
    hands = await opened(office, pages, slot, tmp_path, body)
    pages.show("<iframe title=Entry src=/done></iframe>", "/save")
    pages.show("<p>Saved</p>", "/done")
    receipt = await hands.send(step("commit", {**FRAMED, "click": {"button": "Save"}}), allow, LIMIT)
    assert receipt.url == f"{pages.url}/save"


async def test_a_secret_is_typed_into_a_frame_and_stays_out_of_the_page_around_it(
    pages: Pages, slot: int, tmp_path: Path
) -> None:
    async with secretive(Redactor()) as office:
        body = "<label>Pin <input id=out></label><iframe title=Entry src=/pin></iframe>"
        pages.show("<label>Pin <input id=in></label>", "/pin")
        hands = await opened(office, pages, slot, tmp_path, body)
        pin = {"Secret": {"field": "Pin", "value": "${secret:pin}", "frame": "Entry"}}
        await hands.perform(step("fill", pin))
        inner = hands.bot.page.frames[1]
        assert (await inner.input_value("#in"), await hands.bot.page.input_value("#out")) == (CANARY, "")
        # a microtask runs after the field's focus was checked and before the text comes, however busy the machine
        steal = "queueMicrotask(() => parent.document.getElementById('out').focus())"
        await inner.evaluate(f"document.getElementById('in').onfocus = () => {steal}")
        with pytest.raises(SystemException):
            await hands.perform(step("fill", pin))
        assert await hands.bot.page.input_value("#out") == ""


async def test_a_commit_that_no_guard_sees_keeps_to_its_limit_too(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    body = "<button onclick='for (const end = Date.now() + 5000; Date.now() < end;);'>Save</button>"
    hands = await opened(office, pages, slot, tmp_path, body)
    commit = {**SAVE, "via": "websocket"}
    with pytest.raises(NotSent):
        await hands.send(step("commit", {**commit, "click": {"button": "Gone"}}), allow, timedelta(seconds=0.3))
    started = asyncio.get_running_loop().time()
    with pytest.raises(UnknownOutcome):
        await hands.send(step("commit", commit), allow, timedelta(seconds=1))
    assert asyncio.get_running_loop().time() - started < 4


async def test_a_commit_that_no_guard_sees_may_be_in_a_frame(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path
) -> None:
    socket = "<p id=p></p><button onclick=\"p.textContent = 'Saved'\">Save</button><!--"
    hands = await framed(office, pages, slot, tmp_path, socket, "")
    receipt = await hands.send(step("commit", {**FRAMED, "via": "websocket"}), allow, LIMIT)
    assert receipt.requests == ()
