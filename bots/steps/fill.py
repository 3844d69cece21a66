"""Steps that put values into fields: fill, choose, check. Every field is read back before the next step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, ConfigDict, Field, RootModel

from bots.bot import Bot
from bots.filling import fill_fields
from bots.locators import Locator, field_named


def _as_text(raw: object) -> object:
    # a whole number or a yes/no can only be meant one way; 1.10 read as 1.1 cannot
    if isinstance(raw, bool):
        return str(raw).lower()
    if isinstance(raw, float):
        raise ValueError(f"write the number {raw} in quotes, so that it is typed exactly as it stands")
    return str(raw) if isinstance(raw, int) else raw


Text = Annotated[str, BeforeValidator(_as_text)]


class Placed(Locator):
    """A value for a field that has no label."""

    shorthand: ClassVar[str | None] = None

    value: Text = Field(description="What to put in.")


class Fill(RootModel[dict[str, Text | Placed]]):
    """Label of a field: value. A field without a label is given as a locator with `value`."""

    model_config = ConfigDict(frozen=True)

    def fields(self) -> Iterator[tuple[Locator, str]]:
        """Return each field and the template of its value, in order."""
        for label, value in self.root.items():
            yield (value, value.value) if isinstance(value, Placed) else (field_named(label), value)


class Choose(Fill):
    """Label of a choice: the exact text of the option."""


class Check(Locator):
    """Which box to tick."""

    shorthand: ClassVar[str | None] = "field"

    on: bool = Field(True, description="Whether the box is ticked afterwards.")


async def fill(bot: Bot, params: Fill) -> None:
    """Fill fields by their labels, in one go, and read every one back as the application shows it."""
    await fill_fields(bot, list(params.fields()))


async def choose(bot: Bot, params: Choose) -> None:
    """Choose options by their exact text in selects, radio groups and comboboxes."""
    await fill_fields(bot, list(params.fields()))


async def check(bot: Bot, params: Check) -> None:
    """Tick or untick a box and see that it stayed so."""
    await fill_fields(bot, [(params, str(params.on).lower())])
