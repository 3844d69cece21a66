"""Workflows and pages that the tests of bots work on."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from bots.profile import AppExtras
from bots.registry import step_kinds
from engine.definition import (
    Application,
    BreakerPolicy,
    Commits,
    Evidence,
    ListAudit,
    Retry,
    Review,
    Step,
    Time,
    Workflow,
)
from engine.ports import ItemView
from engine.snapshot import Snapshot
from engine.values import FieldSpec, Formats, Record, parse

KINDS = step_kinds()
ERP_FORMATS = Formats("DD.MM.YYYY", ".", ",")


def step(kind: str, params: Any, number: int = 1, limit: float | None = None) -> Step:
    """Return one step as the loader would."""
    entry = KINDS[kind]
    model = entry.params
    shorthand = getattr(model, "shorthand", None)
    given = {shorthand: params} if shorthand and isinstance(params, str) else params
    typed = model.model_validate(given)
    span = timedelta(seconds=limit) if limit else None
    return Step(kind, typed, number, number, limit=span, commit=entry.commit, read=entry.read)


def steps(*named: tuple[str, Any]) -> tuple[Step, ...]:
    """Return steps in order."""
    return tuple(step(kind, params, number) for number, (kind, params) in enumerate(named, start=1))


def application(
    base_url: str,
    *,
    login: tuple[Step, ...] = (),
    extras: Mapping[str, Any] | None = None,
    formats: Formats = ERP_FORMATS,
    timeout: float = 3.0,
    submit: float = 3.0,
) -> Application:
    """Return the profile of an application on this machine."""
    return Application(
        name="erp",
        base_url=base_url,
        allowed_hosts=("127.0.0.1",),
        formats=formats,
        commits=Commits.model_validate({"click_window": "1s", "submit_timeout": f"{submit}s", "settle_time": "1s"}),
        breaker=BreakerPolicy.model_validate({}),
        max_sessions=2,
        rate=None,
        maintenance=(),
        timeout=timedelta(seconds=timeout),
        login=login,
        extras=AppExtras.model_validate(extras or {}),
    )


def workflow(
    app: Application,
    walk: tuple[Step, ...] = (),
    *,
    fields: Mapping[str, FieldSpec] | None = None,
    audit: ListAudit | None = None,
) -> Workflow:
    """Return a workflow over `app`."""
    return Workflow(
        name="entry",
        description="",
        owner="tests",
        app=app,
        priority=0,
        schedule=None,
        source=None,
        params={},
        fields=dict(fields or {}),
        steps=walk,
        correction=(),
        checks=(),
        audit=audit,
        retry=Retry.model_validate({}),
        time=Time.model_validate({}),
        review=Review.model_validate({}),
        evidence=Evidence.model_validate({}),
        targets={},
        snapshot=Snapshot("", "", "", "", None, {}),
    )


def item(fields: Mapping[str, FieldSpec], folder: Path, raw: Mapping[str, Any], number: int = 1) -> ItemView:
    """Return an item with a payload typed by the contract."""
    payload: Record = {name: parse(raw.get(name), spec) for name, spec in fields.items()}
    return ItemView(number, str(number), payload, fields, {}, folder)


class Pages:
    """Static pages by path, and a log of what was posted; `answer` may replace a page while it is served."""

    def __init__(self) -> None:
        """Start empty."""
        self.pages: dict[str, str] = {}
        self.posted: list[tuple[str, str]] = []
        self.url = ""
        self.arrived = threading.Condition()

    def wait_for_posts(self, count: int) -> None:
        """Wait, for five seconds at most, until so many posts have arrived."""
        with self.arrived:
            self.arrived.wait_for(lambda: len(self.posted) >= count, timeout=5)

    def show(self, body: str, path: str = "/") -> None:
        """Serve `body` at `path`."""
        self.pages[path] = f"<!doctype html><html><head><title>Test page</title></head><body>{body}</body></html>"


@contextmanager
def served() -> Iterator[Pages]:
    """Serve pages on a free port of this machine."""
    pages = Pages()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(pages.pages.get(self._late()))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            with pages.arrived:
                pages.posted.append((self.path, body))
                pages.arrived.notify_all()
            self._answer(pages.pages.get(self._late()))

        def _late(self) -> str:
            path, _, query = self.path.partition("?")
            delay = next((int(part[3:]) for part in query.split("&") if part.startswith("ms=")), 0)
            threading.Event().wait(delay / 1000)
            return path

        def _answer(self, body: str | None) -> None:
            data = ("<h1>Not found</h1>" if body is None else body).encode()
            asked = self.path.rpartition("status=")[2]
            self.send_response(404 if body is None else int(asked) if asked.isdecimal() else 200)
            name = "download" if self.path.endswith(".csv") else "page"
            kind = "text/csv" if name == "download" else "text/html; charset=utf-8"
            self.send_header("content-type", kind)
            if self.path.startswith("/kept"):
                self.send_header("cache-control", "max-age=60")
            if name == "download":
                self.send_header("content-disposition", 'attachment; filename="lines.csv"')
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    pages.url = f"http://127.0.0.1:{server.server_port}"
    yield pages
    server.shutdown()
    server.server_close()
