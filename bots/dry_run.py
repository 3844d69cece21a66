"""To the brink: everything up to the commit, the click included, with nothing leaving the browser."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bots.commit import aim
from bots.hands import BrowserHands
from bots.locators import Locator
from bots.office import BotOffice
from bots.trouble import translated
from engine.definition import Workflow, segments
from engine.errors import SystemException
from engine.ports import ItemView, SentRequest
from engine.values import Record


async def rehearse(office: BotOffice, workflow: Workflow, reference: str, payload: Record) -> tuple[SentRequest, ...]:
    """Open the office, take one record to the brink and return what would be sent; raises as `to_the_brink` does."""
    with tempfile.TemporaryDirectory() as folder:
        item = ItemView(0, reference, payload, workflow.fields, workflow.params, Path(folder))
        async with office:
            hands = await office.hands(workflow, 0)
            try:
                return await to_the_brink(hands, item)
            finally:
                await hands.end(None)


async def to_the_brink(hands: BrowserHands, item: ItemView) -> tuple[SentRequest, ...]:
    """Do an item up to its first commit and return what would be sent, secrets scrubbed; 0 requests leave.

    Raises:
        BusinessException: the data does not fit the application.
        SystemException: a step failed, or the click would send nothing.
    """
    await hands.begin(item)
    segment = next((one for one in segments(hands.workflow.steps) if one.commit is not None), None)
    if segment is None or segment.commit is None:
        raise SystemException("no_commit", "the definition has no commit")
    for step in segment.fill:
        await hands.perform(step)
    commit = segment.commit.params
    if commit.via != "request":
        raise SystemException("not_blockable", f"a commit `via: {commit.via}` cannot be held back; nothing was clicked")
    bot, guard = hands.bot, hands.guard
    seconds = hands.workflow.app.timeout.total_seconds()
    with translated(bot.redactor, "dry run"):
        bot.allow(seconds)
        await aim(bot, commit)
        async with guard.blocking():
            await _click(hands, commit.click, accept=commit.dialog == "accept")
            requests = guard.requests
    if not requests:
        raise SystemException("nothing_left", "the click would send nothing")
    return requests


async def _click(hands: BrowserHands, button: Locator, *, accept: bool) -> None:
    hands.bot.accept_dialog = accept
    await hands.bot.press_mouse(button)
    for _ in range(50):
        if hands.guard.requests:
            return
        await hands.bot.page.wait_for_timeout(20)
