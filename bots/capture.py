"""Takes pictures of a page, unless a secret is visible on it."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

from bots.bot import Bot
from bots.trouble import PageMoved
from engine.errors import SystemException

_QUALITY = 70


async def take_picture(bot: Bot) -> bytes | None:
    """Return a JPEG of what the page shows; None if a known secret stands in a text or an input."""
    try:
        text = await _text(bot)
    except PageMoved:
        await bot.arrive()
        text = await _text(bot)
    if bot.redactor.contains(text):
        return None
    shot = await bot.cdp.send(
        "Page.captureScreenshot", {"format": "jpeg", "quality": _QUALITY, "optimizeForSpeed": True}
    )
    return base64.b64decode(shot["data"])


async def keep_picture(path: Path, picture: bytes) -> None:
    """Write a picture.

    Raises:
        SystemException: `evidence_not_written`: the disk is full, or refuses.
    """
    try:
        await asyncio.to_thread(_write, path, picture)
    except OSError as error:
        raise SystemException("evidence_not_written", f"{path.name}: {error.strerror}") from error


async def _text(bot: Bot) -> str:
    return "\n".join([await bot.call("everything", place=frame) for frame in bot.page.frames])


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
