"""By which figures kinds of evidence closed matches, kept with the terms of each matching (`OpenItems.under`).

The gate moves on: one wrong match of one's own holds its kind back, more reviews open others. What closed before stays
closed, and its proof states the figures of that day, not those of today.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

from bots.reconciliation.definition import GateFile
from bots.reconciliation.gate import Evidence, Standing

KEPT: Final = "gate"
"""Their name among the terms."""


@dataclass(frozen=True)
class Figures:
    """What let one kind close, when it did."""

    kind: str
    reviewed: int
    wrong: int
    source: str
    limit: float
    confidence: float

    @classmethod
    def kept(cls, terms: Mapping[str, Any], kind: str) -> Self | None:
        """Return what let a kind close under some terms; None where they did not let it."""
        gate = terms[KEPT]
        found = gate["closes"].get(kind)
        return (
            cls(kind=kind, limit=float(gate["limit"]), confidence=float(gate["confidence"]), **found) if found else None
        )

    @cached_property
    def bound(self) -> float:
        """Return the upper bound of the share of wrong matches, computed anew from the counts.

        Raises:
            UserError: the counts are none.
        """
        return Evidence(self.kind, self.reviewed, self.wrong, "own").bound(self.confidence)  # whoever judged them

    @property
    def closes(self) -> bool:
        """Say whether the counts hold the limit."""
        return self.bound <= self.limit


def to_keep(gate: GateFile, ranked: Iterable[Standing]) -> dict[str, Any]:
    """Return what is kept of a gate, as JSON: limit, confidence, and the counts of each kind that closes under it."""
    closes = {
        one.kind: {"reviewed": one.reviewed, "wrong": one.wrong, "source": one.source} for one in ranked if one.closes
    }
    return {"limit": repr(float(gate.limit)), "confidence": repr(float(gate.confidence)), "closes": closes}
