"""The errors that decide what happens to an item, and the one that a user is shown.

Two exceptions decide everything about retry, in the words of the RPA field: a business exception means that the data
is wrong and is never retried; a system exception means that the world failed and is retried with back-off. Anything
else that escapes a step is treated as a system exception by the worker's settle boundary and logged with its trace.
"""

from __future__ import annotations


class UserError(Exception):
    """A mistake of the person at the keyboard: the message says what is wrong and what to do; exit code 2."""


class ItemException(Exception):
    """Ends an attempt; `code` is a stable snake_case word, `message` is for people, `field` names the culprit."""

    def __init__(self, code: str, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field


class BusinessException(ItemException):
    """The data is wrong: never retried, a person decides."""


class SystemException(ItemException):
    """The world failed: retried with back-off."""


class SessionLost(SystemException):
    """The application no longer knows us: log in again, then go on from the last safe point."""


class NotSent(SystemException):
    """The commit provably never left: nothing was written to the network, and nothing can be any more."""


class UnknownOutcome(SystemException):
    """A commit may have been sent and was never confirmed: in doubt, recovered by `find`, never plainly retried."""


class Rejected(BusinessException):
    """The application answered the commit with 'invalid': nothing was saved."""


class Stale(Exception):
    """A guarded write hit no row: another worker owns the item. Stop, touch nothing."""
