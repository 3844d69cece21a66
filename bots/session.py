"""Signs in once for all slots of an account, and never often enough to lock the account out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from loguru import logger
from playwright.async_api import Browser

from bots.bot import Bot
from bots.profile import AppExtras
from bots.slot import Slot, open_context
from bots.trouble import translated
from engine.definition import Application, Step
from engine.errors import ItemException, SystemException, UserError
from engine.redact import Redactor
from engine.secrets import Secret, SecretStore
from engine.template import Scope

MAX_FAILED_LOGINS = 2
"""How often in a row a password may be refused; applications lock accounts after three to five."""
_NOT_ASKED = frozenset({"application_unreachable", "page_error"})
"""Errors of an application that is down: it has judged no password."""
_COOKIE_LENGTH = 12
"""Cookies of at least this many characters may be session keys; shorter ones say `true` or `light`."""


@dataclass(eq=False)
class SessionPool:
    """The login of one account in one application, shared by its slots."""

    app: Application
    secrets: SecretStore
    redactor: Redactor
    state: dict[str, Any] | None = None
    generation: int = 0
    version: str | None = None
    """What the application called its version at the last login, where the profile says how to see it."""
    _failed: int = 0
    _refused: dict[str, Secret] = field(default_factory=dict)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def ensure(self, slot: Slot) -> None:
        """Give the slot a page that is signed in.

        Raises:
            SystemException: `login_failed`, at once when the password was refused twice and has not changed since.
        """
        shared, generation = (self.state if self._shares else None), self.generation
        if await slot.ready(shared) and shared:
            slot.generation = generation  # of that login: another slot may have entered again meanwhile
        if not self.app.login:
            slot.lost = False
            return
        if slot.generation and not slot.lost and (slot.generation == self.generation or not self._shares):
            return
        async with self._lock:
            await self._enter(slot)

    @property
    def _shares(self) -> bool:
        extras: AppExtras = self.app.extras
        return extras.session.stored_state

    async def _enter(self, slot: Slot) -> None:
        newer = self._shares and self.state is not None and slot.generation != self.generation
        if not newer:
            self.state = await self._sign_in(await slot.launch())
            self.generation += 1
        if self.state is not None:
            await slot.renew(self.state)
        slot.generation, slot.lost = self.generation, False

    async def _sign_in(self, browser: Browser) -> dict[str, Any]:
        """Sign in within a context of its own, which is never traced; return its cookies and storage."""
        self._refuse_lock_out()
        extras: AppExtras = self.app.extras
        typed: dict[str, Secret] = {}
        # on the way in the login page is no sign of a lost session
        context = await open_context(browser, {**extras.page_config(self.app.base_url), "lost": []})
        entered = False
        bot = None
        try:
            page = await context.new_page()
            cdp = await context.new_cdp_session(page)
            bot = Bot(page, cdp, self.app, extras, self._scope(typed), {}, Path(), self.redactor)
            try:
                with translated(self.redactor, "login"):
                    await self._walk(bot)
            except ItemException as error:
                entered = error.code in _NOT_ASKED
                code = error.code if entered or error.code == "secret_missing" else "login_failed"
                raise SystemException(code, f"login to {self.app.name}: {error.message}") from None
            entered = True
            self.version = await self._read_version(bot)
            state = cast("dict[str, Any]", await context.storage_state())
        finally:
            # whatever ended it, a time limit or a stop included; before anything was typed it says nothing
            if not entered and bot is not None and bot.secret_typed:
                self._failed += 1
                self._refused = typed
            await context.close()
        self._failed = 0
        self._keep_secret(state)
        return state

    def _scope(self, typed: dict[str, Secret]) -> Scope:
        def secret(name: str) -> Secret:
            try:
                typed[name] = self.secrets.get(name)
            except UserError as error:
                raise SystemException("secret_missing", str(error)) from None
            return typed[name]

        return Scope(item={}, params={}, secrets=secret, fields={}, formats=self.app.formats)

    async def _walk(self, bot: Bot) -> None:
        from bots.registry import STEPS  # noqa: PLC0415 - steps are built on bots, the login on steps

        for step in self.app.login:
            bot.allow(_limit(step, self.app))
            await STEPS[step.kind](bot, step.params)
        bot.allow(self.app.timeout.total_seconds())
        await self._probe(bot)

    async def _read_version(self, bot: Bot) -> str | None:
        """Return the version as the page shows it; None, with a warning, where it does not."""
        from bots.reading import read_text  # noqa: PLC0415 - as in `_walk`

        locator = bot.extras.version
        if locator is None:
            return None
        bot.allow(self.app.timeout.total_seconds())
        try:
            with translated(self.redactor, "version"):
                shown = await read_text(bot, locator)
        except ItemException as error:
            logger.bind(event="app.version_unknown").warning("{}: its version cannot be read: {}", self.app.name, error)
            return None
        return " ".join(shown.split()) or None

    async def _probe(self, bot: Bot) -> None:
        session = bot.extras.session
        if session.probe is not None:
            await bot.expect(session.probe)
        elif session.lost is not None and await bot.call("lost", session.lost.descriptors()):
            raise SystemException("login_failed", "the application still shows its login page")

    def _refuse_lock_out(self) -> None:
        if self._failed < MAX_FAILED_LOGINS:
            return
        if all(self.secrets.get(name).reveal() == secret.reveal() for name, secret in self._refused.items()):
            raise SystemException(
                "login_failed",
                f"{self.app.name} refused this login {self._failed} times; not tried again before its secret changes, "
                "so that the account is not locked",
            )
        self._failed = 0

    def _keep_secret(self, state: Mapping[str, Any]) -> None:
        cookies: Sequence[Mapping[str, Any]] = state.get("cookies", ())
        for cookie in cookies:
            self.redactor.add(str(cookie.get("value", "")), at_least=_COOKIE_LENGTH)


def _limit(step: Step, app: Application) -> float:
    return (step.limit or app.timeout).total_seconds()
