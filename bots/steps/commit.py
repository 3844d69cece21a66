"""The parameters of the one step that changes the application for good; only the executor may send it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bots.locators import Locator
from engine.definition import Frozen


class Alike(Frozen):
    """Records that share so much of the key that a second send must not happen by itself."""

    open: str | None = Field(None, description="Page of the search; by default that of `find`.")
    table: str | None = Field(None, description="Name of the table, where the page has several.")
    row: dict[str, str] | str = Field(description="Column header to value, or the text of one cell.")


class Find(Frozen):
    """How to ask the application whether the record is there."""

    open: str = Field(description="Page of the search, e.g. /invoices?q=${item.invoice_no}.")
    table: str | None = Field(None, description="Name of the table, where the page has several.")
    row: dict[str, str] | str = Field(description="Column header to value, or the text of one cell; all must be equal.")
    empty: Locator | None = Field(None, description="What the page shows instead of the table when nothing is found.")
    link: str | None = Field(
        None, description="Header of the column whose link opens the record; by default the only one."
    )
    alike: Alike | None = Field(None, description="Records that forbid a second send although none has the whole key.")


class Commit(Frozen):
    """The click that saves, posts or pays, what confirms it, and how to look for its record."""

    click: Locator = Field(description="The one button.")
    confirm: Locator = Field(description="What only a saved record shows.")
    rejected: Locator | None = Field(None, description="What the page shows when the data is invalid.")
    id: Locator | None = Field(None, description="Where the application's own number of the record stands.")
    find: Find | None = Field(None, description="Search by the business key, asked before any second try.")
    in_doubt: Literal["review"] | None = Field(
        None, description="Without `find`: whatever is unclear goes to a person."
    )
    via: Literal["request", "get", "websocket"] = Field("request", description="How the commit leaves the browser.")
    dialog: Literal["accept", "dismiss"] = Field("dismiss", description="Answer to a native confirm that it opens.")
