"""The console over a story's ledger: asked directly, or through a real server by a real browser."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import uvicorn
from argon2 import PasswordHasher
from fastapi import FastAPI
from httpx import Response
from playwright.sync_api import Browser, Page, sync_playwright
from starlette.testclient import TestClient

from bots.browser import find_browser
from console import passwords
from console.web.app import create_app
from console.web.house import House
from console.web.visit import session_cookie
from engine.ledger import sign_in, users
from tests.console.story import Story, make_workflow

PASSWORD = "correct horse battery staple"
HOSTILE = "<script>document.title='owned'</script>\"'><img src=x onerror=\"document.title='owned'\">\u202e{{7*7}}"
_QUICK = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1)
HASH = _QUICK.hash(PASSWORD)


@pytest.fixture(autouse=True)
def _quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let hashing take a millisecond instead of the half second that it takes on purpose."""
    monkeypatch.setattr(passwords, "_HASHER", _QUICK)
    monkeypatch.setattr(passwords, "_NOBODY", HASH)


@dataclass
class Visitor:
    """Somebody with a browser that has no window: a session, and the token of its forms."""

    client: TestClient
    csrf: str = ""

    def get(self, path: str) -> Response:
        """Ask for a page."""
        answer: Response = self.client.get(path)
        return answer

    def post(self, path: str, **form: str) -> Response:
        """Send a form of ours."""
        answer: Response = self.client.post(path, data={"csrf": self.csrf, **form})
        return answer


@dataclass
class Place:
    """A console over a story."""

    story: Story
    house: House
    app: FastAPI = field(init=False)

    def __post_init__(self) -> None:
        """Make the application."""
        self.app = create_app(self.house)

    def person(self, name: str, *roles: str) -> str:
        """Add somebody whose password is their own."""
        users.add(self.story.database, name, name.title(), roles, HASH, "tests")
        users.set_password(self.story.database, name, HASH, name)
        return name

    def stranger(self) -> Visitor:
        """Return somebody who is not signed in."""
        return Visitor(TestClient(self.app, base_url="http://127.0.0.1", follow_redirects=False))

    def visitor(self, name: str) -> Visitor:
        """Return somebody who is signed in."""
        token = sign_in.open_session(self.story.database, name, address="127.0.0.1", agent="tests")
        found = sign_in.session(self.story.database, token)
        assert found is not None
        someone = self.stranger()
        someone.client.cookies.set(session_cookie(self.house), token)
        someone.csrf = found.csrf
        return someone


@contextmanager
def place_over(
    folder: Path, *, four_eyes: int | None = None, second_review: float = 0.0, https: bool = False
) -> Iterator[Place]:
    """Build a console over a fresh ledger."""
    made = make_workflow(four_eyes=four_eyes)
    workflow = replace(made, review=made.review.model_copy(update={"second_review": second_review}))
    story = Story(folder, workflow)
    yield Place(story, House(story.database, story.evidence, lambda _hash: workflow, https=https))
    story.database.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with place_over(tmp_path) as made:
        yield made


@contextmanager
def served(place: Place) -> Iterator[str]:
    """Serve a console on a free port of 127.0.0.1; yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(place.app, log_config=None, timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=find_browser().path, args=["--no-sandbox"])
        yield started
        started.close()


SignIn = Callable[[str], Page]


@pytest.fixture
def signs_in(browser: Browser, place: Place) -> Iterator[SignIn]:
    """Return what signs somebody in, as a person does; nothing on any page may break the policy or throw."""
    problems: list[str] = []
    with served(place) as address:
        contexts = []

        def sign_in_as(name: str) -> Page:
            context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 800})
            contexts.append(context)
            page = context.new_page()
            page.set_default_timeout(5000)
            page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.goto("/login")
            page.get_by_label("Name").fill(name)
            page.get_by_label("Password").fill(PASSWORD)
            page.keyboard.press("Enter")
            page.get_by_role("heading", name="Today").wait_for()
            return page

        yield sign_in_as
        for context in contexts:
            context.close()
    assert problems == []
