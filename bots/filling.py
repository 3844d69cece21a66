"""Fills fields in one round trip, reads each back, and falls back to typing where an application wants keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from playwright.async_api import Locator as PlaywrightLocator

from bots.bot import Bot
from bots.locators import Locator, frame_of, playwright_locator
from bots.trouble import PageMoved, unmet
from bots.typed import entry, kept, spec_of
from engine.errors import BusinessException, ItemException, SystemException
from engine.secrets import Secret
from engine.values import ISO, Formats, Value

_CHOICE = frozenset({"unknown_choice", "ambiguous_choice"})
_OPTIONS_WAIT = 1500
"""How long, in milliseconds, a combobox may take to offer its options."""


@dataclass(frozen=True)
class Filling:
    """One field and what it shall hold."""

    locator: Locator
    value: Value
    texts: Mapping[str, str]
    label: str


def filling(bot: Bot, locator: Locator, template: str) -> Filling | Secret:
    """Return what a template asks for; a secret comes back as such, to be typed by `type_secret`."""
    value = bot.value(template)
    if isinstance(value, Secret):
        return value
    if isinstance(value, list):
        raise ValueError(f"{template} is a table; use `rows`")
    texts = entry(value, bot.app.formats, spec_of(template, bot.scope))
    return Filling(locator, value, texts, str(locator))


async def fill_fields(bot: Bot, fields: Sequence[tuple[Locator, str]]) -> None:
    """Fill fields in order; neighbours without a secret between them share one round trip.

    Raises:
        BusinessException: a choice does not offer the value.
        SystemException: a field is missing, ambiguous, barred, or did not keep its value.
    """
    batch: list[Filling] = []
    for locator, template in fields:
        wanted = filling(bot, locator, template)
        if isinstance(wanted, Secret):
            await _fill_batch(bot, batch)
            batch = []
            await type_secret(bot, locator, wanted)
        else:
            batch.append(wanted)
    await _fill_batch(bot, batch)


async def _fill_batch(bot: Bot, batch: list[Filling]) -> None:
    """Fill in the order given: what one field sets off in others must come before those are filled."""
    done: list[Filling] = []
    by_hand = False
    while len(done) < len(batch):
        frame = batch[len(done)].locator.frame
        together = list(takewhile(lambda one: one.locator.frame == frame, batch[len(done) :]))  # noqa: B023 - used at once
        place = await frame_of(bot.page, frame)
        entries = [{"want": one.locator.descriptor(), **one.texts} for one in together]
        try:
            results = await bot.call("fillAll", entries, bot.left_ms, place=place)
        except PageMoved:
            raise SystemException("page_moved", "the page was left while its fields were filled") from None
        for one, result in zip(together, results, strict=False):
            by_hand |= await _accept(bot, one, result)
            done.append(one)
    if by_hand and len(batch) > 1:
        await _look_again(bot, batch)


async def _look_again(bot: Bot, batch: Sequence[Filling]) -> None:
    for one in batch:
        place = await frame_of(bot.page, one.locator.frame)
        result = (await bot.call("readAll", [{"want": one.locator.descriptor()}], bot.left_ms, place=place))[0]
        if result["status"] != "read":
            raise unmet(result, one.label, await bot.where())
        if not kept(one.value, result["value"], shown_in(bot, result)):
            raise not_kept(one.label, one.texts["text"], result["value"])


async def _accept(bot: Bot, wanted: Filling, result: Mapping[str, Any]) -> bool:
    """Take a field that kept its value; otherwise type, and return True: then others may have changed since."""
    status = result["status"]
    if status == "filled" and kept(wanted.value, result["value"], shown_in(bot, result)):
        return False
    if status == "filled":
        observed = await type_by_keys(bot, wanted.locator, wanted.texts["text"])
        if not kept(wanted.value, observed, bot.app.formats):
            raise not_kept(wanted.label, wanted.texts["text"], observed)
        return True
    if status == "special":
        await _fill_special(bot, wanted)
        return True
    raise hindrance(result, wanted.label, wanted.texts["text"], await bot.where())


def shown_in(bot: Bot, result: Mapping[str, Any]) -> Formats:
    """Return the formats of a value that was read back: the browser's own date and number widgets speak ISO."""
    return ISO if result.get("native") else bot.app.formats


def not_kept(label: str, expected: str, observed: str) -> SystemException:
    """Return the exception for a field that shows another value than the one put in."""
    return SystemException("field_not_kept", f"{label} shows {observed!r} after {expected!r} was put in", field=label)


def hindrance(result: Mapping[str, Any], label: str, text: str, where: str) -> ItemException:
    """Return the exception for a field that could not be filled; a choice that is not offered is wrong data."""
    if result["status"] in _CHOICE:
        near = " or ".join(repr(name) for name in result.get("near", ()))
        hint = f"; nearest: {near}" if near else ""
        count = "several options" if result["status"] == "ambiguous_choice" else "no option"
        return BusinessException(result["status"], f"{label} has {count} {text!r}{hint}", field=label)
    return unmet(result, label, where)


async def type_by_keys(bot: Bot, locator: Locator, text: str) -> str:
    """Type into a field key by key, leave it with Tab, and return what it shows then."""
    place = await frame_of(bot.page, locator.frame)
    await _keys(bot, await playwright_locator(place, locator), text)
    results = await bot.call("readAll", [{"want": locator.descriptor()}], bot.left_ms, place=place)
    if results[0]["status"] != "read":
        raise unmet(results[0], str(locator), await bot.where())
    return str(results[0]["value"])


async def _keys(bot: Bot, element: PlaywrightLocator, text: str) -> None:
    await element.focus(timeout=max(1.0, bot.left_ms))
    await bot.page.keyboard.press("ControlOrMeta+A")
    await bot.page.keyboard.press("Delete")
    await bot.page.keyboard.type(text)
    await bot.page.keyboard.press("Tab")
    await bot.settle()


async def _fill_special(bot: Bot, wanted: Filling) -> None:
    place = await frame_of(bot.page, wanted.locator.frame)
    element = await playwright_locator(place, wanted.locator)
    text = wanted.texts["text"]
    if await element.get_attribute("type") == "file":
        raise SystemException("not_a_text_field", f"{wanted.label} takes a file", field=wanted.label)
    if await _is_combobox(element):
        await _choose_typed(bot, element, text, wanted.label)
    else:
        await _keys(bot, element, text)
    results = await bot.call("readAll", [{"want": wanted.locator.descriptor()}], bot.left_ms, place=place)
    observed = str(results[0].get("value", ""))
    if not kept(wanted.value, observed, bot.app.formats):
        raise not_kept(wanted.label, text, observed)


async def _is_combobox(element: PlaywrightLocator) -> bool:
    return bool(await element.evaluate("(el) => el.matches('[role=combobox],[aria-autocomplete=list]')"))


async def _choose_typed(bot: Bot, element: PlaywrightLocator, text: str, label: str) -> None:
    """Type into a combobox and pick the option of exactly this text; its search may still show old hits."""
    await element.focus(timeout=max(1.0, bot.left_ms))
    if await element.evaluate("(el) => el.matches('input,textarea')"):
        await element.fill("")
        await bot.page.keyboard.type(text)
    else:
        await element.click(timeout=max(1.0, bot.left_ms))
    await bot.settle()
    option = Locator(role="option", name=text)
    found = await bot.call("expectSeen", option.descriptor(), min(_OPTIONS_WAIT, bot.left_ms))
    if found["status"] == "seen":
        await bot.click(option)
        return
    offered = await bot.call("expectSeen", Locator(role="option").descriptor(), 0)
    if offered["status"] == "seen" or found.get("near"):
        raise hindrance({"status": "unknown_choice", "near": found.get("near", ())}, label, text, "")
    await bot.page.keyboard.press("Tab")
    await bot.settle()


async def type_secret(bot: Bot, locator: Locator, secret: Secret) -> None:
    """Type a secret below Playwright's and the page script's own calls, so that no log or trace can hold it.

    Raises:
        SystemException: the field is missing, ambiguous or barred, or did not take the characters.
    """
    place = await frame_of(bot.page, locator.frame)
    result = await bot.call("focusField", locator.descriptor(), bot.left_ms, place=place)
    if result["status"] != "focused":
        raise unmet(result, str(locator), await bot.where())
    text = secret.reveal()
    await bot.cdp.send("Input.insertText", {"text": text})
    bot.secret_typed = True
    length = await bot.call("leaveField", place=place)
    if length != len(text.encode("utf-16-le")) // 2:
        if locator.frame is not None:
            await bot.call(
                "leaveField"
            )  # the cursor may have gone to the page around the frame, and the secret with it
        raise SystemException("field_not_kept", f"{locator} did not take {secret!r}", field=str(locator))
