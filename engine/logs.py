"""Where log lines go: readable ones to the terminal, JSON lines to a file, and never a secret to either.

Secrets are taken out of message, extras and traceback before any sink sees the record, so a sink that fails and shows
its record shows nothing either. Tracebacks carry no values of variables.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from loguru import logger
from rich.console import Console
from rich.text import Text

from engine.errors import UserError
from engine.redact import Redactor

if TYPE_CHECKING:
    from loguru import Message, Record

FILE_NAME = "countersign.jsonl"
KEPT = "90 days"
"""How long a full log file is kept: log lines name references, which may be personal data."""
CONTEXT = ("run", "item", "reference", "attempt", "worker", "event")
"""The extras that every JSON line has, null where unknown; all others follow them."""

_STYLES = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red", "SUCCESS": "green", "DEBUG": "dim"}
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_OWN_HANDLERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "alembic", "apscheduler")


def configure(
    *,
    log_dir: Path | None,
    level: str = "INFO",
    console_level: str | None = None,
    redactor: Redactor,
    console: Console | None = None,
    json_console: bool = False,
) -> None:
    """Send the log of this process, the standard library's included, where it belongs; replaces an earlier set-up.

    Args:
        log_dir: folder of `countersign.jsonl` (a new file each 10 MB, kept 90 days), or None for no file.
        level: the lowest level that is written, e.g. `INFO`.
        console_level: the lowest level that the terminal shows, if it is another.
        redactor: what every line passes through.
        console: the terminal, shared with progress bars; None is one on standard error.
        json_console: write JSON lines to the terminal too, as containers want it.

    Raises:
        UserError: the level is none, or the log file cannot be written.
    """
    number = _number_of(level)
    logger.remove()
    logger.configure(patcher=_cleaner(redactor))
    shown = number if console_level is None else _number_of(console_level)
    _add(_terminal(console or Console(stderr=True), as_json=json_console), shown)
    if log_dir is not None:
        try:
            _add(
                log_dir / FILE_NAME,
                number,
                rotation="10 MB",
                retention=KEPT,
                encoding="utf-8",
                errors="backslashreplace",
            )
        except OSError as error:
            raise UserError(f"cannot write the log to {log_dir}: {error.strerror}") from error
    _route_standard_logging(number)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def bound(**context: object) -> AbstractContextManager[None]:
    """Put run, item, attempt and the like on every line written inside the `with`, in this asyncio task or thread."""
    return logger.contextualize(**context)


def _number_of(level: str) -> int:
    try:
        return logger.level(level.upper()).no
    except ValueError:
        raise UserError(f"unknown log level {level!r}; known: TRACE, DEBUG, INFO, WARNING, ERROR, CRITICAL") from None


def _add(sink: Any, number: int, **options: Any) -> None:
    logger.add(sink, level=number, format=_json_format, diagnose=False, backtrace=False, **options)


def _cleaner(redactor: Redactor) -> Callable[[Record], None]:
    def clean(record: Record) -> None:
        raised = record["exception"]
        if raised is not None:
            lines = traceback.format_exception(raised.type, raised.value, raised.traceback)
            record["extra"]["exception"] = "".join(lines).rstrip()
            record["exception"] = None
        record["message"] = redactor.scrub(record["message"])
        record["extra"] = redactor.scrub_data(record["extra"])

    return clean


def _json_format(record: Record) -> str:
    cast("dict[str, Any]", record)["json_line"] = json_line(record)
    return "{json_line}\n"


def json_line(record: Record) -> str:
    """Return one record as one line of JSON; `time` is UTC in ISO 8601."""
    extra = record["extra"]
    fixed = {
        "time": record["time"].astimezone(UTC).isoformat(timespec="milliseconds"),
        "level": record["level"].name,
        "message": record["message"],
        **{name: extra.get(name) for name in CONTEXT},
        "logger": record["name"],
        "exception": extra.get("exception"),
    }
    others = {
        f"{name}_" if name in fixed else name: extra[name] for name in extra if name not in (*CONTEXT, "exception")
    }
    return json.dumps(fixed | others, ensure_ascii=False)


def _terminal(console: Console, *, as_json: bool) -> Callable[[Message], None]:
    def write(message: Message) -> None:
        record = message.record
        text = Text(json_line(record)) if as_json else human_line(record)
        console.print(text, soft_wrap=True)

    return write


def human_line(record: Record) -> Text:
    """Return one record for a person: local time, level, message, what it is about, and the traceback below.

    Control characters are shown as escapes and further lines are indented, so that a text from a page can neither move
    the cursor nor pass for a line of its own.
    """
    level = record["level"].name
    extra = record["extra"]
    about = ", ".join(f"{name} {extra[name]}" for name in ("run", "item", "reference") if extra.get(name) is not None)
    body = "\n".join(filter(None, (record["message"], extra.get("exception"))))
    first, *rest = _UNSAFE.sub(lambda match: ascii(match[0])[1:-1], body).split("\n")
    line = Text(f"{record['time']:%H:%M:%S} ", style="dim")
    line.append(f"{level:<8}", style=_STYLES.get(level, "not dim"))
    line.append(f" {first}", style="not dim")
    if about:
        line.append("  " + _UNSAFE.sub("?", about).replace("\n", " "))
    line.append("".join(f"\n    {part}" for part in rest), style="not dim")
    return line


class _ToLoguru(logging.Handler):
    """Hands records of the standard library's logging on, under the name of their logger."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log the record with its own level, name and exception."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError):  # the arguments do not fit the message: its author's mistake, not ours to hide
            message = f"{record.msg} {record.args}"
        known = record.levelname in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
        raised = record.exc_info if record.exc_info and record.exc_info[0] else None
        named = logger.patch(lambda ours: ours.update({"name": record.name}))
        named.opt(exception=raised).log(record.levelname if known else record.levelno, "{}", message)


def _route_standard_logging(number: int) -> None:
    logging.basicConfig(handlers=[_ToLoguru()], level=number, force=True)
    logging.captureWarnings(capture=True)
    for name in _OWN_HANDLERS:  # some of these bring handlers of their own, which would bypass the redactor
        theirs = logging.getLogger(name)
        theirs.handlers.clear()
        theirs.propagate = True


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        logger.opt(exception=(kind, error, trace)).critical("uncaught {}", kind.__name__)


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
        _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)
