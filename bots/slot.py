"""One slot: a browser context and page of one application, kept from item to item and replaced when it dies."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, CDPSession, Dialog, Download, Page
from playwright.async_api import Error as PlaywrightError

from bots.guard import SingleSendGuard
from bots.page_script import page_script
from bots.profile import AppExtras
from engine.definition import Application
from engine.redact import Redactor

VIEWPORT = {"width": 1280, "height": 1200}
"""Tall enough that a record's page usually fits into one picture."""


@dataclass(eq=False)
class Slot:
    """The browser side of one slot; `number` counts within the process."""

    app: Application
    number: int
    redactor: Redactor
    launch: Callable[[], Awaitable[Browser]]
    page: Page | None = None
    cdp: CDPSession | None = None
    guard: SingleSendGuard | None = None
    generation: int = 0
    """Which login the context carries; 0 is none."""
    lost: bool = False
    tracing: bool = False
    on_dialog: Callable[[Dialog], Awaitable[None]] | None = None
    _context: BrowserContext | None = None
    _crashed: bool = False
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def extras(self) -> AppExtras:
        """Return the bots' part of the profile."""
        extras: AppExtras = self.app.extras
        return extras

    async def ready(self, state: Mapping[str, Any] | None) -> bool:
        """Make sure that there is a live page; a new context starts with `state`. Return whether it is new."""
        async with self._lock:
            if self._alive():
                await self._close_other_tabs()
                return False
            await self.close()
            await self._open(state)
            return True

    async def renew(self, state: Mapping[str, Any]) -> None:
        """Carry another login: cookies are replaced in place, anything else needs a new context."""
        if self._context is None or state.get("origins"):
            await self.close()
            await self._open(state)
            return
        await self._context.clear_cookies()
        await self._context.add_cookies(list(state.get("cookies", ())))

    async def start_trace(self) -> None:
        """Begin the trace of an item; what was traced before is dropped."""
        if self._context is None:
            return
        if self.tracing:
            await self._context.tracing.stop_chunk()
        await self._context.tracing.start_chunk()
        self.tracing = True

    async def stop_trace(self, path: Path | None) -> None:
        """End the trace, keep it at `path` free of secrets, or drop it."""
        if self._context is None or not self.tracing:
            return
        self.tracing = False
        if path is None:
            await self._context.tracing.stop_chunk()
            return
        await self._context.tracing.stop_chunk(path=path)
        self.redactor.scrub_zip(path)

    def mark_broken(self) -> None:
        """Have the context replaced at the next item."""
        self._crashed = True

    async def close(self) -> None:
        """Let the context go; a dead one is no error."""
        context, self._context, self.page, self.cdp = self._context, None, None, None
        self.tracing, self.generation, self._crashed = False, 0, False
        if context is not None:
            with suppress(PlaywrightError):
                await context.close()

    def _alive(self) -> bool:
        if self._context is None or self.page is None or self._crashed or self.page.is_closed():
            return False
        browser = self._context.browser
        return browser is not None and browser.is_connected()

    async def _close_other_tabs(self) -> None:
        if self._context is None or len(self._context.pages) == 1:
            return
        for tab in self._context.pages:
            if tab is not self.page:
                await tab.close()

    async def _open(self, state: Mapping[str, Any] | None) -> None:
        browser = await self.launch()
        context = await open_context(browser, self.extras.page_config(self.app.base_url), state)
        self._context = context
        self.page = await context.new_page()
        self.page.on("crash", lambda _page: self.mark_broken())
        self.page.on("dialog", self._dialog)
        self.page.on("download", self._stay)
        self.cdp = await context.new_cdp_session(self.page)
        self.guard = SingleSendGuard(self.page, self.app.allowed_hosts, scrub=self.redactor.scrub)
        await context.tracing.start(screenshots=False, snapshots=False, sources=False)

    async def _stay(self, download: Download) -> None:
        # a navigation that became a download leaves the page where it was
        with suppress(PlaywrightError):
            await download.page.evaluate("window.__countersign.stays()")

    async def _dialog(self, dialog: Dialog) -> None:
        with suppress(PlaywrightError):
            if dialog.type == "beforeunload":  # dismissed, it would hold this slot on a half-filled form for ever
                await dialog.accept()
            else:
                await (self.on_dialog(dialog) if self.on_dialog else dialog.dismiss())


async def open_context(
    browser: Browser, config: Mapping[str, Any], state: Mapping[str, Any] | None = None
) -> BrowserContext:
    """Open a context with the page script in every frame and without service workers, which no guard could see."""
    context = await browser.new_context(
        viewport={"width": VIEWPORT["width"], "height": VIEWPORT["height"]},
        service_workers="block",
        accept_downloads=True,
        storage_state=dict(state) if state else None,  # type: ignore[arg-type]
    )
    await context.add_init_script(page_script(config))
    return context
