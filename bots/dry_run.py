"""To the brink: everything up to the commit, the click included, with nothing but the login leaving the browser."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from bots.guard import SingleSendGuard
from bots.hands import BrowserHands
from bots.locators import Locator
from bots.office import BotOffice
from bots.trouble import translated
from engine.definition import Workflow, segments
from engine.errors import ItemException, SystemException
from engine.ports import ItemView, SentRequest
from engine.values import Record

_LOOK_MS = 40


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
    """Do an item up to its first commit and return what would be sent, secrets scrubbed; 0 leave after the login.

    What the page tried to send before the commit's click (a draft, an autosave) comes first, marked `before_commit`.

    Raises:
        BusinessException: the data does not fit the application.
        SystemException: a step failed, or the click would send nothing.
    """
    await hands.begin(item)
    segment = next((one for one in segments(hands.workflow.steps) if one.commit is not None), None)
    if segment is None or segment.commit is None:
        raise SystemException("no_commit", "the definition has no commit")
    commit = segment.commit.params
    if commit.via != "request":
        raise SystemException("not_blockable", f"a commit `via: {commit.via}` cannot be held back; nothing was clicked")
    async with hands.guard.blocking():
        try:
            for step in segment.fill:
                await hands.perform(step)
            await hands.aim(segment.commit)
        except ItemException as error:
            held = ", ".join(f"{request.method} {request.url}" for request in _held(hands.guard))
            error.message += f"; the dry run held back {held}" if held else ""
            error.args = (error.message,)
            raise
        with translated(hands.bot.redactor, "dry run"):
            requests, earlier = await _click(hands, commit.click, accept=commit.dialog == "accept")
    if not requests:
        raise SystemException("nothing_left", "the click would send nothing")
    return (*(replace(request, before_commit=True) for request in earlier), *requests)


async def _click(
    hands: BrowserHands, button: Locator, *, accept: bool
) -> tuple[tuple[SentRequest, ...], tuple[SentRequest, ...]]:
    """Return what the click would send, and what was held back before it."""
    bot, guard = hands.bot, hands.guard
    bot.allow(hands.workflow.app.timeout.total_seconds())
    earlier = _held(guard)
    async with guard.blocking():  # anew: the files to upload have been chosen by now
        bot.accept_dialog = accept
        await bot.press_mouse(button)
        for _ in range(50):
            seen = len(guard.requests)
            await bot.page.wait_for_timeout(_LOOK_MS)
            if 0 < seen == len(guard.requests):  # leaving a field for the button may save a draft first
                break
        return guard.requests, earlier


def _held(guard: SingleSendGuard) -> tuple[SentRequest, ...]:
    unread = (stop.request for stop in guard.stopped if stop.reason == "file_missing")
    return (*guard.requests, *unread)
