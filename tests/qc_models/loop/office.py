"""A ledger in which a model inspects invoices and people who know the truth decide, without an application."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from rich.console import Console

from engine.clock import ManualClock
from engine.definition import CheckSpec, Review, Workflow
from engine.ledger import models as registry
from engine.ledger import tables as t
from engine.ledger.database import Database
from engine.ledger.protocol import Settlement
from engine.ledger.reviews import decide
from engine.ledger.runs import NewItem
from engine.ports import Case, Verdict
from engine.values import Record, encode
from qc_models.checks.model import ModelParams
from qc_models.countersigner import Countersigner
from qc_models.loop.shadow import Shadows
from qc_models.store import ModelStore
from tests.engine.conftest import Bench, make_workflow
from tests.qc_models.cases import FIELDS

NAME = "entry-quality"
MODEL = CheckSpec("model", ModelParams(name=NAME, until_proven="model"), 1)


@dataclass
class ReviewedOffice:
    """The loop's desk, and the work that fills its ledger."""

    database: Database
    models_dir: Path
    definition: Workflow = field(
        default_factory=lambda: replace(make_workflow(name="invoice-entry"), fields=FIELDS, checks=(MODEL,))
    )
    console: Console = field(default_factory=lambda: Console(width=200))
    user: str = "ana"

    def __post_init__(self) -> None:
        """Open the store once: profiles remember."""
        self.models = ModelStore(
            self.models_dir,
            champion=lambda name: registry.champion(self.database, name),
            registered=lambda name, version: registry.digest(self.database, name, version),
        )
        self.failed: list[tuple[str, str, str]] = []
        clock = self.database.clock
        assert isinstance(clock, ManualClock)
        self.bench = Bench(self.database, clock, self.definition)

    def load(self, path: Path) -> Workflow:
        """Return the only definition there is."""
        assert path
        return self.definition

    def workflow(self, definition_hash: str) -> Workflow:
        """Return the only definition there is."""
        assert definition_hash
        return self.definition

    def shadows(self) -> Shadows:
        """Return the challengers as a new process would open them."""

        def failed(name: str, version: str, reason: str) -> None:
            self.failed.append((name, version, reason))
            registry.shadow_failed(self.database, name, version, reason)

        return Shadows(self.models, lambda name: registry.in_shadow(self.database, name), failed)

    def inspect(self, records: Mapping[str, Record], *, audit: float = 0.3) -> list[Verdict]:
        """Enqueue records, inspect each as it is read back, and settle."""
        countersigner = Countersigner(self.models, shadows=self.shadows())
        workflow = replace(self.definition, review=Review(audit_sample=audit))
        self.bench.enqueue(
            *(NewItem(reference, record, "invoices.csv") for reference, record in records.items()), workflow=workflow
        )
        verdicts = []
        for reference, record in records.items():
            claimed = self.bench.claim()
            verdict = countersigner.inspect(
                self.definition, Case(self.definition.name, claimed.reference, record, record, FIELDS)
            )
            assert claimed.reference == reference
            ended: Literal["passed", "review"] = "passed" if verdict.decision == "pass" else "review"
            end = Settlement(ended, verdict=verdict, read_back=encode(record), audit_sample=audit)
            self.bench.settle(claimed, end)
            verdicts.append(verdict)
        return verdicts

    def review(self, wrong: Iterable[str]) -> int:
        """Let a person who knows the truth decide on all that waits; return how many those were."""
        known = set(wrong)
        waiting = sa.or_(t.items.c.state == "review", sa.and_(t.items.c.state == "passed", t.items.c.audited))
        rows: list[Any] = self.bench.rows(t.items, waiting)
        for row in rows:
            bad = row.reference in known
            decide(
                self.database,
                row.id,
                "reject" if bad else "accept",
                "ana",
                workflow=self.definition,
                reason="wrong" if bad else None,
            )
        return len(rows)
