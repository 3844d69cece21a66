"""How a definition names an element: by what a person sees first, strictly, never "the first of several"."""

from __future__ import annotations

from typing import Any, ClassVar

from playwright.async_api import Frame, Page
from playwright.async_api import Locator as PlaywrightLocator
from pydantic import Field, model_validator

from engine.definition import Frozen
from engine.errors import SystemException

WAYS = ("field", "button", "link", "role", "text", "placeholder", "cell", "test_id", "css", "xpath")


class Cell(Frozen):
    """A cell of a table, by row and column."""

    table: str | None = Field(None, description="Name of the table, where the page has several.")
    row: int | str = Field(description="Number of the row from 1, or the exact text of one of its cells.")
    column: str = Field(description="Header of the column.")


class Locator(Frozen):
    """One element. Exactly one way to find it; a bare text is `text`."""

    shorthand: ClassVar[str | None] = "text"

    field: str | None = Field(None, description="Label of a field, or the text next to it.")
    button: str | None = Field(None, description="Name of a button.")
    link: str | None = Field(None, description="Text of a link.")
    role: str | None = Field(None, pattern="^[a-z]+$", description="ARIA role, e.g. dialog, alert, heading.")
    name: str | None = Field(None, description="Accessible name, together with role.")
    text: str | None = Field(None, description="The whole text of an element, white space folded.")
    placeholder: str | None = Field(None, description="Placeholder of an input.")
    cell: Cell | None = Field(None, description="Cell of a table by row and column header.")
    test_id: str | None = Field(None, description="Value of data-testid.")
    css: str | None = Field(None, description="CSS selector.")
    xpath: str | None = Field(None, description="XPath expression.")
    within: Locator | None = Field(None, description="Look only inside this one element.")
    frame: str | None = Field(None, description="Name, title, id or label of the inline frame that holds the element.")

    @model_validator(mode="before")
    @classmethod
    def _bare_text(cls, raw: Any) -> Any:
        return {cls.shorthand: raw} if isinstance(raw, str) and cls.shorthand else raw

    @model_validator(mode="after")
    def _exactly_one_way(self) -> Locator:
        given = self.ways()
        if len(given) != 1:
            said = f"it has {' and '.join(given)}" if given else "it has none"
            raise ValueError(f"needs exactly one of {', '.join(WAYS)}; {said}")
        if self.name is not None and self.role is None:
            raise ValueError("`name` goes together with `role`")
        return self

    def ways(self) -> list[str]:
        """Return the ways of finding that are given."""
        return [way for way in WAYS if getattr(self, way) is not None]

    def descriptor(self) -> dict[str, Any]:
        """Return the form that the page script understands; `frame` is left to the caller."""
        way = self.ways()[0]
        value = getattr(self, way)
        want: dict[str, Any] = {"by": way, way: value.model_dump() if isinstance(value, Cell) else value}
        if self.name is not None:
            want["name"] = self.name
        if self.within is not None:
            want["within"] = self.within.descriptor()
        return want

    def __str__(self) -> str:
        way = self.ways()[0]
        value = getattr(self, way)
        shown = f"row {value.row!r}, column {value.column!r}" if isinstance(value, Cell) else repr(value)
        if self.name is not None:
            shown += f" named {self.name!r}"
        return f"{way} {shown}" + (f" in {self.within}" if self.within else "")


def field_named(label: str) -> Locator:
    """Return the locator of the field with this label."""
    return Locator(field=label)


def table_descriptor(table: str | None) -> dict[str, Any]:
    """Return the page script's form of "the table of this name", or of the only table."""
    return {"by": "table", "table": table}


async def frame_of(page: Page, name: str | None) -> Page | Frame:
    """Return the page, or its one inline frame of that name, id, title or label.

    Raises:
        SystemException: there is no such frame, or several.
    """
    if name is None:
        return page
    found = [frame for frame in page.frames if frame.parent_frame is not None and await _is_called(frame, name)]
    if len(found) == 1:
        return found[0]
    code = "ambiguous_locator" if found else "element_missing"
    raise SystemException(code, f"{len(found)} inline frames are called {name!r} on {page.url}")


async def _is_called(frame: Frame, name: str) -> bool:
    owner = await frame.frame_element()
    marks = [await owner.get_attribute(mark) for mark in ("name", "id", "title", "aria-label")]
    return name in marks


async def playwright_locator(place: Page | Frame, locator: Locator) -> PlaywrightLocator:
    """Return the same element as a Playwright locator: the page script finds it, a mark ties the two together.

    Raises:
        SystemException: there is not exactly one such element.
    """
    handle = await place.evaluate("(want) => window.__countersign.mark(want)", locator.descriptor())
    if handle["status"] != "marked":
        raise SystemException("element_missing", f"{locator} is not on {place.url}")
    return place.locator(f"[data-countersign='{handle['mark']}']")
