"""Steps that move: open a page, click, press a key."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from bots.bot import Bot
from bots.locators import Locator
from engine.definition import Frozen


class Open(Frozen):
    """Where to go."""

    shorthand: ClassVar[str | None] = "url"

    url: str = Field(description="Path below the application's base_url; `${…}` values are percent-encoded.")


class Click(Locator):
    """What to click."""

    dialog: Literal["accept", "dismiss"] = Field("dismiss", description="Answer to a native confirm that it opens.")


class Press(Frozen):
    """Which key to press."""

    shorthand: ClassVar[str | None] = "key"

    key: str = Field(description="Key or chord, e.g. Enter, Escape, Control+S.")


async def open_page(bot: Bot, params: Open) -> None:
    """Go to a page of the application and wait until it is at rest."""
    await bot.open(bot.url(params.url))


async def click(bot: Bot, params: Click) -> None:
    """Click one element as a person does and wait until the page is at rest."""
    await bot.click(params, accept_dialog=params.dialog == "accept")


async def press(bot: Bot, params: Press) -> None:
    """Press a key where the cursor is and wait until the page is at rest."""
    await bot.page.keyboard.press(params.key)
    await bot.arrive()
