"""Reads a text off the page that is no part of a record: the application's own version."""

from __future__ import annotations

from bots.bot import Bot
from bots.locators import Locator, frame_of
from bots.trouble import unmet


async def read_text(bot: Bot, locator: Locator) -> str:
    """Return the text of one element, outside any record.

    Raises:
        SystemException: it is not there, or there is more than one.
    """
    place = await frame_of(bot.page, locator.frame)
    [result] = await bot.call("readAll", [{"want": locator.descriptor()}], bot.left_ms, place=place)
    if result["status"] != "read":
        raise unmet(result, str(locator), await bot.where())
    return str(result["value"])
