"""Fill the rows of an entry table by column header, all cells in one round trip."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from pydantic import Field

from bots.bot import Bot
from bots.filling import hindrance, not_kept, shown_in
from bots.locators import Locator, table_descriptor
from bots.trouble import PageMoved, unmet
from bots.typed import entry, kept, spec_of
from engine.definition import Frozen
from engine.errors import SystemException
from engine.template import references, resolve
from engine.values import FieldSpec, Record, Value


class Rows(Frozen):
    """Which table, with what."""

    table: str | None = Field(None, description="Name of the table, where the page has several.")
    add: Locator | None = Field(None, description="Button that adds a row; pressed until there are enough.")
    each: str = Field(description="The table field of the item, e.g. ${item.lines}.")
    columns: dict[str, str] = Field(description="Column header to value, e.g. {Amount: ${row.amount}}.")


async def fill_rows(bot: Bot, params: Rows) -> None:
    """Fill a table row by row: rows are added until there are enough, rows beyond the data are emptied."""
    wanted = _wanted(bot, params)
    entries = [[entry(value, bot.app.formats, spec) for value, spec in row] for row in wanted]
    want = table_descriptor(params.table)
    add = params.add.descriptor() if params.add else None
    headers = list(params.columns)
    try:
        answer = await bot.call("fillRows", want, add, headers, entries, bot.left_ms)
    except PageMoved:
        raise SystemException("page_moved", "the page was left while its rows were filled") from None
    table = answer["table"]
    if table.get("status"):
        what = str(params.add) if table.get("button") else f"table {params.table or 'on the page'}"
        raise unmet(table, what, await bot.where())
    for result in answer["results"]:
        await _accept(bot, result, headers, wanted, entries)


async def _accept(
    bot: Bot,
    result: dict[str, Any],
    headers: list[str],
    wanted: list[list[tuple[Value, FieldSpec | None]]],
    entries: list[list[dict[str, str]]],
) -> None:
    row, at = result["row"], headers.index(result["header"])
    label = f"row {row + 1}, {result['header']}"
    value = wanted[row][at][0] if row < len(wanted) else None
    text = entries[row][at]["text"] if row < len(entries) else ""
    if result["status"] != "filled":
        raise hindrance(result, label, text, await bot.where())
    if not kept(value, result["value"], shown_in(bot, result)):
        raise not_kept(label, text, result["value"])


def _wanted(bot: Bot, params: Rows) -> list[list[tuple[Value, FieldSpec | None]]]:
    rows = bot.value(params.each)
    name = references(params.each)[0].name
    columns = (bot.fields[name].columns if name in bot.fields else None) or {}
    wanted = []
    for row in cast("list[Record]", rows or []):
        scope = replace(bot.scope, row=row)
        cells = [(resolve(text, scope), spec_of(text, scope, columns)) for text in params.columns.values()]
        wanted.append([(cast("Value", value), spec) for value, spec in cells])
    return wanted
