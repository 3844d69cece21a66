from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loguru import logger
from rich.console import Console
from rich.progress import Progress

from engine.errors import SystemException, UserError
from engine.logs import FILE_NAME, bound, configure
from engine.redact import Redactor
from engine.secret_forms import MARK

SECRET = 'hunter"2!\\ö'


@pytest.fixture
def redactor() -> Redactor:
    redactor = Redactor()
    redactor.add(SECRET)
    return redactor


@pytest.fixture
def screen() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def log(tmp_path: Path, redactor: Redactor, screen: io.StringIO) -> Iterator[Path]:
    """The JSON file of a configured log; afterwards the process is as it was."""
    root = logging.getLogger()
    before = sys.excepthook, threading.excepthook, root.handlers[:], root.level
    configure(log_dir=tmp_path, level="INFO", redactor=redactor, console=Console(file=screen, width=40))
    yield tmp_path / FILE_NAME
    logger.remove()
    logger.configure(patcher=lambda _record: None)
    logging.captureWarnings(capture=False)
    sys.excepthook, threading.excepthook, root.handlers[:] = before[0], before[1], before[2]
    root.setLevel(before[3])


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


def test_a_line_is_readable_on_the_terminal_and_complete_in_the_file(log: Path, screen: io.StringIO) -> None:
    with bound(run=12, item=34, reference="李/INV-1", attempt=1):
        logger.bind(worker="host-1", event="item.settled", seconds=1.5).info("发票 {} passed and is very long", "INV-1")

    (line,) = lines(log)
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "INFO",
        "message": "发票 INV-1 passed and is very long",
        "run": 12,
        "item": 34,
        "reference": "李/INV-1",
        "attempt": 1,
        "worker": "host-1",
        "event": "item.settled",
        "logger": __name__,
        "exception": None,
        "seconds": 1.5,
    }
    assert "发票" in log.read_text(encoding="utf-8")
    assert "INFO     发票 INV-1 passed and is very long  run 12, item 34, reference 李/INV-1\n" in screen.getvalue()


def test_lines_outside_an_item_have_the_same_fields_and_extras_cannot_replace_them(log: Path) -> None:
    logger.bind(level="fake", time="fake").warning("started")

    (line,) = lines(log)
    assert line["level"] == "WARNING"
    assert line["run"] is None
    assert (line["level_"], line["time_"]) == ("fake", "fake")


def test_no_secret_reaches_any_sink_by_message_extra_exception_or_cause(log: Path, screen: io.StringIO) -> None:
    def refuse(password: str) -> None:
        raise ValueError(f"cannot type {password!r}")

    def login(password: str) -> None:
        try:
            refuse(password)
        except ValueError as error:
            raise SystemException("login_failed", f"login with {password}") from error

    logger.bind(sent={"body": json.dumps({"password": SECRET})}, raw=SECRET.encode()).info("typed {}", SECRET)
    try:
        login(SECRET)
    except SystemException:
        logger.exception("login as {} failed", f"bot:{SECRET}")

    written = log.read_text(encoding="utf-8") + screen.getvalue()
    assert "hunter" not in written
    assert written.count(MARK) >= 8
    typed, failed = lines(log)
    assert typed["message"] == f"typed {MARK}"
    assert typed["sent"] == {"body": f'{{"password": "{MARK}"}}'}
    assert f"SystemException: login with {MARK}" in failed["exception"]
    assert f"ValueError: cannot type '{MARK}'" in failed["exception"]
    assert "login(SECRET)" in failed["exception"]
    assert f"login with {MARK}" in screen.getvalue()


def test_a_sink_that_fails_shows_no_secret_either(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(_message: object) -> None:
        raise OSError("no space left")

    logger.add(broken)
    logger.info("typed {}", SECRET)

    shown = capsys.readouterr().err
    assert "no space left" in shown
    assert MARK in shown
    assert "hunter" not in shown
    assert lines(log)[0]["message"] == f"typed {MARK}"


def test_hostile_text_cannot_move_the_cursor_or_pass_for_a_line_of_its_own(log: Path, screen: io.StringIO) -> None:
    hostile = "\x1b[2Jgone\r\n12:00:00 ERROR    forged [bold]{0}</red>\u202e"

    logger.info(hostile)
    with bound(reference=f"a\n{hostile}"):
        logger.info("next")

    shown = screen.getvalue()
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "\\x1b[2Jgone\\r\n    12:00:00 ERROR    forged [bold]{0}</red>" in shown
    assert all(row.startswith("    ") or row[2] == ":" for row in shown.splitlines())
    assert sum(row.startswith("12:00:00 ERROR") for row in shown.splitlines()) == 0
    assert lines(log)[0]["message"] == hostile


async def test_context_follows_its_own_task_and_its_threads(log: Path) -> None:
    gate = asyncio.Event()

    async def work(item: int) -> None:
        with bound(item=item):
            await gate.wait()
            await asyncio.to_thread(logger.info, "in a thread")
            logger.info("in the task")

    async with asyncio.TaskGroup() as tasks:
        for item in (1, 2):
            tasks.create_task(work(item))
        gate.set()
    logger.info("outside")

    seen = [(line["message"], line["item"]) for line in lines(log)]
    assert sorted(seen[:-1]) == [("in a thread", 1), ("in a thread", 2), ("in the task", 1), ("in the task", 2)]
    assert seen[-1] == ("outside", None)


def test_the_standard_library_logs_through_the_same_redactor(log: Path) -> None:
    root = logging.getLogger()
    root.handlers[:] = [handler for handler in root.handlers if type(handler).__module__ == "engine.logs"]
    uvicorn = logging.getLogger("uvicorn.error")
    logging.getLogger("apscheduler.scheduler").info("job %s of {braces}", SECRET)
    try:
        os.environ[SECRET]
    except KeyError:
        uvicorn.exception("ASGI failed")
    logging.getLogger("alembic").log(35, "own level")
    logging.getLogger("odd").error("%d items", "no number")
    logging.getLogger("quiet").debug("never seen")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("careful", UserWarning, stacklevel=1)

    job, failed, own, odd, warned = lines(log)
    assert (job["logger"], job["level"], job["message"]) == (
        "apscheduler.scheduler",
        "INFO",
        f"job {MARK} of {{braces}}",
    )
    assert f"KeyError: '{MARK}'" in failed["exception"]
    assert own["level"] == "Level 35"
    assert odd["message"] == "%d items ('no number',)"
    assert "careful" in warned["message"]


def test_handlers_that_a_server_brought_along_are_gone(log: Path, redactor: Redactor) -> None:
    stray = io.StringIO()
    uvicorn = logging.getLogger("uvicorn")
    uvicorn.addHandler(logging.StreamHandler(stray))
    uvicorn.propagate = False

    configure(log_dir=log.parent, redactor=redactor, console=Console(file=io.StringIO()))
    uvicorn.warning("password %s", SECRET)

    assert stray.getvalue() == ""
    assert [line["message"] for line in lines(log)] == [f"password {MARK}"]


def test_uncaught_errors_of_the_process_and_of_threads_are_logged_scrubbed(log: Path) -> None:
    def fail() -> None:
        raise RuntimeError(f"with {SECRET}")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    try:
        fail()
    except RuntimeError as error:
        sys.excepthook(RuntimeError, error, error.__traceback__)

    found = lines(log)
    assert [line["message"] for line in found] == ["uncaught RuntimeError"] * 2
    assert all(f"RuntimeError: with {MARK}" in line["exception"] for line in found)


def test_what_utf8_cannot_hold_is_written_escaped(log: Path) -> None:
    logger.info("bad \udc80 text")

    assert lines(log)[0]["message"] == "bad \udc80 text"


def test_a_terminal_in_a_container_gets_json_lines(log: Path, redactor: Redactor) -> None:
    screen = io.StringIO()
    configure(log_dir=None, redactor=redactor, console=Console(file=screen, width=20), json_console=True)

    with bound(run=7):
        logger.warning("typed {} [bold]and\nmore", SECRET)

    line = json.loads(screen.getvalue())
    assert (line["run"], line["message"]) == (7, f"typed {MARK} [bold]and\nmore")
    assert log.read_text(encoding="utf-8") == ""


def test_a_line_does_not_break_a_progress_bar(log: Path, redactor: Redactor) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=60, color_system=None)
    configure(log_dir=log.parent, redactor=redactor, console=console)

    with Progress(console=console, auto_refresh=False) as progress:
        progress.add_task("Working", total=2)
        progress.refresh()
        logger.info("one line")

    rows = [row for row in screen.getvalue().split("\n") if "one line" in row]
    assert len(rows) == 1
    assert rows[0].endswith("INFO     one line")
    assert screen.getvalue().index("one line") < screen.getvalue().rindex("Working")


def test_a_large_file_is_continued_in_a_new_one(log: Path) -> None:
    for _ in range(11):
        logger.info("x" * 1_000_000)

    assert len(list(log.parent.glob("countersign*.jsonl"))) == 2
    assert log.stat().st_size < 10_000_000


def test_mistakes_in_the_set_up_are_the_users(log: Path, redactor: Redactor) -> None:
    with pytest.raises(UserError, match="unknown log level 'LOUD'"):
        configure(log_dir=None, level="LOUD", redactor=redactor)
    with pytest.raises(UserError, match="cannot write the log"):
        configure(log_dir=log / "below-a-file", redactor=redactor, console=Console(file=io.StringIO()))
