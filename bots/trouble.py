"""Turns what Playwright and the page script report into the two exceptions that decide about retry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import TimeoutError as PlaywrightTimeout

from engine.errors import ItemException, SystemException
from engine.redact import Redactor

_MOVED = (
    "context was destroyed",
    "Cannot find context",
    "Frame was detached",
    "Frame has been detached",
    "frame got detached",
    "navigating frame",
)
_GONE = ("has been closed", "Target closed", "crashed", "Connection closed", "browser has disconnected")


class PageMoved(Exception):
    """The document went away while the page script was working in it."""


class BrowserGone(SystemException):
    """The browser or its page died; the next item gets a new one."""


def is_moved(error: PlaywrightError) -> bool:
    """Say whether the document was replaced under a call."""
    return any(sign in error.message for sign in _MOVED)


@contextmanager
def translated(redactor: Redactor, doing: str) -> Iterator[None]:
    """Raise `SystemException` instead of Playwright's errors, in one scrubbed line; scrub what else is raised."""
    try:
        yield
    except ItemException as error:
        error.message = redactor.scrub(error.message)  # it may quote the page: its title, its address, a dialog
        error.args = (error.message,)
        raise
    except PlaywrightTimeout as error:
        raise SystemException("timeout", f"{doing}: {_line(redactor, error)}") from None
    except PlaywrightError as error:
        raise _exception(redactor, error, doing) from None
    except PageMoved:
        raise SystemException("page_moved", f"{doing}: the page was left meanwhile") from None


def _exception(redactor: Redactor, error: PlaywrightError, doing: str) -> ItemException:
    line = f"{doing}: {_line(redactor, error)}"
    if any(sign in error.message for sign in _GONE):
        return BrowserGone("browser_gone", line)
    if "net::ERR_" in error.message:
        return SystemException("application_unreachable", line)
    return SystemException("browser_error", line)


def _line(redactor: Redactor, error: PlaywrightError) -> str:
    # the call log that follows the first line repeats arguments
    return redactor.scrub(error.message.strip().split("\n", 1)[0])[:300]


def unmet(result: Mapping[str, Any], what: str, page: str) -> SystemException:
    """Return the exception for an element that the page script did not find, or not as needed."""
    near = [str(name) for name in result.get("near", ())]
    status = result["status"]
    what += f", column {result['column']!r}" if result.get("column") else ""
    where = f"{what} on {page}" + (" (its `within`)" if result.get("inside") else "")
    if status == "ambiguous":
        found = f": {'; '.join(near)}" if near else ""
        return SystemException("ambiguous_locator", f"{result.get('count', 'several')} elements fit {where}{found}")
    if status == "missing":
        hint = f"; did you mean {' or '.join(repr(name) for name in near)}?" if near else ""
        return SystemException("element_missing", f"nothing fits {where}{hint}")
    over = f" by {near[0]}" if status == "covered" and near else ""
    return SystemException(f"element_{status}", f"{where} is {status}{over}")
