"""The groups that a workflow declares: rates are held apart by them, so that a bad one cannot hide in a good mean."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any

from engine.definition import Workflow

NOTHING = "(none)"


def segments_of(workflow: Workflow, payload: Mapping[str, Any]) -> dict[str, str]:
    """Return the group of a record under each declared segment.

    Args:
        workflow: declares `review.segments`.
        payload: the record, typed or encoded.

    Returns:
        Field to group: the value itself, or the band `low..high` that it lies in (`low` included, `high` not).
    """
    return {name: _group(payload.get(name), bounds) for name, bounds in workflow.review.segments.items()}


def bands(bounds: tuple[Decimal, ...]) -> list[str]:
    """Return the names of the bands between rising bounds, lowest first."""
    inner = [f"{low}..{high}" for low, high in pairwise(bounds)]
    return [f"..{bounds[0]}", *inner, f"{bounds[-1]}.."]


def _group(value: Any, bounds: str | tuple[Decimal, ...]) -> str:
    if value is None or value == "":
        return NOTHING
    if isinstance(bounds, str):
        return str(value)
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return NOTHING
    return bands(bounds)[sum(number >= bound for bound in bounds)]
