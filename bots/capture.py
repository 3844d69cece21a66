"""Takes pictures of a page, unless a secret is visible on it."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

from bots.bot import Bot
from bots.trouble import PageMoved

_QUALITY = 70


async def take_picture(bot: Bot, path: Path) -> bool:
    """Write a JPEG of what the page shows; False and no file if a known secret stands in a text or an input."""
    try:
        text = await _text(bot)
    except PageMoved:
        await bot.arrive()
        text = await _text(bot)
    if bot.redactor.contains(text):
        return False
    shot = await bot.cdp.send(
        "Page.captureScreenshot", {"format": "jpeg", "quality": _QUALITY, "optimizeForSpeed": True}
    )
    await asyncio.to_thread(_write, path, base64.b64decode(shot["data"]))
    return True


async def _text(bot: Bot) -> str:
    return "\n".join([await bot.call("everything", place=frame) for frame in bot.page.frames])


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
