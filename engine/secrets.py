"""Passwords and tokens: where they come from, and an object that does not show them by accident.

A secret comes from the environment, from a file or from the keyring of the operating system, in this order, and never
from a definition. It is asked for when it is needed, so that a changed password is used at the next login.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Never

from engine.definition import Step
from engine.errors import UserError
from engine.redact import SHORTEST, Redactor
from engine.template import references

PREFIX = "COUNTERSIGN_SECRET_"
FILE_VARIABLE = "COUNTERSIGN_SECRETS_FILE"
SERVICE = "countersign"


class Secret:
    """A named value that every text form hides; only `reveal` gives it away."""

    __slots__ = ("_value", "name")

    def __init__(self, name: str, value: str) -> None:
        self.name = name
        self._value = value

    def reveal(self) -> str:
        """Return the value itself; pass it on at once and keep no copy."""
        return self._value

    def __repr__(self) -> str:
        return f"<secret {self.name}>"

    def __format__(self, _spec: str) -> str:
        return repr(self)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, _memo: object) -> Secret:
        return self

    def __reduce_ex__(self, _protocol: object) -> Never:
        raise TypeError(f"{self!r} is not to be pickled: it would be written in the clear")


def _keyring_password(name: str) -> str | None:
    try:
        import keyring  # noqa: PLC0415 - slow to import, and a container may lack it
        from keyring.errors import KeyringError  # noqa: PLC0415
    except ImportError:
        return None
    try:
        return keyring.get_password(SERVICE, name)
    except (KeyringError, OSError):  # no backend, locked, or no session bus
        return None


class SecretStore:
    """Finds secrets by name and registers each one with the redactor before anybody can hold it."""

    def __init__(
        self,
        redactor: Redactor,
        *,
        environ: Mapping[str, str] | None = None,
        keyring: Callable[[str], str | None] = _keyring_password,
    ) -> None:
        self._redactor = redactor
        self._environ = os.environ if environ is None else environ
        self._keyring = keyring

    def get(self, name: str) -> Secret:
        """Return the secret, from the environment, the secrets file or the keyring.

        Raises:
            UserError: it is in none of the three, is too short, or the secrets file is open to others or malformed.
        """
        variable = PREFIX + name.upper().replace("-", "_")
        value = self._environ.get(variable) or self._from_file(name) or self._keyring(name)
        if not value:
            raise UserError(self._missing(name, variable))
        if not self._redactor.add(value):
            raise UserError(
                f"secret {name!r} has fewer than {SHORTEST} characters and could not be kept out of logs; "
                "choose a longer one"
            )
        return Secret(name, value)

    def require(self, steps: Iterable[Step]) -> None:
        """See that every secret of these steps is to be had, before an item fails for want of it.

        Raises:
            UserError: as `get` does.
        """
        for name in _names_in(steps):
            self.get(name)

    def _missing(self, name: str, variable: str) -> str:
        path = self._environ.get(FILE_VARIABLE)
        looked = f"file {path}" if path else f"secrets file ({FILE_VARIABLE} is not set)"
        return (
            f"secret {name!r} is not set. Looked at: the environment variable {variable}; the {looked}; "
            f"the keyring, service {SERVICE!r}. To set it, do one of: export {variable}=...; write a line "
            f"{name}=... into a file only you can read and export {FILE_VARIABLE}=<that file>; "
            f"run: keyring set {SERVICE} {name}"
        )

    def _from_file(self, name: str) -> str | None:
        place = self._environ.get(FILE_VARIABLE)
        if not place:
            return None
        return read_secrets(Path(place)).get(name.lower())


def _names_in(steps: Iterable[Step]) -> tuple[str, ...]:
    found = (text for step in steps for text in _texts(step.params.model_dump()))
    named = (reference for text in found for reference in references(text))
    return tuple(dict.fromkeys(reference.name for reference in named if reference.namespace == "secret"))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    for part in parts:
        yield from _texts(part)


def read_secrets(path: Path) -> dict[str, str]:
    """Read `NAME=value` lines (UTF-8; `#` starts a comment line; names in any case); names come back in lower case.

    White space around name and value is dropped; nothing else is, so a value may hold `=`, `#` and quotes.

    Raises:
        UserError: the file is missing, open to group or others, or a line is malformed or repeats a name.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            _refuse_open(path, os.fstat(file.fileno()).st_mode)
            lines = file.read().splitlines()
    except OSError as error:
        raise UserError(f"{FILE_VARIABLE}: {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise UserError(f"{FILE_VARIABLE}: {path} is not UTF-8 text; save it as UTF-8") from None
    found: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        key = name.strip().lower()
        if not equals or not key:
            raise UserError(f"{path}:{number}: expected NAME=value")  # the line itself may be a secret
        if key in found:
            raise UserError(f"{path}:{number}: {key} is given twice; keep one")
        found[key] = value.strip()
    return found


def _refuse_open(path: Path, mode: int) -> None:
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise UserError(f"{path} can be read by others; run: chmod 600 {path}")
