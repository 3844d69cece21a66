"""A small registry in the product's own words, so that the loader is tested without bots and models."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field, RootModel

from engine.definition import Frozen
from engine.ports import CheckKind, Finding, Registry, StepKind


class Locator(Frozen):
    shorthand: ClassVar[str | None] = "text"

    field: str | None = None
    button: str | None = None
    text: str | None = None
    role: str | None = None


class Open(Frozen):
    shorthand: ClassVar[str | None] = "url"

    url: str = Field(description="Path of a page.")


class Click(Locator):
    pass


class Fill(RootModel[dict[str, str]]):
    model_config = ConfigDict(frozen=True)


class Find(Frozen):
    open: str
    row: dict[str, str] | str


class Commit(Frozen):
    click: Locator
    confirm: Locator
    find: Find | None = None
    in_doubt: Literal["review"] | None = None


class ReadField(Frozen):
    field: str
    type: str | None = None


class ReadTable(Frozen):
    table: str
    columns: dict[str, str]


class Read(RootModel[dict[str, ReadField | ReadTable]]):
    model_config = ConfigDict(frozen=True)


class Rows(Frozen):
    table: str
    each: str
    columns: dict[str, str]


class ReadBack(RootModel[Literal["all"] | tuple[str, ...]]):
    model_config = ConfigDict(frozen=True)


class Rule(Frozen):
    sum_of: str | None = None
    sum: tuple[str, ...] | None = None
    equals: str


class Session(Frozen):
    probe: Locator | None = None


class Extras(Frozen):
    session: Session = Field(default_factory=Session)


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
    checks: dict[str, type[Any]] = {"read_back": ReadBack, "rule": Rule}
    return Registry(
        steps={name: StepKind(name, kind[0], _walk, f"The {name}.", *kind[1:]) for name, kind in kinds.items()},
        checks={name: CheckKind(name, params, _look, f"The {name}.") for name, params in checks.items()},
        app_extras=Extras,
    )
