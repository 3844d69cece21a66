"""Steps that leave files in the attempt's folder: download and screenshot."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import ClassVar

from playwright.async_api import Download as PlaywrightDownload
from pydantic import Field

from bots.bot import Bot
from bots.capture import keep_picture, take_picture
from bots.locators import Locator
from engine.definition import Frozen
from engine.errors import SystemException


class Download(Frozen):
    """What to click for the file, and its name in the record."""

    click: Locator = Field(description="Link or button that starts the download.")
    to: str = Field(pattern=r"^[\w-]+(\.\w+)?$", description="Name of the file in the attempt's folder.")


class Screenshot(Frozen):
    """What to call the picture."""

    shorthand: ClassVar[str | None] = "name"

    name: str = Field(pattern=r"^[\w-]+$", description="Name of the picture in the attempt's folder.")


async def download(bot: Bot, params: Download) -> None:
    """Download a file, refuse an empty one, and keep its path and SHA-256 in the record under its name."""
    async with bot.page.expect_download(timeout=max(1.0, bot.left_ms)) as waiting:
        await bot.press_mouse(params.click)
    got: PlaywrightDownload = await waiting.value
    failure = await got.failure()
    if failure:
        raise SystemException("download_failed", f"{params.click}: {bot.redactor.scrub(failure)}")
    path = bot.folder / _file_name(params.to, got.suggested_filename)
    bot.folder.mkdir(parents=True, exist_ok=True)
    await got.save_as(path)
    data = path.read_bytes()
    if not data:
        raise SystemException("download_empty", f"{params.click} gave an empty file")
    digest = hashlib.sha256(data).hexdigest()
    bot.record[params.to] = [{"file": path.name, "sha256": digest, "size": len(data)}]


def _file_name(name: str, suggested: str) -> str:
    # the name comes from another system: only its plain ending is taken over
    ending = Path(suggested).suffix
    return name if "." in name or not re.fullmatch(r"\.\w{1,8}", ending) else name + ending


async def screenshot(bot: Bot, params: Screenshot) -> None:
    """Take a picture of the page; none is taken while a secret is visible."""
    picture = await take_picture(bot)
    if picture is not None:
        await keep_picture(bot.folder / f"{params.name}.jpg", picture)
