"""Figures that may be some seconds old: worked out once for everybody, and never twice at the same time."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")
_SHARE = 20
"""What takes long is renewed so much more rarely that it never takes more than a twentieth of a processor."""


class Fresh(Generic[T]):
    """A value that is renewed beside those who ask for it; only the very first waits."""

    def __init__(self, make: Callable[[T | None], T], *, seconds: float = 2.0) -> None:
        """Prepare; nothing is made before somebody asks.

        Args:
            make: makes the value, given the one before it.
            seconds: how old it may become while somebody asks; older, where it takes long to make.
        """
        self._make, self._seconds = make, seconds
        self._value: T | None = None
        self._made = self._took = 0.0
        self._one = threading.Lock()

    def get(self) -> T:
        """Return the value; one that is too old is returned too, and renewed by a thread of its own."""
        if self._value is None:
            with self._one:
                if self._value is None:
                    self._renew()
            return cast("T", self._value)
        if time.monotonic() - self._made > max(self._seconds, _SHARE * self._took) and self._one.acquire(
            blocking=False
        ):
            threading.Thread(target=self._renew_and_let_go, name="console-figures", daemon=True).start()
        return self._value

    def _renew(self) -> None:
        begun = time.monotonic()
        self._value = self._make(self._value)
        self._made = time.monotonic()
        self._took = self._made - begun

    def _renew_and_let_go(self) -> None:
        try:
            self._renew()
        finally:
            self._one.release()


class Memo:
    """Answers by question, the newest few hundred, each for some seconds."""

    def __init__(self, most: int = 500) -> None:
        self._most = most
        self._known: OrderedDict[Hashable, tuple[float, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, question: Hashable, make: Callable[[], T], *, seconds: float = 3.0) -> T:
        """Return the answer to a question, made anew if there is none of the last seconds."""
        now = time.monotonic()
        with self._lock:
            made, value = self._known.get(question, (now - seconds - 1, None))
        if now - made <= seconds:
            return cast("T", value)
        value = make()
        with self._lock:
            self._known[question] = (now, value)
            self._known.move_to_end(question)
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        return value
