"""The commit: aim at the one button, click once behind the guard, and say honestly what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from playwright.async_api import Error as PlaywrightError

from bots.bot import Bot
from bots.guard import SingleSendGuard
from bots.locators import Locator, frame_of
from bots.steps.commit import Commit
from bots.trouble import PageMoved, is_moved, translated
from engine.errors import ItemException, NotSent, Rejected, SystemException, UnknownOutcome
from engine.ports import Receipt

_LOOK_MS = 300
"""How long the page is watched before the guard is asked again, in milliseconds."""
_GLANCE_MS = 40
"""How long each document is watched in turn where the answer may appear in a frame, in milliseconds."""
_PAUSE = 0.01
"""Seconds between two looks at a page that has spoken before its request was answered."""
_ID_MS = 1000
_SERVER_ERROR = 500
_CLIENT_ERROR = 400


async def aim(bot: Bot, commit: Commit) -> None:
    """Find the one button and see that it can be clicked; nothing leaves the browser.

    Raises:
        SystemException: it is missing, ambiguous, disabled or covered.
    """
    await bot.arrive()
    if commit.click.frame is None:
        await bot.aim(commit.click)


async def send(
    bot: Bot, guard: SingleSendGuard, commit: Commit, permit: Callable[[], None], limit: timedelta
) -> Receipt:
    """Click once and wait for the application's answer, all within `limit`.

    Raises:
        NotSent: nothing left, and nothing can any more.
        Rejected: the application, or the form itself, said that the data is invalid.
        UnknownOutcome: something left and was not confirmed.
    """
    bot.allow(limit.total_seconds())
    bot.dialogs.clear()
    try:
        if commit.via != "request":
            return await _send_unguarded(bot, commit, permit, limit)
        return await _send_guarded(bot, guard, commit, permit, limit)
    finally:
        bot.accept_dialog = False


async def _send_guarded(
    bot: Bot, guard: SingleSendGuard, commit: Commit, permit: Callable[[], None], limit: timedelta
) -> Receipt:
    try:
        async with asyncio.timeout(limit.total_seconds()):
            with translated(bot.redactor, "send"):
                async with guard.armed(permit, limit):
                    await _click(bot, commit)
                    seen = await _answer(bot, guard, commit)
                    if seen["seen"] == "confirm" and not _failed(guard):
                        return await _receipt(bot, guard, commit, seen["url"])
                    raise _verdict(bot, guard, seen)
    except TimeoutError:
        await _close(guard)
        raise _timed_out(guard) from None
    except (Rejected, UnknownOutcome):
        raise
    except NotSent:
        await _stay(bot)
        raise
    except ItemException as error:
        await _close(guard)
        if guard.left:
            raise UnknownOutcome(error.code, f"a request left, then: {error.message}") from error
        raise NotSent(error.code, error.message) from error


async def _click(bot: Bot, commit: Commit, granted: Callable[[], None] | None = None) -> None:
    """Click the one button; `granted` is asked when it is found, right before the click."""
    bot.accept_dialog = commit.dialog == "accept"
    granted = granted or _nobody_asked
    if commit.click.frame is not None:
        await _mark_stale(bot, commit, _frames(commit))
        granted()
        await bot.press_mouse(commit.click)
        return
    x, y = await bot.aim(commit.click, _in(commit, None))
    await _mark_stale(bot, commit, _frames(commit)[1:])
    granted()
    await bot.page.mouse.click(x, y)


def _nobody_asked() -> None:
    """Stand for a permit that the guard asks for instead."""


async def _mark_stale(bot: Bot, commit: Commit, frames: Iterable[str | None]) -> None:
    """Have what fits an answer before the click be taken for none; a frame that is not there yet shows nothing."""
    for frame in frames:
        with suppress(SystemException):
            place = await frame_of(bot.page, frame)
            await bot.call("markStale", [answer.descriptor() for answer in _in(commit, frame)], place=place)


def _answers(commit: Commit) -> list[Locator]:
    return [commit.confirm] if commit.rejected is None else [commit.confirm, commit.rejected]


def _in(commit: Commit, frame: str | None) -> list[Locator]:
    return [answer for answer in _answers(commit) if answer.frame == frame]


def _frames(commit: Commit) -> list[str | None]:
    """Return the documents in which the answer may appear; the page itself, which says what went wrong, comes first."""
    return list(dict.fromkeys([None, *(answer.frame for answer in _answers(commit))]))


async def _answer(bot: Bot, guard: SingleSendGuard, commit: Commit) -> dict[str, Any]:
    """Watch page and guard until one of them settles the matter; what only the page says settles nothing."""
    may_leave_until = bot.left_ms - bot.app.commits.click_window.total_seconds() * 1000
    trouble = asyncio.ensure_future(guard.trouble.wait())
    look: asyncio.Future[dict[str, Any]] | None = None
    try:
        while bot.left_ms > 0:
            look = asyncio.ensure_future(_look(bot, commit, min(_LOOK_MS, bot.left_ms)))
            await asyncio.wait({look, trouble}, return_when=asyncio.FIRST_COMPLETED)
            if trouble.done():
                return {"seen": "trouble"}
            seen = look.result()
            if _settled(seen, guard, out_of_time=bot.left_ms < may_leave_until):
                return seen
            await asyncio.wait({trouble}, timeout=_PAUSE)
    finally:
        trouble.cancel()
        if look is not None:
            look.cancel()
    return {"seen": "nothing"}


async def _look(bot: Bot, commit: Commit, milliseconds: float) -> dict[str, Any]:
    frames = _frames(commit)
    if len(frames) == 1:
        return await _look_in(bot, commit, None, milliseconds)
    looks = [await _look_in(bot, commit, frame, min(_GLANCE_MS, milliseconds)) for frame in frames]
    seen = {look["seen"]: look for look in looks}
    for told in ("missed", "lost", "moved", "both"):
        if told in seen:
            return seen[told]
    if "confirm" in seen and "rejected" in seen:
        return {"seen": "both", "text": seen["rejected"]["text"]}
    answer = next((seen[told] for told in ("confirm", "rejected", "complaint") if told in seen), None)
    return answer or {"seen": "nothing", "resting": all(look["resting"] for look in looks)}


async def _look_in(bot: Bot, commit: Commit, frame: str | None, milliseconds: float) -> dict[str, Any]:
    wanted = [
        answer.descriptor() if answer and answer.frame == frame else None
        for answer in (commit.confirm, commit.rejected)
    ]
    try:
        place = await frame_of(bot.page, frame)
        seen: dict[str, Any] = await bot.call("outcome", *wanted, milliseconds, place=place)
    except PageMoved:
        return {"seen": "moved"}
    except PlaywrightError as error:
        if not is_moved(error):
            raise
        return {"seen": "moved"}
    except SystemException:  # the frame may come with the answer
        return {"seen": "nothing", "resting": False}
    return seen if frame is None else {**seen, "url": bot.page.url}


def _settled(seen: dict[str, Any], guard: SingleSendGuard, *, out_of_time: bool) -> bool:
    match seen["seen"]:
        case "lost" | "missed":
            return True
        case "rejected":  # a page may speak before it has its answer
            return guard.unknown == 0
        case "confirm" | "both":
            return guard.unknown == 0 and (guard.left > 0 or out_of_time)
        case "complaint":
            return guard.left == 0
        case "moved":
            return False
    if guard.left == 0:
        return out_of_time
    failed = any(answer.final and answer.status >= _CLIENT_ERROR for answer in guard.answers)
    return failed and guard.unknown == 0 and bool(seen.get("resting"))


def _failed(guard: SingleSendGuard) -> bool:
    """Say whether the answers contradict a page that shows its confirmation before it has one."""
    statuses = [answer.status for answer in guard.answers]
    return guard.left > 0 and (min(statuses) >= _CLIENT_ERROR or max(statuses) >= _SERVER_ERROR)


def _verdict(bot: Bot, guard: SingleSendGuard, seen: dict[str, Any]) -> Exception:
    """Return the exception for an answer that is no confirmation."""
    if guard.refusal is not None and guard.left == 0:
        return guard.refusal
    match seen["seen"]:
        case "rejected" if not guard.unknown and not any(answer.status >= _SERVER_ERROR for answer in guard.answers):
            return Rejected("application_rejected", bot.redactor.scrub(seen["text"]) or "the data was rejected")
        case "complaint" if guard.left == 0:
            return Rejected("application_rejected", bot.redactor.scrub(seen["text"]))
    if guard.left == 0:
        asked = f"; the page asked {bot.dialogs[-1]!r}, which was dismissed" if bot.dialogs else ""
        code = "click_missed" if seen["seen"] == "missed" else "nothing_left"
        return NotSent(code, f"the click sent nothing{asked}")
    if seen["seen"] == "both":
        return UnknownOutcome("contradiction", f"the page confirms and complains: {bot.redactor.scrub(seen['text'])}")
    if seen["seen"] == "lost":
        return UnknownOutcome("session_lost", "the application answered the commit with its login page")
    if guard.unknown:
        return UnknownOutcome("no_answer", "the commit's request got no answer")
    statuses = ", ".join(str(answer.status) for answer in guard.answers)
    return UnknownOutcome("not_confirmed", f"the application answered {statuses} and confirmed nothing")


def _timed_out(guard: SingleSendGuard) -> Exception:
    if guard.left:
        return UnknownOutcome("not_confirmed", "the commit was not confirmed within its limit")
    return guard.refusal or NotSent("nothing_left", "the click sent nothing within its limit")


async def _close(guard: SingleSendGuard) -> None:
    try:
        await guard.close()
    except PlaywrightError:
        return  # without a browser nothing can leave


async def _stay(bot: Bot) -> None:
    """Tell the page that the navigation which the guard held back will not come, so that it can be used again."""
    try:
        await bot.call("stays")
    except (PlaywrightError, PageMoved):
        return


async def _receipt(bot: Bot, guard: SingleSendGuard, commit: Commit, url: str) -> Receipt:
    if guard.left == 0:
        raise UnknownOutcome(
            "confirmed_unseen", "the page confirms, but no request was seen to leave: declare `via:` of this commit"
        )
    return Receipt(url, await _app_id(bot, commit), guard.requests)


async def _app_id(bot: Bot, commit: Commit) -> str | None:
    if commit.id is None:
        return None
    try:
        place = await frame_of(bot.page, commit.id.frame)
        patience = min(_ID_MS, bot.left_ms / 2)  # what is confirmed must not run out of time for its number
        result = await bot.call("readAll", [{"want": commit.id.descriptor()}], patience, place=place)
    except (PageMoved, SystemException):
        return None  # it is confirmed already; the read-back will find it
    value = result[0].get("value")
    return str(value) if value else None


async def _send_unguarded(bot: Bot, commit: Commit, permit: Callable[[], None], limit: timedelta) -> Receipt:
    """Send a commit that does not leave as a request: whatever is not confirmed is unknown from the click on."""
    clicked = False

    def granted() -> None:
        nonlocal clicked
        permit()
        clicked = True

    try:
        async with asyncio.timeout(limit.total_seconds()):
            with translated(bot.redactor, "send"):
                await _click(bot, commit, granted)
                return await _confirmed(bot, commit)
    except TimeoutError:
        error: ItemException = SystemException("not_confirmed", "the commit was not confirmed within its limit")
    except (NotSent, Rejected):
        raise
    except ItemException as failure:
        error = failure
    if clicked:
        raise UnknownOutcome(error.code, error.message) from error
    raise NotSent(error.code, error.message) from error


async def _confirmed(bot: Bot, commit: Commit) -> Receipt:
    while bot.left_ms > 0:
        seen = await _look(bot, commit, min(_LOOK_MS, bot.left_ms))
        if seen["seen"] == "confirm":
            return Receipt(seen["url"], await _app_id(bot, commit))
        if seen["seen"] == "rejected":
            raise Rejected("application_rejected", bot.redactor.scrub(seen["text"]))
        if seen["seen"] in {"lost", "both"}:
            break
    raise SystemException("not_confirmed", "the commit was not confirmed within its limit")
