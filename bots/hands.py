"""Implements `engine.ports.Hands`: one slot's page as the executor sees it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Never

from playwright.async_api import Error as PlaywrightError

from bots import commit as committing
from bots import finding
from bots.bot import Bot
from bots.capture import keep_picture, take_picture
from bots.guard import SingleSendGuard
from bots.registry import STEPS
from bots.session import SessionPool
from bots.slot import Slot
from bots.trouble import BrowserGone, PageMoved, translated
from engine.definition import Step, Workflow
from engine.errors import ItemException, SessionLost, SystemException, UserError
from engine.ports import Found, ItemView, Receipt
from engine.secrets import Secret
from engine.template import Scope

if TYPE_CHECKING:
    from bots.reconciliation.judging import Judge

_MARGIN = 0.05
_LEAST_MARGIN = 0.15
"""What a step's waits leave of its limit (a share, and at least these seconds), so that what it missed can be said."""
_START = 45.0
"""Seconds that starting a browser may take on a busy machine."""
_GRACE = 5.0
"""Seconds for housekeeping that must not hang a slot: tracing, pictures, the look for a lost session."""


@dataclass(eq=False)
class BrowserHands:
    """Hands of one slot for one workflow. Raises only `engine.errors`."""

    workflow: Workflow
    slot: Slot
    pool: SessionPool
    judge: Callable[[], Judge | None] | None = None
    reviewed: Callable[[str], Mapping[str, tuple[int, int]]] | None = None
    record: dict[str, Any] = field(default_factory=dict)
    _bot: Bot | None = None

    async def begin(self, item: ItemView) -> None:
        """Bind the page to an item: a live page, signed in, with a trace of its own.

        Raises:
            SystemException: no browser, or the login failed.
        """
        self.record = {}
        self._bot = None
        async with self._watched("begin", self._begin_limit(), look=False):
            if self.slot.tracing and self.slot.lost:
                await self.slot.stop_trace(None)
            await self.pool.ensure(self.slot)
            await self.slot.start_trace()
        self._bot = self._bind(item)

    def _bind(self, item: ItemView) -> Bot:
        page, cdp = self.slot.page, self.slot.cdp
        if page is None or cdp is None:
            raise SystemException("browser_gone", "the slot has no page")
        record = {"url": item.record_url} if item.record_url else {}
        scope = Scope(item.payload, item.params, self._secret, item.fields, self.workflow.app.formats, record)
        app = self.workflow.app
        bot = Bot(page, cdp, app, self.slot.extras, scope, item.fields, item.folder, self.slot.redactor, self.record)
        bot.guard, bot.judge, bot.reviewed = self.slot.guard, self.judge, self.reviewed
        self.slot.on_dialog = bot.answer_dialog
        return bot

    def _secret(self, name: str) -> Secret:
        try:
            return self.pool.secrets.get(name)
        except UserError as error:
            raise SystemException("secret_missing", str(error)) from None

    @property
    def app_version(self) -> str | None:
        """Return what the application called its version at the login of this session."""
        return self.pool.version

    @property
    def bot(self) -> Bot:
        """Return the bot of the present item.

        Raises:
            SystemException: `begin` was not called, or failed.
        """
        if self._bot is None:
            raise SystemException("not_begun", "the page is bound to no item")
        return self._bot

    @property
    def guard(self) -> SingleSendGuard:
        """Return the guard of the slot's page."""
        if self.slot.guard is None:
            raise SystemException("browser_gone", "the slot has no page")
        return self.slot.guard

    async def perform(self, step: Step) -> None:
        """Do one ordinary step and leave the page at rest.

        Raises:
            BusinessException: the data does not fit the application.
            SessionLost: the application no longer knows us.
            SystemException: anything else that went wrong.
        """
        bot = self.bot
        async with self._watched(step.label, self._limit(step)):
            await STEPS[step.kind](bot, step.params)

    async def aim(self, commit: Step) -> None:
        """Find the commit's one button and see that it can be clicked; nothing leaves the browser."""
        async with self._watched(commit.label, self._limit(commit)):
            await committing.aim(self.bot, commit.params)

    async def send(self, commit: Step, permit: Callable[[], None], limit: timedelta) -> Receipt:
        """Click once behind the guard; see `engine.ports.Hands.send` for what it raises."""
        try:
            return await committing.send(self.bot, self.guard, commit.params, permit, limit)
        except ItemException as error:
            self._note(error)
            raise

    async def find(self, commit: Step) -> Found:
        """Ask the application, on a fresh page, how many records carry the business key; exactly one is open then."""
        async with self._watched(f"{commit.label}: find", self.workflow.app.timeout.total_seconds()):
            return await finding.find(self.bot, commit.params.find)

    async def listed(self, keys: list[ItemView]) -> dict[int, int]:
        """Count each item's records in the application's own list, or one by one where none is declared."""
        if self.workflow.audit is None:
            return await self._found_one_by_one(keys)
        bot = self.bot
        seconds = self.workflow.app.timeout.total_seconds() * max(10, len(keys))
        async with self._watched("run audit", seconds):
            return await finding.listed(bot, self.workflow.audit, keys)

    async def _found_one_by_one(self, keys: Sequence[ItemView]) -> dict[int, int]:
        commit = next((step for step in self.workflow.steps if step.commit and step.params.find), None)
        if commit is None:
            raise SystemException("no_audit", "the definition has neither `audit` nor `find`: nothing can be read back")
        counts = {}
        for item in keys:
            self._bot = self._bind(item)
            async with self._watched("run audit", self.workflow.app.timeout.total_seconds()):
                counts[item.item_id] = await finding.count(self.bot, commit.params.find)
        return counts

    async def capture(self, path: Path) -> bool:
        """Take a picture of the page; False and no file if a secret is visible, or there is no page to picture.

        Raises:
            SystemException: `evidence_not_written`: the disk is full, or refuses.
        """
        if self._bot is None:
            return False
        try:
            async with asyncio.timeout(_GRACE):
                self._bot.allow(_GRACE)
                picture = await take_picture(self._bot)
        except (PlaywrightError, PageMoved, TimeoutError, ItemException):
            return False
        if picture is None:
            return False
        await keep_picture(path, picture)
        return True

    async def end(self, trace: Path | None) -> None:
        """Let go of the item; keep its trace at `trace`, free of secrets, or drop it."""
        self._bot = None
        self.slot.on_dialog = None
        try:
            async with asyncio.timeout(_GRACE):
                await self.slot.stop_trace(trace)
        except (PlaywrightError, TimeoutError):
            self.slot.mark_broken()

    def _begin_limit(self) -> float:
        return _START + self.workflow.app.timeout.total_seconds() * (1 + len(self.workflow.app.login))

    def _limit(self, step: Step) -> float:
        return (step.limit or self.workflow.app.timeout).total_seconds()

    @asynccontextmanager
    async def _watched(self, doing: str, seconds: float, *, look: bool = True) -> AsyncIterator[None]:
        """Bound the time, translate errors, and ask after any failure whether the session is what was lost."""
        if self._bot is not None:
            self._bot.allow(max(seconds - max(seconds * _MARGIN, _LEAST_MARGIN), seconds / 2))
        try:
            async with asyncio.timeout(seconds):
                with translated(self.slot.redactor, doing):
                    yield
        except TimeoutError:
            await self._failed(SystemException("step_timeout", f"{doing} took longer than {seconds:g} s"), look=look)
        except ItemException as error:
            await self._failed(error, look=look)

    async def _failed(self, error: ItemException, *, look: bool) -> Never:
        self._note(error)
        if look and not isinstance(error, (SessionLost, BrowserGone)) and await self._is_lost():
            self.slot.lost = True
            raise SessionLost("session_lost", f"the session was lost: {error.message}") from error
        raise error

    def _note(self, error: ItemException) -> None:
        if isinstance(error, SessionLost):
            self.slot.lost = True
        if isinstance(error, BrowserGone):
            self.slot.mark_broken()

    async def _is_lost(self) -> bool:
        if self._bot is None:
            return False
        with suppress(PlaywrightError, PageMoved, TimeoutError):
            async with asyncio.timeout(_GRACE):
                return bool(await self._bot.call("lost"))
        return False
