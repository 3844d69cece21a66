"""From a source's records to work items: what is invalid goes to a person, what is no record is kept as rejected."""

from __future__ import annotations

from pathlib import Path

from engine.definition import Workflow
from engine.ledger.runs import NewItem, RejectedInput
from engine.sources import read_source


def new_items(workflow: Workflow, source: Path | None) -> tuple[list[NewItem], list[RejectedInput]]:
    """Read a workflow's records into work items; what is invalid becomes an item for a person, or a rejected row."""
    batch = read_source(workflow, source)
    items = [NewItem(item.reference, item.payload, item.origin) for item in batch.items]
    invalid = [row for row in batch.rejected if row.reference is not None and not row.conflict]
    items += [NewItem(row.reference or "", row.raw, row.origin, row.problems) for row in invalid]
    rejected = [RejectedInput(r.origin, r.problems, r.raw, r.reference) for r in batch.rejected if r not in invalid]
    again = [RejectedInput(r.origin, (f"comes twice: first in {r.first}",), {}, r.reference) for r in batch.repeated]
    return items, rejected + again
