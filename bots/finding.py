"""Asks the application which records carry a business key: one by one (`find`) and by its own list (run audit)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from bots.bot import Bot
from bots.locators import Locator, table_descriptor
from bots.steps.commit import Find
from bots.trouble import PageMoved, unmet
from bots.typed import nearly, reading, same
from engine.definition import ListAudit
from engine.errors import SystemException
from engine.ports import Found, ItemView
from engine.template import Scope, resolve
from engine.values import Formats, Value, clean_text

Equals = Callable[[Value, str, Formats], bool]
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
    pager: str | None
    """A control, no `a[rel=next]`, that would show more of the list."""
    hidden: list[list[str]]
    """The texts of rows that are in the table but not shown: filtered out, or in a closed group."""
    heads: int
    """Lines of the table that are no records."""
    total: int
    """How many lines the table says it has, over all pages; 0 when it does not say, less when it does not know."""

    def complete(self, rows: int) -> None:
        """Check that `rows` records, this page's the last of them, are all that the table says it has.

        Raises:
            SystemException: a virtual list keeps most of its rows out of the page: what is not seen may still exist.
        """
        if self.total < 0 or rows + self.heads < self.total:
            raise SystemException("list_incomplete", f"the list shows {rows} of {self.total} rows; narrow the search")

    def ends(self) -> None:
        """Check that nothing on the page would show more of the list.

        Raises:
            SystemException: something would, and only a link with `rel=next` is followed.
        """
        if self.pager is not None:
            hint = "narrow the search in `find.open`, or have the application mark the link with rel=next"
            raise SystemException("list_incomplete", f"the list goes on behind {self.pager}; {hint}")

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


@dataclass
class Hits:
    """Rows with the whole key, as the links of each; and how many have it but for its writing."""

    links: list[list[str]] = field(default_factory=list)
    near: int = 0


async def find(bot: Bot, wanted: Find) -> Found:
    """Count the records with the whole key on a fresh page; exactly one is opened.

    Raises:
        SystemException: the list cannot be read as declared; nothing is concluded then.
    """
    hits = await _hits(bot, wanted)
    if len(hits.links) == 1:
        return Found(1, await _open_record(bot, hits.links[0]))
    if hits.links or wanted.alike is None:
        return Found(len(hits.links), alike=hits.near)
    alike = wanted.alike
    more = await _search(bot, alike.open or wanted.open, alike.table or wanted.table, alike.row, wanted)
    return Found(0, alike=hits.near + len(more.links) + more.near)


async def count(bot: Bot, wanted: Find) -> int:
    """Count the records with the whole key and open none; raises as `find` does."""
    return len((await _hits(bot, wanted)).links)


async def _hits(bot: Bot, wanted: Find) -> Hits:
    hits = Hits()
    for wait in _TRIES:
        await asyncio.sleep(wait)
        hits = await _search(bot, wanted.open, wanted.table, wanted.row, wanted)
        if hits.links:
            break
    return hits


async def _open_record(bot: Bot, links: list[str]) -> str:
    if len(links) > 1:
        raise SystemException("ambiguous_locator", f"the record's row has {len(links)} links; name the column: `link:`")
    if links and links[0] != bot.page.url:
        await bot.open(links[0])
    return bot.page.url


async def _search(bot: Bot, address: str, table: str | None, row: Mapping[str, str] | str, wanted: Find) -> Hits:
    """Return every row that fits, over all pages of the result."""
    hits, rows, url = Hits(), 0, bot.url(address)
    for _ in range(_PAGES):
        page = await _page(bot, url, table, wanted.empty)
        rows += len(page.rows)
        for one in page.rows:
            if _fits(bot, page, one, row, same):
                hits.links.append(_links(page, one, wanted.link))
            elif _fits(bot, page, one, row, nearly):
                hits.near += 1
        hits.near += sum(_hides(bot, texts, row) for texts in page.hidden)
        if page.next is None:
            page.complete(rows)
            if len(hits.links) <= 1:  # two are too many already
                page.ends()
            return hits
        url = page.next
    raise SystemException("search_too_wide", f"the search {address} shows more than {_PAGES} pages")


async def _page(bot: Bot, url: str, table: str | None, empty: Locator | None) -> Listing:
    """Load a page of a list, never from the browser's cache: an old list would deny a new record."""
    await bot.cdp.send("Network.enable")
    await bot.cdp.send("Network.setCacheDisabled", {"cacheDisabled": True})
    try:
        await bot.open(url)
    finally:
        await bot.cdp.send("Network.disable")
    return await _listing(bot, table, empty)


async def _listing(bot: Bot, table: str | None, empty: Locator | None) -> Listing:
    sign = empty.descriptor() if empty else None
    while True:
        try:
            result = await bot.call("listRows", table_descriptor(table), sign, bot.left_ms)
        except PageMoved:
            await bot.arrive()
            continue
        if result.get("el"):
            return _regular(result)
        raise unmet(result, f"table {table!r}" if table else "the list's table", await bot.where())


def _regular(result: Mapping[str, Any]) -> Listing:
    headers, rows = result["headers"], result["rows"]
    if result.get("spans") or any(len(row["cells"]) < len(headers or []) for row in rows):
        raise SystemException("list_irregular", "the list has rows with fewer cells than headers: which is which?")
    heads = result.get("lines", 0) - len(rows)
    return Listing(headers, rows, result["next"], result["pager"], result["hidden"], heads, result["total"])


def _links(page: Listing, row: Mapping[str, Any], column: str | None) -> list[str]:
    by_cell: list[list[str]] = row["links"]
    chosen = by_cell if column is None else [by_cell[page.column(column)]]
    return list(dict.fromkeys(link for links in chosen for link in links))


def _fits(bot: Bot, page: Listing, row: Mapping[str, Any], wanted: Mapping[str, str] | str, equals: Equals) -> bool:
    cells: list[str] = row["cells"]
    formats = bot.app.formats
    if isinstance(wanted, str):
        value = bot.value(wanted)
        return any(equals(value, cell, formats) for cell in cells)
    return all(equals(bot.value(text), cells[page.column(header)], formats) for header, text in wanted.items())


def _hides(bot: Bot, texts: Sequence[str], wanted: Mapping[str, str] | str) -> bool:
    """Say whether a row that is not shown has all values of the key, in whatever columns."""
    values = [bot.value(text) for text in ([wanted] if isinstance(wanted, str) else wanted.values())]
    formats = bot.app.formats
    return all(any(same(value, text, formats) or nearly(value, text, formats) for text in texts) for value in values)


async def listed(bot: Bot, audit: ListAudit, items: Sequence[ItemView]) -> dict[int, int]:
    """Count the records of each item's key in the application's list; item id to count."""
    scopes = {item.item_id: replace(bot.scope, item=item.payload, params=item.params) for item in items}
    keys = {number: _key(audit, scope) for number, scope in scopes.items()}
    sample = [
        next((value for value in values if value is not None), None) for values in zip(*keys.values(), strict=True)
    ]
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
    """Walk the list by `${page}`, or by its own link to the next page, until no page adds a row."""
    seen: list[dict[str, Any]] = []
    numbered = "${page}" in audit.open
    origin, rows, following = bot.scope, 0, None
    for number in range(1, _AUDIT_PAGES + 1):
        bot.scope = replace(origin, page=number)
        page = await _page(bot, following or bot.url(audit.open), audit.table, None)
        bot.scope = origin
        if not page.rows or page.rows == seen:
            page.complete(rows)
            return
        yield page
        rows += len(page.rows)
        seen = page.rows
        following = None if numbered else page.next
        if not numbered and following is None:
            page.complete(rows)
            page.ends()
            return
    raise SystemException("list_too_long", f"the list {audit.open} has more than {_AUDIT_PAGES} pages")


def _plain(like: Value, shown: Value, formats: Formats) -> str:
    """Return a form in which equal values of the kind of `like` are equal texts."""
    value = reading(like, shown, formats) if isinstance(shown, str) else shown
    return f"{value.normalize():f}" if isinstance(value, Decimal) else clean_text(str("" if value is None else value))
