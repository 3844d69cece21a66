"""Where hands come from: one browser a process, one context and page a slot, one login an account."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self

from playwright.async_api import Browser, Playwright, async_playwright
from playwright.async_api import Error as PlaywrightError

from bots.browser import BrowserChoice, find_browser, launch
from bots.hands import BrowserHands
from bots.session import SessionPool
from bots.slot import Slot
from engine.definition import Application, Workflow
from engine.redact import Redactor
from engine.secrets import SecretStore

if TYPE_CHECKING:
    from bots.reconciliation.judging import Judge

_AppKey = tuple[str, str, int]


class BotOffice:
    """Context manager over everything that has a process or a page; `hands` is cheap after the first call."""

    def __init__(
        self,
        *,
        redactor: Redactor,
        secrets: SecretStore,
        headless: bool = True,
        choice: BrowserChoice | None = None,
        judge: Callable[[], Judge | None] | None = None,
        reviewed: Callable[[str], Mapping[str, tuple[int, int]]] | None = None,
    ) -> None:
        """Prepare; the browser starts with the first item that needs it, `judge` is asked with the first matches."""
        self._redactor = redactor
        self._secrets = secrets
        self._headless = headless
        self._choice = choice
        self._judge, self._reviewed = judge, reviewed
        self._playwright: Playwright | None = None
        self._browsers: dict[frozenset[str], Browser] = {}
        self._pools: dict[_AppKey, SessionPool] = {}
        self._slots: dict[tuple[_AppKey, int], Slot] = {}
        self._launching = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Start Playwright.

        Raises:
            UserError: there is no browser on this machine.
        """
        self._choice = self._choice or await asyncio.to_thread(find_browser, self._headless)
        self._playwright = await async_playwright().start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every page and end the browser."""
        for slot in self._slots.values():
            await slot.close()
        for browser in self._browsers.values():
            with suppress(PlaywrightError):  # it may have died
                await browser.close()
        if self._playwright is not None:
            await self._playwright.stop()

    async def hands(self, workflow: Workflow, slot: int) -> BrowserHands:
        """Return the hands of a slot for a workflow; `slot` counts from 0 within the process."""
        app = workflow.app
        key = (app.name, app.base_url, hash((workflow.snapshot.app_text, app.allowed_hosts)))
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = SessionPool(app, self._secrets, self._redactor)
        place = self._slots.get((key, slot))
        if place is None:
            place = self._slots[key, slot] = Slot(app, slot, self._redactor, lambda: self._browser(app))
        return BrowserHands(workflow, place, pool, self._judge, self._reviewed)

    async def _browser(self, app: Application) -> Browser:
        """Return the running browser for these hosts; one that died is replaced."""
        hosts = frozenset(app.allowed_hosts)
        async with self._launching:
            browser = self._browsers.get(hosts)
            if browser is None or not browser.is_connected():
                if self._playwright is None or self._choice is None:
                    raise RuntimeError("the office is not open: use `async with`")
                browser = await launch(
                    self._playwright, self._choice, allowed_hosts=app.allowed_hosts, headless=self._headless
                )
                self._browsers[hosts] = browser
            return browser
