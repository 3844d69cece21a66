"""The single-send guard: while a commit is under way, nothing that changes the application leaves twice.

Chromium silently sends a POST again when a reused keep-alive connection drops before the answer. So, around a commit
only, every request of the slot's browser context is routed: GET, HEAD and OPTIONS go on untouched, everything else is
sent once by Playwright's own client (no redirects followed, no retries) and the browser is given the answer. A request
without an answer is *unknown*; it is never tried again, by anybody.

Covered: form posts, multipart with files, fetch and XHR, `keepalive`, `sendBeacon` and `<a ping>`, forms and links that
open another tab (hence the context, not the page), 307 and 308 (followed here, once each hop, on the same host only).
Refused: hosts that are not allowed (the browser's own limits do not bind Playwright's client), and pages with an active
service worker, whose requests pass by every route: open contexts with `service_workers="block"`.
Not covered: WebSockets and WebRTC (declare them with `via:`), a commit made by GET, and a raw body that is a file on
disk (`fetch(url, {body: file})`), which reaches the guard empty: upload steps hand over files as bytes, not as paths.
Playwright's client trusts the certificates of Node.js, not those of the system: set NODE_EXTRA_CA_CERTS for your own.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal, Self
from urllib.parse import urldefrag, urljoin, urlsplit

from playwright.async_api import APIResponse, Frame, Page, Request, Route
from playwright.async_api import Error as PlaywrightError

from bots import bodies
from bots.browser import host_allowed
from engine.errors import NotSent, SystemException
from engine.ports import SentRequest

Mode = Literal["open", "send", "block", "closed"]
Reason = Literal["refused", "double", "closed", "late", "foreign_host", "file_missing"]

_HARMLESS = frozenset({"GET", "HEAD", "OPTIONS"})
_ANY = "**/*"
_HOPS = 5


@dataclass(frozen=True)
class Answer:
    """What the application answered to a request that left."""

    url: str
    status: int
    final: bool
    """False for a redirect, which the browser then follows by itself."""


@dataclass(frozen=True)
class Stopped:
    """A mutating request that the guard kept from the network, and why."""

    request: SentRequest
    reason: Reason


@dataclass(eq=False)
class _Window:
    """What happens between one arming and the next."""

    mode: Mode
    permit: Callable[[], None] | None = None
    deadline: float = 0.0
    requests: list[SentRequest] = field(default_factory=list)
    answers: dict[int, Answer] = field(default_factory=dict)
    stopped: list[Stopped] = field(default_factory=list)
    seen: dict[str, asyncio.Future[APIResponse | None]] = field(default_factory=dict)
    files: dict[str, list[bytes]] = field(default_factory=dict)
    left: int = 0
    refusal: Exception | None = None
    trouble: asyncio.Event = field(default_factory=asyncio.Event)

    async def forget(self) -> None:
        """Let the answers' bodies go: Playwright's driver keeps each for as long as the context lives."""
        for answer in self.seen.values():
            if answer.done() and (response := answer.result()) is not None:
                with suppress(PlaywrightError):
                    await response.dispose()
        self.seen.clear()
        self.files.clear()


class SingleSendGuard:
    """Guards one slot: a page, its frames and the tabs it opens."""

    def __init__(self, page: Page, allowed_hosts: Iterable[str], *, scrub: Callable[[str], str] = str) -> None:
        """Bind to `page`; requests are recorded through `scrub`, which takes the secrets out."""
        self._page = page
        self._allowed = tuple(allowed_hosts)
        self._scrub = scrub
        self._window = _Window("open")
        self._routed = False
        self._held = 0
        self._asked = ""
        self._targets: set[str] = set()

    @property
    def mode(self) -> Mode:
        """Return `open` (nothing is held), `send`, `block` (dry run) or `closed` (nothing that changes data leaves)."""
        return self._window.mode

    @property
    def left(self) -> int:
        """Return how many mutating requests of this arming went to the network."""
        return self._window.left

    @property
    def unknown(self) -> int:
        """Return how many of those have no answer: in flight, timed out or cut off."""
        return self._window.left - len(self._window.answers)

    @property
    def requests(self) -> tuple[SentRequest, ...]:
        """Return what left, in order; when blocking, what would have left."""
        return tuple(self._window.requests)

    @property
    def answers(self) -> tuple[Answer, ...]:
        """Return the answers, in the order in which they came."""
        return tuple(self._window.answers.values())

    @property
    def stopped(self) -> tuple[Stopped, ...]:
        """Return the mutating requests of this arming that were kept from the network."""
        return tuple(self._window.stopped)

    @property
    def refusal(self) -> Exception | None:
        """Return what `permit` (or a missing file) raised in place of letting a request go."""
        return self._window.refusal

    @property
    def trouble(self) -> asyncio.Event:
        """Return an event that is set once no confirmation can be hoped for: a refusal or an unknown request."""
        return self._window.trouble

    @asynccontextmanager
    async def armed(self, permit: Callable[[], None], limit: timedelta) -> AsyncIterator[Self]:
        """Let mutating requests leave once each, for `limit` from now; `permit` is asked right before each leaves.

        Left without an error and with every request answered, the guard opens; otherwise it closes (see `close`).

        Raises:
            SystemException: `service_worker`: one is active, and its requests cannot be guarded.
        """
        deadline = asyncio.get_running_loop().time() + limit.total_seconds()
        async with self._during(_Window("send", permit, deadline)):
            yield self

    @asynccontextmanager
    async def blocking(self) -> AsyncIterator[Self]:
        """Record every mutating request and let none leave, for a dry run; the guard is closed afterwards.

        Raises:
            SystemException: `service_worker`: one is active, and its requests cannot be guarded.
        """
        async with self._during(_Window("block")):
            yield self

    @asynccontextmanager
    async def opening(self, url: str) -> AsyncIterator[Callable[[], None]]:
        """Open a closed guard once our own navigation brings the document of `url`, or what is yielded is called."""
        self._asked = urldefrag(url)[0]
        self._page.on("request", self._going)
        self._page.on("framenavigated", self._arrived)
        try:
            yield self._reopen
        finally:
            self._page.remove_listener("request", self._going)
            self._page.remove_listener("framenavigated", self._arrived)
            self._targets.clear()

    async def close(self) -> None:
        """Let no mutating request leave any more, until `opening` or an arming ends that; the page's own moves do not.

        After it, `left == 0` proves that nothing was sent and that nothing of this page will be.
        """
        self._window.mode = "closed"
        await self._route()

    @asynccontextmanager
    async def _during(self, window: _Window) -> AsyncIterator[None]:
        if self._page.context.service_workers:
            raise SystemException("service_worker", "a service worker is active; block them in the browser context")
        past = self._window
        past.mode, self._window = "closed", window
        try:
            await past.forget()
            window.files = await self._files()  # later is too late: a page that is being left runs no script
            await self._route()
            yield
            if window.mode == "send" and self.left and not self.unknown:
                window.mode = "open"
                with suppress(PlaywrightError):  # a browser that is gone holds nothing
                    await self._unroute()
        finally:
            if window.mode != "open":
                window.mode = "closed"

    async def _route(self) -> None:
        if not self._routed:
            await self._page.context.route(_ANY, self._handle)
            self._routed = True

    async def _unroute(self) -> None:
        # Chromium sends what is held at that moment by itself: an unanswered POST would leave a second time.
        if self._routed and not self._held:
            self._routed = False
            await self._page.context.unroute(_ANY, self._handle)

    def _going(self, request: Request) -> None:
        first = request
        while first.redirected_from is not None:
            first = first.redirected_from
        ours = first.method in _HARMLESS and urldefrag(first.url)[0] == self._asked
        if ours and request.is_navigation_request() and request.frame == self._page.main_frame:
            self._targets.add(urldefrag(request.url)[0])

    def _arrived(self, frame: Frame) -> None:
        # A script may change the address of the old document as well: only one that was asked for is a new document.
        if frame == self._page.main_frame and urldefrag(frame.url)[0] in self._targets:
            self._reopen()

    def _reopen(self) -> None:
        if self._window.mode == "closed":
            self._window.mode = "open"

    async def _handle(self, route: Route) -> None:
        window = self._window
        if route.request.method in _HARMLESS or window.mode == "open":
            with suppress(PlaywrightError):  # the page may be gone by now, and the request with it
                await route.fallback()
            return
        self._held += 1
        response = None
        try:
            response = await self._decide(route, window)
        finally:
            with suppress(PlaywrightError):
                await (route.abort("aborted") if response is None else _fulfill(route, response))
            self._held -= 1

    async def _decide(self, route: Route, window: _Window) -> APIResponse | None:
        """Return the answer for the browser, or None to abort the request; the page then stays as it is."""
        request = route.request
        content_type = request.headers.get("content-type", "")
        body = request.post_data_buffer
        shown = SentRequest(request.method, self._scrub(request.url), bodies.show(body, content_type, self._scrub))
        if not host_allowed(urlsplit(request.url).hostname or "", self._allowed):
            return self._stop(window, shown, "foreign_host")
        key = bodies.fingerprint(request.method, request.url, body, content_type)
        if key in window.seen:
            self._stop(window, shown, "double")
            return await asyncio.shield(window.seen[key])
        if window.mode == "closed":
            return self._stop(window, shown, "closed")
        answer = window.seen[key] = asyncio.get_running_loop().create_future()
        try:
            whole = bodies.restore(body, content_type, window.files)
            if whole is None and body is not None:
                window.refusal = NotSent("file_missing", "the bytes of an uploaded file could not be read in the page")
                window.trouble.set()
                return self._stop(window, shown, "file_missing")
            shown = replace(shown, body=bodies.show(whole, content_type, self._scrub))
            response = await self._send(route, window, shown, None if whole == body else whole)
            answer.set_result(response)
            return response
        finally:
            if not answer.done():
                answer.set_result(None)

    async def _send(self, route: Route, window: _Window, shown: SentRequest, whole: bytes | None) -> APIResponse | None:
        if window.mode == "block":
            window.requests.append(shown)
            return None
        if window.mode != "send":
            return self._stop(window, shown, "closed")
        remaining = window.deadline - asyncio.get_running_loop().time()
        if remaining <= 0:
            return self._stop(window, shown, "late")
        index = len(window.requests)
        asked = asyncio.ensure_future(_ask(window, shown))
        await asyncio.wait({asked})  # an error that leaves a route handler would surface in some later, innocent call
        if (refusal := asked.exception()) is not None:
            window.refusal = refusal if isinstance(refusal, Exception) else NotSent("stopped", repr(refusal))
            window.trouble.set()
            return self._stop(window, shown, "refused")
        try:
            response = await _fetch(route, whole, window.deadline)
        except (PlaywrightError, TimeoutError):
            window.trouble.set()
            return None
        window.requests[index] = replace(shown, status=response.status)
        window.answers[index] = Answer(self._scrub(response.url), response.status, not _redirects(response))
        return response

    async def _files(self) -> dict[str, list[bytes]]:
        found: dict[str, list[bytes]] = {}
        for frame in self._page.frames:
            with suppress(PlaywrightError):  # a frame that is going away uploads nothing
                for name, encoded in await frame.evaluate(bodies.READ_FILES):
                    found.setdefault(name, []).append(base64.b64decode(encoded))
        return found

    @staticmethod
    def _stop(window: _Window, shown: SentRequest, reason: Reason) -> None:
        window.stopped.append(Stopped(shown, reason))


def _redirects(response: APIResponse) -> bool:
    return response.status in (301, 302, 303, 307, 308) and "location" in response.headers


async def _ask(window: _Window, shown: SentRequest) -> None:
    if window.mode != "send":  # closed since this was begun: whoever closed it has counted what left
        raise NotSent("closed", "the guard was closed before the send")
    if window.permit is not None:
        window.permit()
    window.left += 1
    window.requests.append(shown)


async def _fulfill(route: Route, response: APIResponse) -> None:
    if response.url == route.request.url or not _redirects(response):
        await route.fulfill(response=response)
    else:  # the browser does not know of the hops: a relative address would be taken against the wrong one
        absolute = {**response.headers, "location": urljoin(response.url, response.headers["location"])}
        await route.fulfill(response=response, headers=absolute)


async def _fetch(route: Route, body: bytes | None, deadline: float) -> APIResponse:
    """Write the request to the network once; a 307 or 308 says that it was not carried out and where to write it."""
    url = route.request.url
    for _ in range(_HOPS):
        remaining = max((deadline - asyncio.get_running_loop().time()) * 1000, 1)
        response = await route.fetch(url=url, post_data=body, max_redirects=0, max_retries=0, timeout=remaining)
        target = urljoin(url, response.headers.get("location", ""))
        if response.status not in (307, 308) or target == url:
            return response
        if urlsplit(target).hostname != urlsplit(url).hostname:
            raise PlaywrightError(f"a {response.status} to another host is not followed")
        url = target
    raise PlaywrightError("too many redirects")
