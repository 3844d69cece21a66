"""Finding and starting the browser: what is taken first, what is refused, and which hosts it can reach."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import async_playwright

from bots import browser
from bots.browser import VARIABLE, BrowserChoice, find_browser, host_allowed, launch, launch_args
from engine.errors import SystemException, UserError


class Hello(BaseHTTPRequestHandler):
    """Says hello to anybody."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Stay quiet."""


@pytest.fixture
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\necho Chromium 9.8.7.6\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any browser: an empty PATH and an empty download folder."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "own"))
    return tmp_path


@pytest.mark.usefixtures("bare")
def test_a_machine_without_a_browser_is_told_what_to_run() -> None:
    with pytest.raises(UserError, match=r"make setup.*playwright install chromium-headless-shell.*apt-get"):
        find_browser()


def test_the_headless_shell_on_the_path_goes_before_chromium_unless_a_window_is_wanted(bare: Path) -> None:
    shell = executable(bare / "bin" / "chromium-headless-shell")
    full = executable(bare / "bin" / "chromium")
    assert find_browser() == BrowserChoice(str(shell), "headless shell", "chromium-headless-shell on PATH")
    assert find_browser(prefer_shell=False).path == str(full)
    assert find_browser().version == "9.8.7.6"


def test_playwrights_own_finished_download_goes_before_the_path(bare: Path) -> None:
    executable(bare / "bin" / "chromium")
    revision, version = browser._own_browsers()["chromium-headless-shell"]
    folder = bare / "own" / f"chromium_headless_shell-{revision}"
    folder.mkdir(parents=True)
    assert find_browser().kind == "chromium", "a download that was cut off is no browser"
    (folder / "INSTALLATION_COMPLETE").touch()
    assert find_browser() == BrowserChoice(None, "headless shell", "Playwright's own download")
    assert find_browser().version == version


def test_the_variable_goes_before_everything_and_is_never_ignored(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executable(bare / "bin" / "chromium")
    mine = executable(bare / "elsewhere" / "my-chrome")
    monkeypatch.setenv(VARIABLE, str(mine))
    assert find_browser() == BrowserChoice(str(mine), "chosen", VARIABLE)
    monkeypatch.setenv(VARIABLE, str(bare / "gone"))
    with pytest.raises(UserError, match=VARIABLE):
        find_browser()


def test_only_root_goes_without_the_sandbox() -> None:
    assert "--no-sandbox" in launch_args(["h"], as_root=True)
    assert "--no-sandbox" not in launch_args(["h"], as_root=False)


@pytest.mark.parametrize("host", ["http://erp", "erp:80", "erp, EXCLUDE *", "erp/x", ""])
def test_an_allowed_host_cannot_smuggle_in_another_rule(host: str) -> None:
    with pytest.raises(UserError, match="allowed_hosts"):
        launch_args([host])


def test_hosts_are_allowed_by_name_address_and_subdomain() -> None:
    allowed = ("erp.example.org", "*.bank.example", "::1")
    assert all(host_allowed(host, allowed) for host in ("ERP.example.org", "a.bank.example", "[::1]"))
    assert not any(host_allowed(host, allowed) for host in ("bank.example", "xerp.example.org", "evilbank.example"))


@pytest.mark.parametrize(("allowed", "refused"), [("127.0.0.1", "localhost"), ("localhost", "127.0.0.1")])
async def test_the_browser_reaches_allowed_hosts_only(port: int, allowed: str, refused: str) -> None:
    async with async_playwright() as playwright:
        running = await launch(playwright, find_browser(), allowed_hosts=[allowed])
        page = await running.new_page()
        await page.goto(f"http://{allowed}:{port}/")
        assert await page.inner_text("body") == "hello"
        with pytest.raises(PlaywrightError, match="ERR_NAME_NOT_RESOLVED"):
            await page.goto(f"http://{refused}:{port}/")
        await running.close()


async def test_a_browser_that_does_not_start_is_a_system_exception(tmp_path: Path) -> None:
    broken = BrowserChoice(str(executable(tmp_path / "chromium")), "chromium", "test")
    async with async_playwright() as playwright:
        with pytest.raises(SystemException, match="did not start") as caught:
            await launch(playwright, broken, allowed_hosts=["127.0.0.1"])
    assert caught.value.code == "browser_not_started"
