"""Asks the application which records carry a business key: one by one (`find`) and by its own list (run audit)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from bots.bot import Bot
from bots.locators import Locator, table_descriptor
from bots.steps.commit import Find
from bots.trouble import PageMoved, unmet
from bots.typed import reading, same
from engine.definition import ListAudit
from engine.errors import SystemException
from engine.ports import Found, ItemView
from engine.template import Scope, resolve
from engine.values import Formats, Value, clean_text

_TRIES = (0.0, 0.25, 0.6)
"""Seconds before each look: a list may lag behind the save."""
_PAGES = 20
_AUDIT_PAGES = 10_000


@dataclass(frozen=True)
class Listing:
    """One page of a table."""

    headers: list[str] | None
    rows: list[dict[str, Any]]
    next: str | None

    def column(self, header: str) -> int:
        """Return the place of a column.

        Raises:
            SystemException: there is no such column, or several: what cannot be compared proves no absence.
        """
        found = [at for at, name in enumerate(self.headers or []) if name == clean_text(header).rstrip(":* ")]
        if len(found) != 1:
            known = ", ".join(self.headers or [])
            raise SystemException("element_missing", f"the list has {len(found)} columns {header!r}; it has {known}")
        return found[0]


async def find(bot: Bot, wanted: Find) -> Found:
    """Count the records with the whole key on a fresh page; exactly one is opened.

    Raises:
        SystemException: the list cannot be read as declared; nothing is concluded then.
    """
    hits = await _hits(bot, wanted)
    if len(hits) == 1:
        return Found(1, await _open_record(bot, hits[0]))
    if hits or wanted.alike is None:
        return Found(len(hits))
    alike = wanted.alike
    near = await _search(bot, alike.open or wanted.open, alike.table or wanted.table, alike.row, wanted)
    return Found(0, alike=len(near))


async def count(bot: Bot, wanted: Find) -> int:
    """Count the records with the whole key and open none; raises as `find` does."""
    return len(await _hits(bot, wanted))


async def _hits(bot: Bot, wanted: Find) -> list[list[str]]:
    for wait in _TRIES:
        await asyncio.sleep(wait)
        hits = await _search(bot, wanted.open, wanted.table, wanted.row, wanted)
        if hits:
            return hits
    return []


async def _open_record(bot: Bot, links: list[str]) -> str:
    if len(links) > 1:
        raise SystemException("ambiguous_locator", f"the record's row has {len(links)} links; name the column: `link:`")
    if links and links[0] != bot.page.url:
        await bot.open(links[0])
    return bot.page.url


async def _search(
    bot: Bot, address: str, table: str | None, row: Mapping[str, str] | str, wanted: Find
) -> list[list[str]]:
    """Return the links of every row that fits, over all pages of the result."""
    hits: list[list[str]] = []
    url: str | None = bot.url(address)
    for _ in range(_PAGES):
        if url is None:
            return hits
        await bot.open(url)
        page = await _listing(bot, table, wanted.empty)
        hits += [_links(page, one, wanted.link) for one in page.rows if _fits(bot, page, one, row)]
        url = page.next
    raise SystemException("search_too_wide", f"the search {address} shows more than {_PAGES} pages")


async def _listing(bot: Bot, table: str | None, empty: Locator | None) -> Listing:
    sign = empty.descriptor() if empty else None
    while True:
        try:
            result = await bot.call("listRows", table_descriptor(table), sign, bot.left_ms)
        except PageMoved:
            await bot.arrive()
            continue
        if result.get("el"):
            return Listing(result["headers"], result["rows"], result["next"])
        raise unmet(result, f"table {table!r}" if table else "the list's table", await bot.where())


def _links(page: Listing, row: Mapping[str, Any], column: str | None) -> list[str]:
    by_cell: list[list[str]] = row["links"]
    chosen = by_cell if column is None else [by_cell[page.column(column)]]
    return list(dict.fromkeys(link for links in chosen for link in links))


def _fits(bot: Bot, page: Listing, row: Mapping[str, Any], wanted: Mapping[str, str] | str) -> bool:
    cells: list[str] = row["cells"]
    formats = bot.app.formats
    if isinstance(wanted, str):
        value = bot.value(wanted)
        return any(same(value, cell, formats) for cell in cells)
    return all(same(bot.value(text), cells[page.column(header)], formats) for header, text in wanted.items())


async def listed(bot: Bot, audit: ListAudit, items: Sequence[ItemView]) -> dict[int, int]:
    """Count the records of each item's key in the application's list; item id to count."""
    scopes = {item.item_id: replace(bot.scope, item=item.payload, params=item.params) for item in items}
    keys = {number: _key(audit, scope) for number, scope in scopes.items()}
    sample = next(iter(keys.values()), ())
    counts: Counter[tuple[str, ...]] = Counter()
    async for page in _pages(bot, audit):
        places = [page.column(header) for header in audit.key]
        for row in page.rows:
            shown = [row["cells"][at] for at in places]
            counts[tuple(_plain(*pair, bot.app.formats) for pair in zip(sample, shown, strict=True))] += 1
    plain = {number: tuple(_plain(value, value, bot.app.formats) for value in key) for number, key in keys.items()}
    return {number: counts[key] for number, key in plain.items()}


def _key(audit: ListAudit, scope: Scope) -> tuple[Value, ...]:
    return tuple(resolve(text, scope) for text in audit.key.values())  # type: ignore[misc]


async def _pages(bot: Bot, audit: ListAudit) -> AsyncIterator[Listing]:
    seen: list[dict[str, Any]] = []
    origin = bot.scope
    for number in range(1, _AUDIT_PAGES + 1):
        bot.scope = replace(origin, page=number)
        await bot.open(bot.url(audit.open))
        page = await _listing(bot, audit.table, None)
        bot.scope = origin
        if not page.rows or page.rows == seen:
            return
        yield page
        seen = page.rows
        if "${page}" not in audit.open:
            return
    raise SystemException("list_too_long", f"the list {audit.open} has more than {_AUDIT_PAGES} pages")


def _plain(like: Value, shown: Value, formats: Formats) -> str:
    """Return a form in which equal values of the kind of `like` are equal texts."""
    value = reading(like, shown, formats) if isinstance(shown, str) else shown
    return f"{value.normalize():f}" if isinstance(value, Decimal) else clean_text(str("" if value is None else value))
