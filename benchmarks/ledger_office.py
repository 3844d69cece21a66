"""A workflow without YAML, whose item takes a tenth of a second: what is left to measure is the engine itself."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from engine.definition import (
    Application,
    BreakerPolicy,
    Commits,
    Evidence,
    Retry,
    Review,
    Step,
    Time,
    Workflow,
)
from engine.ledger.runs import NewItem
from engine.ports import Case, Found, Hands, ItemView, Receipt, Verdict
from engine.snapshot import Snapshot
from engine.values import FieldSpec, Formats

PACE = 0.1
"""Seconds that one item takes the hands."""
FIELDS = {
    "supplier": FieldSpec(type="text", required=True),
    "invoice_no": FieldSpec(type="text", required=True),
    "total": FieldSpec(type="money", currency="EUR"),
}


def workflow(*, commit: bool = True) -> Workflow:
    """Return a definition that fills, commits and reads, or that only reads."""
    kinds = ("open", "fill", "commit", "read") if commit else ("open", "read")
    params = {"commit": SimpleNamespace(find="by key"), "read": SimpleNamespace(fields=tuple(FIELDS))}
    steps = tuple(
        Step(kind, params.get(kind), number, line=number, commit=kind == "commit", read=kind == "read")
        for number, kind in enumerate(kinds, 1)
    )
    name = "benchmark-entry" if commit else "benchmark-reading"
    return Workflow(
        name=name,
        description="Nothing but the engine's own work.",
        owner="benchmarks",
        app=Application(
            name="erp",
            base_url="http://erp.invalid",
            allowed_hosts=("erp.invalid",),
            formats=Formats(),
            commits=Commits(find_authoritative=True, settle_time=timedelta(seconds=1)),
            breaker=BreakerPolicy(),
            max_sessions=1000,
            rate=None,
            maintenance=(),
            timeout=timedelta(seconds=10),
            login=(),
            extras=None,
        ),
        priority=0,
        schedule=None,
        source=None,
        params={},
        fields=FIELDS,
        steps=steps,
        correction=(),
        checks=(),
        audit=None,
        retry=Retry(),
        time=Time(),
        review=Review(audit_sample=0),
        evidence=Evidence(screenshot="doubt", trace="never"),
        targets={},
        snapshot=Snapshot(f"{name}.yaml", name, "apps/erp.yaml", "erp", None, {}),
    )


def new_items(numbers: Iterable[int]) -> list[NewItem]:
    """Return work items, one a number."""
    return [
        NewItem(
            f"S/{n}",
            {"supplier": "东方贸易有限公司", "invoice_no": f"INV-{n}", "total": Decimal(n) / 4},
            f"benchmark:{n}",
        )
        for n in numbers
    ]


@dataclass
class TimedHands:
    """`engine.ports.Hands` that need `PACE` seconds for an item and then hold what was to be entered."""

    record: dict[str, Any] = field(default_factory=dict)
    app_version: str | None = None
    item: ItemView | None = None

    async def begin(self, item: ItemView) -> None:
        """Take an item."""
        self.item, self.record = item, {}
        await asyncio.sleep(PACE)

    async def perform(self, step: Step) -> None:
        """Read what was entered; everything else takes no time."""
        if step.read and self.item is not None:
            self.record |= self.item.payload

    async def aim(self, commit: Step) -> None:
        """Find the button."""

    async def send(self, commit: Step, permit: Callable[[], None], limit: timedelta) -> Receipt:  # noqa: ARG002
        """Click."""
        permit()
        return Receipt("http://erp.invalid/1", None)

    async def find(self, commit: Step) -> Found:  # noqa: ARG002
        """See the record."""
        return Found(1, "http://erp.invalid/1")

    async def listed(self, keys: list[ItemView]) -> dict[int, int]:
        """See every record in the list."""
        return dict.fromkeys((view.item_id for view in keys), 1)

    async def capture(self, path: Path) -> bool:  # noqa: ARG002
        """Take no picture."""
        return False

    async def end(self, trace: Path | None) -> None:
        """Let go."""


@dataclass
class TimedOffice:
    """`engine.ports.Office`: one pair of timed hands a slot."""

    slots: dict[int, Hands] = field(default_factory=dict)

    async def hands(self, workflow: Workflow, slot: int) -> Hands:  # noqa: ARG002
        """Return the slot's hands."""
        return self.slots.setdefault(slot, TimedHands())


class Passing:
    """`engine.ports.Inspector` that finds nothing."""

    def inspect(self, workflow: Workflow, case: Case) -> Verdict:  # noqa: ARG002
        """Pass."""
        return Verdict("pass", ())


def process_name(number: int) -> str:
    """Return a worker's name in the form of `engine.worker.worker_name`."""
    return f"benchmark-{os.getpid()}-{number:04x}"
