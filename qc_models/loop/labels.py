"""Reviews as examples to learn from, and the references that nothing ever learns from.

A fixed share of all references, drawn by a hash, is held out of every training: of its labels and of the history. It is
the same for every version, so that champion and challenger can be compared on traffic of before their training too.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from engine.definition import Workflow
from engine.errors import UserError
from engine.ledger.database import Database
from engine.ledger.labels import Inspected, inspected
from engine.quality import KEPT
from engine.values import Record, decode
from qc_models.entry.reviewed import Reviewed

_ROW = re.compile(r"\[\d+\]")
HELD_OUT = 0.3
"""Share of the references that are never trained on."""


@dataclass(frozen=True)
class Example(Reviewed):
    """One output that a person decided about; its weight is 1 / the probability of the look, 1 for what was picked."""

    source: Literal["flagged", "audited", "picked"] = "flagged"
    """Why a person looked: the verdict, the draw, or somebody's choice, which stands for nothing but itself."""
    adjudicated: bool = False
    """Two people agreed without knowing of each other, or a third decided."""


@dataclass(frozen=True)
class Material:
    """What a challenger may learn from, and what shows where it came from."""

    history: list[Record]
    """Verified records, oldest first: passed or accepted, and not reviewed, for those are examples of their own."""
    reviewed: list[Example]
    """Oldest first."""
    until: int
    """Newest verdict that was looked at."""
    held_out: int
    """Outputs left out because their reference is held out."""
    disputed: int
    """Labels left out because two people disagree."""

    @property
    def labels_sha256(self) -> str:
        """Return the SHA-256 of all labels: what was said of which reference."""
        told = [[one.reference, one.wrong, one.wrong_fields, one.source, one.adjudicated] for one in self.reviewed]
        return hashlib.sha256(json.dumps(sorted(told, key=str), ensure_ascii=False).encode()).hexdigest()


def held_out(workflow: str, reference: str, share: float = HELD_OUT) -> bool:
    """Say whether a reference is never trained on; a hash decides, so it is so for good."""
    digest = hashlib.sha256(f"held out\0{workflow}\0{reference}".encode("utf-8", "backslashreplace")).digest()
    return int.from_bytes(digest[:8]) < share * 2**64


def of_contract(workflow: Workflow, definitions: Callable[[str], Workflow]) -> Callable[[str], bool]:
    """Return what says of a definition's hash whether its record contract is that of a workflow.

    One of long ago that this version of the product does not load any more is not.
    """

    @cache
    def same(definition_hash: str) -> bool:
        try:
            return definitions(definition_hash).fields == workflow.fields
        except UserError:
            return False

    return same


def material(database: Database, workflow: Workflow, definitions: Callable[[str], Workflow]) -> Material:
    """Read what a challenger of a workflow may learn from.

    Args:
        database: the ledger.
        workflow: the definition whose record contract the model is trained on.
        definitions: the definition of a hash, as items were inspected under it.
    """
    history: list[Record] = []
    reviewed: list[Example] = []
    same = of_contract(workflow, definitions)
    until = kept_out = disputed = 0
    for one in inspected(database, workflow.name):
        until = max(until, one.verdict_id)
        if one.erased or not same(one.definition_hash):
            continue
        if held_out(workflow.name, one.reference):
            kept_out += 1
            continue
        record = decode(one.payload, workflow.fields)
        if one.label is not None and one.label.disputed:
            disputed += 1
        elif one.label is not None:
            reviewed.append(_example(one, record, workflow))
        elif one.state in KEPT:
            history.append(record)
    return Material(history, reviewed, until, kept_out, disputed)


def lineage(found: Material, parent: str | None, history: Sequence[Record], seed: int) -> dict[str, Any]:
    """Return what shows where a challenger came from, for its metrics."""
    sources = [one.source for one in found.reviewed]
    return {
        "parent": parent,
        "seed": seed,
        "until_verdict": found.until,
        "held_out_share": HELD_OUT,
        "held_out": found.held_out,
        "history_records": len(history),
        "labels": len(found.reviewed),
        "labels_wrong": sum(one.wrong for one in found.reviewed),
        "labels_adjudicated": sum(one.adjudicated for one in found.reviewed),
        "labels_disputed_left_out": found.disputed,
        "labels_by_source": {source: sources.count(source) for source in sorted(set(sources))},
        "labels_sha256": found.labels_sha256,
    }


def _example(one: Inspected, record: Record, workflow: Workflow) -> Example:
    label = one.label
    assert label is not None  # noqa: S101 - the caller looked
    flagged = one.decision == "review"
    source: Literal["flagged", "audited", "picked"] = "flagged" if flagged else "audited" if one.audited else "picked"
    drawn = source != "picked" and one.audit_probability
    return Example(
        payload=record,
        wrong=label.wrong,
        wrong_fields=tuple(_ROW.sub("", name) for name in label.fields or ()),
        read_back=decode(one.read_back or {}, workflow.fields),
        signals=one.signals or {},
        reference=one.reference,
        weight=1 / one.audit_probability if drawn and one.audit_probability else 1.0,
        picked=source == "picked",
        source=source,
        adjudicated=label.adjudicated,
    )
