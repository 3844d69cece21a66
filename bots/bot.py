"""What a step function gets: one page in one application, bound to one item."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from playwright.async_api import CDPSession, Dialog, Frame, Page
from playwright.async_api import Error as PlaywrightError

from bots.guard import SingleSendGuard
from bots.locators import Locator, frame_of, playwright_locator
from bots.profile import AppExtras
from bots.trouble import PageMoved, is_moved, unmet
from engine.definition import Application
from engine.errors import SessionLost, SystemException
from engine.redact import Redactor
from engine.template import Scope, resolve, resolve_text
from engine.values import FieldSpec, Record

if TYPE_CHECKING:
    from bots.reconciliation.judging import Judge  # with pandas, which costs half a second

MAX_INTERRUPTS = 5
"""How many boxes in a row are clicked away before the page counts as out of order."""
_SERVER_ERROR = 500
_CLIENT_ERROR = 400


@dataclass
class Bot:
    """Hands on one page. Steps fill `record`; every wait ends at `deadline` (seconds of the event loop's clock)."""

    page: Page
    cdp: CDPSession
    app: Application
    extras: AppExtras
    scope: Scope
    fields: Mapping[str, FieldSpec]
    folder: Path
    redactor: Redactor
    record: Record = field(default_factory=dict)
    deadline: float = 0.0
    accept_dialog: bool = False
    """Whether the next native alert or confirm is accepted; decided before the click that opens it."""
    dialogs: list[str] = field(default_factory=list)
    secret_typed: bool = False
    guard: SingleSendGuard | None = None
    """Whose closing our own navigation ends; a login has none."""
    judge: Callable[[], Judge | None] | None = None
    """Who gives matches a probability, where somebody is wired in."""
    reviewed: Callable[[str], Mapping[str, tuple[int, int]]] | None = None
    """What people reviewed of each kind of evidence in a reconciliation: how many, and how many wrong ones."""

    def allow(self, seconds: float) -> None:
        """Let everything from now on take `seconds`."""
        self.deadline = asyncio.get_running_loop().time() + seconds

    @property
    def left_ms(self) -> float:
        """Return how many milliseconds remain."""
        return max(0.0, (self.deadline - asyncio.get_running_loop().time()) * 1000)

    async def call(self, function: str, *args: Any, place: Page | Frame | None = None) -> Any:
        """Call the page script.

        Raises:
            PageMoved: the document was replaced meanwhile.
        """
        try:
            return await (place or self.page).evaluate(
                "([name, args]) => window.__countersign[name](...args)", [function, list(args)]
            )
        except PlaywrightError as error:
            if is_moved(error):
                raise PageMoved from None
            raise

    def value(self, template: str) -> Any:
        """Return the typed value of a template, or a `Secret`."""
        return resolve(template, self.scope)

    def url(self, template: str) -> str:
        """Return the absolute address of a template; values are percent-encoded."""
        base = self.app.base_url if self.app.base_url.endswith("/") else self.app.base_url + "/"
        text = resolve_text(template, self.scope)
        return urljoin(base, text.lstrip("/") if not text.startswith(("http://", "https://")) else text)

    async def open(self, url: str) -> None:
        """Go to an absolute address and wait until the page is at rest.

        Raises:
            SessionLost: the application shows its signed-out page.
            SystemException: it cannot be reached, answers with an error, or is no web address.
        """
        if not url.startswith(
            ("http://", "https://")
        ):  # links come from pages; `file:` would open what is on this disk
            raise SystemException("foreign_address", f"{url[:200]} is no web address")
        await self._go(url)
        status = await self.arrive()
        if status >= _CLIENT_ERROR:
            raise SystemException("page_error", f"{self.page.url} answered {status}")

    async def _go(self, url: str) -> None:
        if self.guard is None:
            await self.page.goto(url, wait_until="commit", timeout=max(1.0, self.left_ms))
            return
        async with self.guard.opening(url) as arrived:
            answer = await self.page.goto(url, wait_until="commit", timeout=max(1.0, self.left_ms))
            if answer is not None:  # without one only the fragment changed, and the old document is still there
                arrived()

    async def arrive(self) -> int:
        """Wait until the page is at rest, click interrupts away; return the HTTP status of the page.

        Raises:
            SessionLost: the application shows its signed-out page.
            SystemException: a server error, a click that hit something else, or boxes without end.
        """
        interrupts = 0
        while self.left_ms > 0:
            try:
                seen = await self.call("arrive", self.left_ms)
            except PageMoved:
                continue
            if seen["lost"]:
                raise SessionLost("session_lost", f"the application asks for a login at {seen['url']}")
            if seen["status"] >= _SERVER_ERROR:
                raise SystemException("page_error", f"{seen['url']} answered {seen['status']}")
            if seen["missed"]:
                raise SystemException("click_missed", f"something moved under the mouse on {await self.where()}")
            if seen["leaving"]:
                continue
            if seen["interrupt"] < 0:
                return int(seen["status"])
            interrupts += 1
            await self._dismiss(seen["interrupt"], interrupts)
        raise SystemException("page_not_ready", f"{self.page.url} did not come to rest in time")

    async def settle(self) -> None:
        """Wait until what the last action set off is over."""
        await self.arrive()

    async def _dismiss(self, index: int, count: int) -> None:
        interrupt = self.extras.interrupts[index]
        if count > MAX_INTERRUPTS:
            raise SystemException("interrupted", f"{interrupt.when} keeps coming back on {await self.where()}")
        want = interrupt.click.descriptor()
        result = await self.call("aim", want, min(self.left_ms, 2000), interrupt.when.descriptor())
        if result["status"] == "ready":
            await self.page.mouse.click(result["x"], result["y"])

    async def aim(self, locator: Locator, answers: Sequence[Locator] = ()) -> tuple[float, float]:
        """Return where to click the one element; from now on the mouse can act on nothing else.

        What already fits `answers` is no longer taken for an answer to the click.

        Raises:
            SystemException: it is missing, ambiguous, disabled or covered.
        """
        interrupts = 0
        stale = [answer.descriptor() for answer in answers]
        while True:
            try:
                result = await self.call("aim", locator.descriptor(), self.left_ms, None, stale)
            except PageMoved:
                continue
            if result["status"] == "ready":
                return result["x"], result["y"]
            if result["status"] != "interrupt":
                raise unmet(result, str(locator), await self.where())
            interrupts += 1
            await self._dismiss(result["interrupt"], interrupts)

    async def click(self, locator: Locator, *, accept_dialog: bool = False) -> None:
        """Click the one element as a person does and wait until the page is at rest."""
        self.accept_dialog = accept_dialog
        try:
            await self.press_mouse(locator)
            await self._rest_in(locator.frame)
            await self.arrive()
        finally:
            self.accept_dialog = False

    async def _rest_in(self, frame: str | None) -> None:
        if frame is None:
            return
        try:
            await self.call("settled", place=await frame_of(self.page, frame))
        except PageMoved:
            return

    async def press_mouse(self, locator: Locator) -> None:
        """Click the one element and wait for nothing."""
        if locator.frame is not None:
            place = await frame_of(self.page, locator.frame)
            await (await playwright_locator(place, locator)).click(timeout=max(1.0, self.left_ms))
            return
        x, y = await self.aim(locator)
        await self.page.mouse.click(x, y)

    async def expect(self, locator: Locator) -> None:
        """Wait until the element is there; it may be there more than once.

        Raises:
            SystemException: it is not there in time.
        """
        while True:
            place = await frame_of(self.page, locator.frame)
            try:
                result = await self.call("expectSeen", locator.descriptor(), self.left_ms, place=place)
            except PageMoved:
                continue
            if result["status"] == "seen":
                return
            raise unmet(result, str(locator), await self.where())

    async def where(self) -> str:
        """Return the page for a message: its title and address."""
        try:
            return f"{await self.page.title()!r} ({self.page.url})"
        except PlaywrightError:
            return self.page.url

    async def answer_dialog(self, dialog: Dialog) -> None:
        """Answer a native alert or confirm as was decided before the click."""
        self.dialogs.append(dialog.message)
        await (dialog.accept() if self.accept_dialog else dialog.dismiss())
