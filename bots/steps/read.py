"""Read fields and tables of a page into the record, typed, in one round trip."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import ConfigDict, Field, RootModel

from bots.bot import Bot
from bots.filling import shown_in
from bots.locators import Locator, frame_of, table_descriptor
from bots.trouble import PageMoved, unmet
from bots.typed import read_value
from engine.definition import Frozen
from engine.values import FieldSpec, FieldType, Value


class ReadTable(Frozen):
    """A table of the page."""

    table: str = Field(description="Name of the table.")
    columns: dict[str, str] = Field(description="Name in the record to column header.")


class ReadField(Locator):
    """A field, cell or text of the page."""

    shorthand: ClassVar[str | None] = "field"

    type: FieldType | None = Field(None, description="What it holds; by default what the contract says.")


class Read(RootModel[dict[str, ReadField | ReadTable]]):
    """Name in the record: where it stands on the page."""

    model_config = ConfigDict(frozen=True)


async def read(bot: Bot, params: Read) -> None:
    """Read fields and tables into the record; a value that is not of its type is kept as text."""
    by_frame: dict[str | None, dict[str, ReadField | ReadTable]] = {}
    for name, spec in params.root.items():
        frame = spec.frame if isinstance(spec, ReadField) else None
        by_frame.setdefault(frame, {})[name] = spec
    for frame, entries in by_frame.items():
        await _read_frame(bot, frame, entries)


async def _read_frame(bot: Bot, frame: str | None, entries: dict[str, ReadField | ReadTable]) -> None:
    wants = [_entry(spec) for spec in entries.values()]
    while True:
        place = await frame_of(bot.page, frame)
        try:
            results = await bot.call("readAll", wants, bot.left_ms, place=place)
            break
        except PageMoved:
            await bot.arrive()
    for (name, spec), result in zip(entries.items(), results, strict=True):
        if result["status"] != "read":
            what = str(spec) if isinstance(spec, ReadField) else f"table {spec.table!r}"
            raise unmet(result, what, await bot.where())
        bot.record[name] = _value(bot, name, spec, result)


def _entry(spec: ReadField | ReadTable) -> dict[str, Any]:
    if isinstance(spec, ReadTable):
        return {"want": table_descriptor(spec.table), "columns": spec.columns}
    return {"want": spec.descriptor()}


def _value(bot: Bot, name: str, spec: ReadField | ReadTable, result: dict[str, Any]) -> Value:
    contract = bot.fields.get(name)
    formats, raw = shown_in(bot, result), result["value"]
    if isinstance(spec, ReadTable):
        columns = (contract.columns if contract else None) or {}
        text = FieldSpec(type="text")
        return [{key: read_value(cell, columns.get(key, text), formats) for key, cell in row.items()} for row in raw]  # type: ignore[misc]
    kind = FieldSpec(type=spec.type) if spec.type else contract or FieldSpec(type="text")
    return read_value(raw, kind, formats)
