"""The single-send guard against a hostile server: what plain Chromium does to a commit, and what the guard does."""

from __future__ import annotations

import asyncio
import socketserver
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Request, async_playwright
from playwright.async_api import Error as PlaywrightError

from bots import bodies
from bots.browser import find_browser, launch
from bots.guard import SingleSendGuard
from engine.errors import NotSent, SystemException
from engine.ports import SentRequest

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIMIT = timedelta(seconds=5)
SCRIPT = "<script>const post = (url, body, more) => fetch(url, {method: 'POST', body, ...more})</script>"
UPLOAD = "method=post action=/save enctype=multipart/form-data><input name=a value=x><input type=file name=scan>"
PAGES = {
    "/form": "<form method=post action='/save?to=form'><input name=a value=x><button>Save</button></form>",
    "/cut-form": "<form method=post action=/cut><input name=a value=x><button>Save</button></form>",
    "/slow-form": "<form method=post action=/slow><input name=a value=x><button>Save</button></form>",
    "/moved-form": "<form method=post action=/moved/x><input name=a value=x><button>Save</button></form>",
    "/tab-form": "<form method=post action=/save target=_blank><input name=a value=x><button>Save</button></form>",
    "/upload": f"<meta charset=utf-8><form {UPLOAD}<button>Save</button></form>",
    "/upload-latin": f"<meta charset=windows-1252><form {UPLOAD}<button>Save</button></form>",
    "/upload-fetch": (
        f"<form {UPLOAD}<button type=button onclick=\"post('/save', new FormData(this.form))"
        '.then(r => location = r.url)">Save</button></form>'
    ),
    "/twice": (
        "<form method=post action=/slow><input name=a value=x><button type=button "
        "onclick='this.form.submit(); setTimeout(() => this.form.submit(), 60)'>Save</button></form>"
    ),
    "/fetch": "<button onclick=\"post('/api', 'f=1').then(r => document.title = r.status)\">Save</button>",
    "/xhr": (
        "<button onclick=\"const x = new XMLHttpRequest(); x.open('PUT', '/api'); "
        "x.onload = () => document.title = x.status; x.send('x=1')\">Save</button>"
    ),
    "/fetch-twice": (
        "<button onclick=\"Promise.all([post('/api', 'f=1'), post('/api', 'f=1')])"
        '.then(all => document.title = all.map(r => r.status))">Save</button>'
    ),
    "/retrying": (
        "<button onclick=\"post('/cut', 'f=1').catch(() => post('/cut', 'f=1'))"
        ".catch(() => document.title = 'gave up')\">Save</button>"
    ),
    "/beacon": "<button onclick=\"navigator.sendBeacon('/api', 'b=1')\">Save</button>",
    "/late": "<button onclick=\"setTimeout(() => post('/api', 'late').catch(() => document.title = 'held'), 99)\">Save",
    "/straying": "<button onclick=\"setTimeout(() => location = '/auto', 50)\">Save</button>",
    "/auto": "<script>post('/api', 'auto').catch(() => document.title = 'held')</script>",
    "/stranger": "<button onclick=\"post('http://localhost:' + location.port + '/api', 's', {mode: 'no-cors'})\">Save",
    "/worker": "<button onclick=\"navigator.serviceWorker.register('/sw.js')\">Save</button>",
}


@dataclass
class Hostile:
    """A server on a raw socket that keeps connections alive, remembers what it committed, and answers as it likes."""

    records: list[tuple[str, str, bytes]] = field(default_factory=list)
    cookies: dict[str, str] = field(default_factory=dict)
    release: threading.Event = field(default_factory=threading.Event)
    url: str = ""


class Connection(socketserver.StreamRequestHandler):
    """One connection; every request on it in turn."""

    def handle(self) -> None:
        """Answer until either side has enough."""
        with suppress(OSError):
            while self._one():
                pass

    def _one(self) -> bool:
        hostile: Hostile = self.server.hostile  # type: ignore[attr-defined]
        line = self.rfile.readline().decode()
        if not line:
            return False
        method, path, _ = line.split()
        headers: dict[str, str] = {}
        while header := self.rfile.readline().decode("latin-1").strip():
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        body = self.rfile.read(int(headers.get("content-length", 0)))
        hostile.cookies[path] = headers.get("cookie", "")
        if method == "GET":
            kind = "text/javascript" if path.endswith(".js") else "text/html"
            return self._answer(200, f"<title>{path}</title>{SCRIPT}{PAGES.get(path, '')}", f"Content-Type: {kind}\r\n")
        if path.startswith("/moved"):
            return self._answer(307, "", "Location: /save/moved\r\n")
        hostile.records.append((method, path, body))
        if path == "/cut":
            return False
        if path == "/slow":
            hostile.release.wait(5)
        if path == "/api":
            return self._answer(201, "kept")
        return self._answer(303, "", "Location: done\r\nSet-Cookie: flash=saved; Path=/\r\n")

    def _answer(self, status: int, text: str, headers: str = "") -> bool:
        if not text.startswith("<"):
            headers += "Content-Type: text/plain\r\n"
        body = "" if text.startswith("<") and ".js" in text[:20] else text
        head = f"HTTP/1.1 {status} Any\r\n{headers}Content-Length: {len(body.encode())}\r\n\r\n"
        self.wfile.write(head.encode() + body.encode())
        return True


class Server(socketserver.ThreadingTCPServer):
    """A thread a connection."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 32


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    state = Hostile()
    with Server(("127.0.0.1", 0), Connection) as server:
        server.hostile = state  # type: ignore[attr-defined]
        state.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield state
        state.release.set()
        server.shutdown()
        thread.join()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        running = await launch(playwright, find_browser(), allowed_hosts=["127.0.0.1", "localhost"])
        yield running
        await running.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, hostile: Hostile) -> AsyncIterator[Page]:
    context = await browser.new_context(base_url=hostile.url, service_workers="block")
    page = await context.new_page()
    page.set_default_timeout(3000)
    yield page
    hostile.release.set()
    await context.close()


@pytest.fixture
def guard(page: Page) -> SingleSendGuard:
    return SingleSendGuard(page, ["127.0.0.1"], scrub=lambda text: text.replace("hunter2", "***"))


def granted() -> None:
    """Let it go."""


async def save(page: Page) -> None:
    await page.locator("button").click(no_wait_after=True)


async def trouble(guard: SingleSendGuard) -> None:
    await asyncio.wait_for(guard.trouble.wait(), 3)


async def test_the_fact_that_justifies_the_guard_plain_chromium_sends_a_cut_post_again(
    page: Page, hostile: Hostile
) -> None:
    await page.goto("/cut-form")  # opens the connection that the POST will reuse
    async with page.expect_event("requestfailed"):
        await save(page)
    assert hostile.records == [("POST", "/cut", b"a=x")] * 2, "one click, one entry in the log, two records"


async def test_a_cut_post_leaves_once_and_is_unknown(page: Page, hostile: Hostile, guard: SingleSendGuard) -> None:
    await page.goto("/cut-form")
    async with guard.armed(granted, LIMIT):
        await save(page)
        await trouble(guard)
    assert hostile.records == [("POST", "/cut", b"a=x")]
    assert (guard.left, guard.unknown, guard.answers) == (1, 1, ())
    assert guard.requests == (SentRequest("POST", f"{hostile.url}/cut", "a=x", None),)
    assert guard.mode == "closed"


async def test_the_browser_follows_the_303_itself_and_keeps_the_cookie(
    page: Page, hostile: Hostile, guard: SingleSendGuard
) -> None:
    await page.goto("/form")
    async with guard.armed(granted, LIMIT):
        await save(page)
        await page.wait_for_url("**/done")
    assert await page.title() == "/done"
    assert hostile.cookies["/done"] == "flash=saved"
    assert hostile.records == [("POST", "/save?to=form", b"a=x")]
    assert [(answer.status, answer.final) for answer in guard.answers] == [(303, False)]
    assert (guard.requests[0].status, guard.unknown, guard.mode) == (303, 0, "open")


async def test_what_permit_refuses_never_leaves(page: Page, hostile: Hostile, guard: SingleSendGuard) -> None:
    def refuse() -> None:
        raise NotSent("click_window_over", "too late")

    await page.goto("/form")
    async with guard.armed(refuse, LIMIT):
        await save(page)
        await trouble(guard)
    assert hostile.records == []
    assert (guard.left, guard.unknown) == (0, 0)
    assert isinstance(guard.refusal, NotSent)
    assert [stopped.reason for stopped in guard.stopped] == ["refused"]
    assert page.url.endswith("/form"), "the page stays as it was"


async def test_permit_is_asked_once_a_request_and_before_anything_is_written(
    page: Page, hostile: Hostile, guard: SingleSendGuard
) -> None:
    seen: list[int] = []
    await page.goto("/fetch")
    async with guard.armed(lambda: seen.append(len(hostile.records)), LIMIT):
        await save(page)
        await page.wait_for_function("document.title == '201'")
    assert seen == [0]


async def test_nothing_leaves_once_the_guard_is_closed_however_close_the_call(page: Page, hostile: Hostile) -> None:
    closing: list[asyncio.Task[None]] = []

    def scrub(text: str) -> str:  # asked when the request is already in the guard's hands
        if not closing:
            closing.append(asyncio.ensure_future(closely.close()))
        return text

    closely = SingleSendGuard(page, ["127.0.0.1"], scrub=scrub)
    await page.goto("/form")
    async with closely.armed(granted, LIMIT):
        async with page.expect_event("requestfailed"):
            await save(page)
        await closing[0]
    assert (closely.left, hostile.records) == (0, [])


async def test_answers_are_not_kept_from_item_to_item(page: Page, guard: SingleSendGuard) -> None:
    await page.goto("/fetch")
    async with guard.armed(granted, LIMIT):
        await save(page)
        await page.wait_for_function("document.title == '201'")
        held = [await answer for answer in guard._window.seen.values()]
    assert [await answer.text() for answer in held if answer] == ["kept"]
    async with guard.armed(granted, LIMIT):
        with pytest.raises(PlaywrightError, match="disposed"):
            await held[0].text()  # type: ignore[union-attr]


@pytest.mark.parametrize(("path", "title"), [("/twice", "/done"), ("/fetch-twice", "201,201")])
async def test_a_double_click_is_one_request_and_both_get_its_answer(
    page: Page, hostile: Hostile, guard: SingleSendGuard, path: str, title: str
) -> None:
    posts: list[Request] = []

    def second(request: Request) -> bool:
        posts.extend([request] if request.method == "POST" else [])
        return len(posts) == 2

    await page.goto(path)
    async with guard.armed(granted, LIMIT):
        async with page.expect_request(second):
            await save(page)
        hostile.release.set()
        await page.wait_for_function(f"document.title == '{title}'")
    assert len(hostile.records) == 1
    assert (guard.left, guard.unknown) == (1, 0)
    assert [stopped.reason for stopped in guard.stopped] == ["double"]


async def test_a_page_that_tries_again_by_itself_does_not_get_through(
    page: Page, hostile: Hostile, guard: SingleSendGuard
) -> None:
    await page.goto("/retrying")
    async with guard.armed(granted, LIMIT):
        await save(page)
        await page.wait_for_function("document.title == 'gave up'")
    assert len(hostile.records) == 1
    assert (guard.left, guard.unknown) == (1, 1)


@pytest.mark.parametrize(("path", "method", "body"), [("/fetch", "POST", b"f=1"), ("/xhr", "PUT", b"x=1")])
async def test_fetch_and_xhr_commits_are_guarded_like_forms(
    page: Page, hostile: Hostile, guard: SingleSendGuard, path: str, method: str, body: bytes
) -> None:
    await page.goto(path)
    async with guard.armed(granted, LIMIT):
        await save(page)
        await page.wait_for_function("document.title == '201'")
    assert hostile.records == [(method, "/api", body)]
    assert [(answer.status, answer.final) for answer in guard.answers] == [(201, True)]


@pytest.mark.parametrize(
    ("path", "on_disk"), [("/upload", True), ("/upload", False), ("/upload-latin", True), ("/upload-fetch", True)]
)
async def test_an_upload_arrives_whole_even_where_the_browser_hides_the_file(
    page: Page, hostile: Hostile, guard: SingleSendGuard, tmp_path: Path, path: str, on_disk: bool
) -> None:
    scan = tmp_path / "发票.pdf"
    scan.write_bytes(bytes(range(256)) * 40)
    await page.goto(path)
    chosen = page.locator("input[type=file]")
    if on_disk:
        await chosen.set_input_files(scan)
    else:
        await chosen.set_input_files({"name": scan.name, "mimeType": "application/pdf", "buffer": scan.read_bytes()})
    async with guard.armed(granted, LIMIT):
        await save(page)
        await page.wait_for_url("**/done")
    assert len(hostile.records) == 1
    body = hostile.records[0][2]
    parts = bodies.split(body, body.split(b"\r\n", 1)[0][2:])
    name = "&#21457;&#31080;.pdf" if path == "/upload-latin" else "发票.pdf"
    assert [(part.field, part.filename, part.content) for part in parts] == [
        ("a", None, b"x"),
        ("scan", name, scan.read_bytes()),
    ]
    shown = guard.requests[0].body or ""
    assert shown.startswith(f"a=x\nscan=<file {name}, 10240 bytes, sha256 ")


async def test_a_file_that_is_gone_is_not_sent_as_an_empty_one(
    page: Page, hostile: Hostile, guard: SingleSendGuard, tmp_path: Path
) -> None:
    scan = tmp_path / "scan.pdf"
    scan.write_bytes(b"bytes")
    await page.goto("/upload")
    await page.locator("input[type=file]").set_input_files(scan)
    await page.locator("input[type=file]").evaluate("input => input.name = 'other'")
    await page.locator("form").evaluate(
        "form => form.addEventListener('formdata', e => { e.formData.append('scan', e.formData.get('other')) })"
    )
    async with guard.armed(granted, LIMIT):
        await save(page)
        await trouble(guard)
    assert hostile.records == []
    assert isinstance(guard.refusal, NotSent)
    assert [stopped.reason for stopped in guard.stopped] == ["file_missing"]


async def test_a_dry_run_shows_what_would_leave_and_lets_nothing_leave(
    page: Page, hostile: Hostile, guard: SingleSendGuard
) -> None:
    await page.goto("/form")
    await page.locator("input").fill("hunter2")
    async with guard.blocking(), page.expect_event("requestfailed"):
        await save(page)
    assert guard.requests == (SentRequest("POST", f"{hostile.url}/save?to=form", "a=***", None),)
    assert (guard.left, guard.mode, hostile.records) == (0, "closed", [])
    async with page.expect_event("requestfailed"):
        await save(page)
    assert hostile.records == [], "nor afterwards"


async def test_an_answer_slower_than_the_limit_is_unknown_with_one_record(
    page: Page, hostile: Hostile, guard: SingleSendGuard
) -> None:
    await page.goto("/slow-form")
    async with guard.armed(granted, timedelta(seconds=0.3)):
        await save(page)
        await trouble(guard)
    assert (len(hostile.records), guard.left, guard.unknown) == (1, 1, 1)


async def test_letting_go_while_a_request_is_in_flight_does_not_send_it_again(
    page: Page, hostile: Hostile, guard: SingleSendGuard
) -> None:
    await page.goto("/slow-form")
    async with guard.armed(granted, LIMIT):
        async with page.expect_request("**/slow"):
            await save(page)
        await page.wait_for_timeout(100)
    assert (guard.left, guard.unknown, guard.mode) == (1, 1, "closed")
    hostile.release.set()
    await page.wait_for_url("**/done")
    assert len(hostile.records) == 1
    assert guard.unknown == 0


async def go(page: Page, guard: SingleSendGuard, path: str, url: str) -> None:
    async with guard.opening(url + path):
        await page.goto(path)


async def fail_to_click(page: Page, guard: SingleSendGuard) -> None:
    with suppress(NotSent):
        async with guard.armed(granted, LIMIT):
            await save(page)
            raise NotSent("click_failed", "the click timed out")


async def test_after_a_failed_click_late_requests_of_that_page_are_held_until_we_leave_it(
    page: Page, hostile: Hostile, guard: SingleSendGuard
) -> None:
    await page.goto("/late")
    await fail_to_click(page, guard)
    await page.evaluate("history.pushState({}, '', '/elsewhere')")
    await page.wait_for_function("document.title == 'held'")
    assert (guard.left, guard.mode, hostile.records) == (0, "closed", [])
    assert [stopped.reason for stopped in guard.stopped] == ["closed"]
    await go(page, guard, "/fetch", hostile.url)
    assert guard.mode == "open"
    await save(page)
    await page.wait_for_function("document.title == '201'")
    assert len(hostile.records) == 1


async def test_a_page_that_goes_elsewhere_by_itself_does_not_open_the_guard(
    page: Page, hostile: Hostile, guard: SingleSendGuard
) -> None:
    await page.goto("/straying")
    await fail_to_click(page, guard)
    await page.wait_for_function("document.title == 'held'")
    assert page.url.endswith("/auto")
    assert (guard.mode, hostile.records) == ("closed", [])
    await go(page, guard, "/auto#ours", hostile.url)  # the same document, at another of its places
    assert guard.mode == "closed"
    await page.goto("/form")
    await go(page, guard, "/auto", hostile.url)
    await page.wait_for_load_state("networkidle")
    assert [body for _, _, body in hostile.records] == [b"auto"], "a page of our own choice works from its first line"


async def test_closing_in_the_middle_holds_what_comes_after(
    page: Page, hostile: Hostile, guard: SingleSendGuard
) -> None:
    await page.goto("/late")
    async with guard.armed(granted, LIMIT):
        await save(page)
        await guard.close()
        await page.wait_for_function("document.title == 'held'")
    assert (guard.left, hostile.records) == (0, [])


async def test_a_form_that_opens_a_tab_and_a_beacon_are_guarded_too(
    page: Page, hostile: Hostile, guard: SingleSendGuard
) -> None:
    await page.goto("/tab-form")
    async with guard.armed(granted, LIMIT), page.expect_popup() as popup:
        await save(page)
        tab = await popup.value
        await tab.wait_for_url("**/done")
    assert guard.left == 1
    await page.goto("/beacon")
    async with guard.armed(granted, LIMIT), page.expect_event("requestfinished"):
        await save(page)
    assert (guard.left, [path for _, path, _ in hostile.records]) == (1, ["/save", "/api"])


async def test_a_307_is_followed_by_the_guard_and_not_by_the_browser(
    page: Page, hostile: Hostile, guard: SingleSendGuard
) -> None:
    await page.goto("/moved-form")
    async with guard.armed(granted, LIMIT):
        await save(page)
        await page.wait_for_url("**/save/done")
    assert hostile.records == [("POST", "/save/moved", b"a=x")]
    assert (guard.left, guard.unknown) == (1, 0)


async def test_a_host_that_is_not_allowed_gets_nothing(page: Page, hostile: Hostile, guard: SingleSendGuard) -> None:
    await page.goto("/stranger")
    async with guard.armed(granted, LIMIT), page.expect_event("requestfailed"):
        await save(page)
    assert (guard.left, hostile.records) == (0, [])
    assert [stopped.reason for stopped in guard.stopped] == ["foreign_host"]


async def test_an_active_service_worker_is_refused(browser: Browser, hostile: Hostile) -> None:
    context = await browser.new_context(base_url=hostile.url)
    page = await context.new_page()
    await page.goto("/worker")
    async with context.expect_event("serviceworker"):
        await save(page)
    guard = SingleSendGuard(page, ["127.0.0.1"])
    with pytest.raises(SystemException, match="service worker"):
        async with guard.armed(granted, LIMIT):
            await save(page)
    await context.close()


async def test_a_permit_that_fails_unexpectedly_sends_nothing(
    page: Page, hostile: Hostile, guard: SingleSendGuard
) -> None:
    def broken() -> None:
        raise KeyError("a bug")

    await page.goto("/form")
    async with guard.armed(broken, LIMIT):
        await save(page)
        await trouble(guard)
    assert isinstance(guard.refusal, KeyError)
    assert (guard.left, hostile.records) == (0, [])


async def test_commits_one_after_another_start_from_nothing(
    page: Page, hostile: Hostile, guard: SingleSendGuard
) -> None:
    for number in (1, 2):
        await page.goto("/form")
        async with guard.armed(granted, LIMIT):
            await save(page)
            await page.wait_for_url("**/done")
        assert (guard.left, len(hostile.records), guard.mode) == (1, number, "open")
