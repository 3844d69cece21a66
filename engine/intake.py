"""From a source's records to work items: what is invalid goes to a person, what is no record is kept as rejected."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.definition import Workflow
from engine.errors import BusinessException
from engine.ledger.enqueue import Followers, NewItem, RejectedInput
from engine.ports import Finding
from engine.source_files import RawRow
from engine.sources import SourceBatch, read_source, take_rows
from engine.values import encode

Items = tuple[list[NewItem], list[RejectedInput]]


def new_items(workflow: Workflow, source: Path | None) -> Items:
    """Read a workflow's records into work items; what is invalid becomes an item for a person, or a rejected row."""
    return _items(read_source(workflow, source))


def followers(workflow: Workflow, reference: str, record: dict[str, Any]) -> Followers | None:
    """Return the records that an item's output is to the workflow that follows; None where none does.

    A row that says why it is held becomes an item in review: no bot touches it before a person said so.

    Raises:
        BusinessException: the item's output has no such rows.
    """
    follow, target = workflow.follow, workflow.followed
    if follow is None or target is None or target.source is None:
        return None
    table = record.get(follow.each)
    if not isinstance(table, list):
        raise BusinessException("no_followers", f"the item's output has no rows named {follow.each!r}")
    rows, holds = [], {}
    for number, row in enumerate(table, start=1):
        cells, origin = encode(row), f"{workflow.name} {reference}:{number}"
        code, why = (str(cells.get(name) or "") if name else "" for name in (follow.hold, follow.why))
        if code:
            holds[origin] = Finding("source", code, why or code)
        said = {follow.hold, follow.why} - target.fields.keys()
        rows.append(RawRow(origin, {name: value for name, value in cells.items() if name not in said}))
    items, rejected = _items(take_rows(target.source, target.fields, rows))
    return Followers(target, [replace(item, hold=holds.get(item.origin)) for item in items], rejected)


def _items(batch: SourceBatch) -> Items:
    items = [NewItem(item.reference, item.payload, item.origin) for item in batch.items]
    invalid = [row for row in batch.rejected if row.reference is not None and not row.conflict]
    items += [NewItem(row.reference or "", row.raw, row.origin, row.problems) for row in invalid]
    kept = {id(row) for row in invalid}
    rejected = [RejectedInput(r.origin, r.problems, r.raw, r.reference) for r in batch.rejected if id(r) not in kept]
    again = [RejectedInput(r.origin, (f"comes twice: first in {r.first}",), {}, r.reference) for r in batch.repeated]
    return items, rejected + again
