"""A small registry in the product's own words, so that the loader is tested without bots and models."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field, RootModel

from engine.definition import Frozen
from engine.ports import CheckKind, Finding, Registry, StepKind


class Locator(Frozen):
    """The toy Locator."""

    shorthand: ClassVar[str | None] = "text"

    field: str | None = None
    button: str | None = None
    text: str | None = None
    role: str | None = None


class Open(Frozen):
    """The toy Open."""

    shorthand: ClassVar[str | None] = "url"

    url: str = Field(description="Path of a page.")


class Click(Locator):
    """The toy Click."""


class Fill(RootModel[dict[str, str]]):
    """The toy Fill."""

    model_config = ConfigDict(frozen=True)


class Find(Frozen):
    """The toy Find."""

    open: str
    row: dict[str, str] | str


class Commit(Frozen):
    """The toy Commit."""

    click: Locator
    confirm: Locator
    find: Find | None = None
    in_doubt: Literal["review"] | None = None


class ReadField(Frozen):
    """The toy ReadField."""

    field: str
    type: str | None = None


class ReadTable(Frozen):
    """The toy ReadTable."""

    table: str
    columns: dict[str, str]


class Read(RootModel[dict[str, ReadField | ReadTable]]):
    """The toy Read."""

    model_config = ConfigDict(frozen=True)


class Rows(Frozen):
    """The toy Rows."""

    table: str
    each: str
    columns: dict[str, str]


class ReadBack(RootModel[Literal["all"] | tuple[str, ...]]):
    """The toy ReadBack."""

    model_config = ConfigDict(frozen=True)


class Rule(Frozen):
    """The toy Rule."""

    sum_of: str | None = None
    sum: tuple[str, ...] | None = None
    equals: str


class Model(Frozen):
    """The toy Model."""

    name: str


class Session(Frozen):
    """The toy Session."""

    probe: Locator | None = None


class Extras(Frozen):
    """The toy Extras."""

    session: Session = Field(default_factory=Session, description="How to tell a lost session.")


async def _walk(_bot: Any, _params: Any) -> None:
    """Do nothing: the loader never runs a step."""


def _look(_params: Any, _case: Any, _models: Any) -> list[Finding]:
    return []


def toy_registry() -> Registry:
    """Return a registry with one step of each kind that the rules know."""
    kinds: dict[str, tuple[type[Any], bool, bool]] = {
        "open": (Open, False, False),
        "fill": (Fill, False, False),
        "rows": (Rows, False, False),
        "click": (Click, False, False),
        "expect": (Locator, False, False),
        "commit": (Commit, True, False),
        "read": (Read, False, True),
    }
    checks: dict[str, type[Any]] = {"read_back": ReadBack, "rule": Rule, "model": Model}
    return Registry(
        steps={name: StepKind(name, kind[0], _walk, f"The {name}.", *kind[1:]) for name, kind in kinds.items()},
        checks={name: CheckKind(name, params, _look, f"The {name}.") for name, params in checks.items()},
        app_extras=Extras,
    )
