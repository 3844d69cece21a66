"""What a machine needs before bots can work on it, looked at for real: one line a check, each with its mend."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import async_playwright

from bots.browser import find_browser, launch
from engine.errors import SystemException, UserError

_OLDEST = (3, 11)
_ROOM = 1_000_000_000
_PROBE = "data:text/html;charset=utf-8,<title>待核</title><h1>Countersign 审核</h1>"
_START_LIMIT = 30


@dataclass(frozen=True)
class CheckLine:
    """One thing that was looked at; `mend` says what to do and is empty while `ok`."""

    name: str
    ok: bool
    detail: str
    mend: str = ""


async def browser_report(folder: Path = Path()) -> list[CheckLine]:
    """Check Python, Playwright, the browser (started, one page drawn), Chinese glyphs and room in `folder`."""
    return [_python(), _playwright(), await _browser(), await _glyphs(), _room(folder)]


def _python() -> CheckLine:
    wanted = ".".join(map(str, _OLDEST))
    ok = sys.version_info >= _OLDEST
    return CheckLine("python", ok, platform.python_version(), "" if ok else f"install Python {wanted} or newer")


def _playwright() -> CheckLine:
    return CheckLine("playwright", ok=True, detail=version("playwright"))


async def _browser() -> CheckLine:
    try:
        choice = find_browser()
    except UserError as error:
        return CheckLine("browser", ok=False, detail="none found", mend=str(error))
    known = await asyncio.to_thread(lambda: choice.version)
    described = " ".join(word for word in (choice.kind, known, f"({choice.how})") if word)
    try:
        async with asyncio.timeout(_START_LIMIT), async_playwright() as playwright:
            browser = await launch(playwright, choice, allowed_hosts=())
            page = await browser.new_page()
            await page.goto(_PROBE)
            picture = await page.screenshot()
            title = await page.title()
            await browser.close()
    except TimeoutError:
        return CheckLine("browser", ok=False, detail=f"{described} did not draw a page in {_START_LIMIT} s", mend=_MEND)
    except (SystemException, PlaywrightError) as error:
        words = " ".join(str(error).split())[:400]
        return CheckLine("browser", ok=False, detail=f"{described}: {words}", mend=_MEND)
    ok = title == "待核" and picture.startswith(b"\x89PNG")
    return CheckLine("browser", ok, f"{described} drew a page", "" if ok else _MEND)


_MEND = "run `make setup` again, or set COUNTERSIGN_BROWSER to another Chromium; missing libraries are named above"


async def _glyphs() -> CheckLine:
    lister = shutil.which("fc-list")
    if lister is None:
        return CheckLine("chinese font", ok=True, detail="not checked: fc-list is not installed")
    done = await asyncio.create_subprocess_exec(lister, ":lang=zh-cn", "family", stdout=asyncio.subprocess.PIPE)
    out, _ = await done.communicate()
    families = sorted({line.split(",")[0] for line in out.decode("utf-8", errors="replace").splitlines() if line})
    if families:
        return CheckLine("chinese font", ok=True, detail=families[0])
    mend = "optional: `apt-get install fonts-wqy-zenhei`; until then screenshots show boxes for Chinese"
    return CheckLine("chinese font", ok=False, detail="none", mend=mend)


def _room(folder: Path) -> CheckLine:
    free = shutil.disk_usage(folder).free
    ok = free >= _ROOM and os.access(folder, os.W_OK)
    mend = "" if ok else "free 1 GB and make the folder writable: evidence, traces and the ledger go there"
    return CheckLine("disk", ok, f"{free / 1e9:.1f} GB free in {folder.resolve()}", mend)
