"""What the terminal verbs need of the one who runs them, and how they answer: one JSON document, or tables."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.text import Text

from engine.definition import Workflow
from engine.errors import UserError
from engine.evidence import EvidenceStore
from engine.ledger.database import Database
from engine.values import encode

NEEDS_PERSON = 1
"""Exit code of a verb that did its work and left something for a person."""

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]
As = Annotated[str | None, typer.Option("--as", metavar="NAME", help="Who decides; default: this computer's user.")]
Later = Annotated[bool, typer.Option("--later", help="Leave the work to `worker`.")]
Limit = Annotated[int, typer.Option(min=1, help="Show at most this many.")]

UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What would style, move, hide or reorder text instead of being part of it."""


class Desk(Protocol):
    """One person's place at the ledger; the runner provides it."""

    @property
    def database(self) -> Database:
        """The ledger."""
        ...

    @property
    def evidence(self) -> EvidenceStore:
        """The evidence folder."""
        ...

    @property
    def console(self) -> Console:
        """Where tables go: standard output."""
        ...

    @property
    def errors(self) -> Console:
        """Where progress goes: standard error, shared with the log."""
        ...

    @property
    def user(self) -> str:
        """Who sits here."""
        ...

    def workflow(self, definition_hash: str) -> Workflow:
        """Return the definition that a run pinned."""
        ...

    def work(self, run_ids: list[int]) -> None:
        """Work these runs to their end."""
        ...


class Keeper(Desk, Protocol):
    """A desk that also reaches the ledger whose schema is not this version's, and the files beside it."""

    @property
    def ledger(self) -> Database:
        """The ledger as it is, opened without a look at its schema."""
        ...

    @property
    def home(self) -> Path:
        """The folder of logs and reports."""
        ...

    @property
    def models_dir(self) -> Path:
        """Where model artifacts lie."""
        ...


OpenDesk = Callable[[], Desk]
OpenKeeper = Callable[[], Keeper]


def plain(value: object, style: str = "") -> Text:
    """Return data of another system as text that can neither style, move nor hide anything on a terminal."""
    return Text(UNSAFE.sub("\N{REPLACEMENT CHARACTER}", re.sub(r"\s+", " ", str(value))), style=style)


def pairs(given: list[str] | None) -> dict[str, str]:
    """Return `--param name=value`, given any number of times, as a mapping.

    Raises:
        UserError: one has no name or no `=`.
    """
    found = {}
    for text in given or []:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise UserError(f"--param {text}: write it as name=value")
        found[name] = value
    return found


def print_json(data: Any) -> None:
    """Print one JSON document in UTF-8, whatever the terminal's own encoding."""
    text = json.dumps(as_data(data), ensure_ascii=False, indent=2)
    typer.echo(text.encode("utf-8", "backslashreplace"))


def as_data(value: Any) -> Any:
    """Return rows and reports as JSON-able data: instants and Decimals become text."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_data(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, dict):
        return {str(key): as_data(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_data(part) for part in value]
    return str(value) if isinstance(value, Path) else encode(value)


def bytes_text(count: float) -> str:
    """Return a number of bytes as people read it."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:  # noqa: PLR2004
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
