"""Steps that look before they go on: expect and wait_for."""

from __future__ import annotations

from bots.bot import Bot
from bots.locators import Locator


class Expect(Locator):
    """What must be on the page."""


class WaitFor(Locator):
    """What to wait for."""


async def expect(bot: Bot, params: Expect) -> None:
    """Require that an element is on the page; it may appear within the step's limit."""
    await bot.expect(params)


async def wait_for(bot: Bot, params: WaitFor) -> None:
    """Wait until an element is on the page and the page is at rest."""
    await bot.expect(params)
    await bot.arrive()
