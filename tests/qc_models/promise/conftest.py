"""A small works: outputs with known truth go through the real inspector and ledger, and people review them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from engine.clock import ManualClock
from engine.definition import CheckSpec, Review, Workflow
from engine.ledger import tables as t
from engine.ledger.certificates import scopes
from engine.ledger.protocol import Settlement
from engine.ledger.restore import set_sequences
from engine.ledger.reviews import decide
from engine.ports import Case, Finding, Score, Verdict
from engine.values import decode
from qc_models.checks.model import Judgement, ModelParams
from qc_models.countersigner import Countersigner
from qc_models.promise.certify import Subject
from qc_models.promise.promised import Promise
from qc_models.promise.standing import Promises
from qc_models.promise.watch import watch_rates
from tests.engine.conftest import (
    Bench,
    backend,
    bench,
    clock,
    database,
    invoice,
    make_workflow,
    migrated,
    open_ledger,
)

__all__ = ["backend", "bench", "clock", "database", "migrated", "open_ledger"]

DELTA, ALPHA = 0.1, 0.1


@dataclass(frozen=True)
class History:
    """What a works lived through: its ledger, and the time it left."""

    tables: dict[str, list[Any]]
    clock: ManualClock


_LIVED: dict[str, History] = {}


def put_back(bench: Bench, tables: Mapping[str, Sequence[Any]]) -> None:
    """Fill an unused ledger with every row of another, ids included; what was NULL is NULL again, in JSON too."""
    with bench.database.write() as connection:
        for table in t.metadata.sorted_tables:
            rows = [dict(row._mapping) for row in tables[table.name]]
            for column in (column.name for column in table.columns if isinstance(column.type, sa.JSON)):
                for row in rows:
                    row[column] = sa.null() if row[column] is None else row[column]
            if connection.execute(sa.select(table).limit(1)).first():  # an audit log refuses to be emptied
                connection.execute(table.delete())
            if rows:
                connection.execute(table.insert(), rows)
        set_sequences(connection)


def definition(review: dict[str, Any] | None = None, **params: Any) -> Workflow:
    """Return a workflow whose outputs a model inspects; its promise is 10 % at 90 %, so that samples stay small."""
    said: dict[str, Any] = {"max_residual_error": ALPHA, "confidence": 1 - DELTA, **params}
    check = CheckSpec("model", ModelParams(name="entry-quality", **said), 1)
    return replace(make_workflow(review=Review.model_validate(review or {"audit_sample": 1})), checks=(check,))


@dataclass
class Model:
    """A model in service: what it says of a record is what the test says."""

    version: str = "7"
    score: float = 0.1

    def get(self, name: str, version: str | None = None) -> Any:
        """Return what pins are made of."""
        del version
        family = SimpleNamespace(schema="s" * 64)
        return SimpleNamespace(name=name, version=self.version, sha256=self.version * 64, family=family)

    def first_look(self, case: Case) -> tuple[Finding, ...]:
        """See nothing."""
        del case
        return ()

    def judge(self, params: ModelParams, case: Case, review_at: float | None = None) -> Judgement:
        """Return the score against what is in force, or else against its own 0.5."""
        del case
        threshold = next(one for one in (params.threshold, review_at, 0.5) if one is not None)
        doubt = (Finding("model", "unusual", "odd", "total"),) if self.score >= threshold else ()
        return Judgement(Score(params.name, self.version, self.score, threshold), doubt)


@dataclass
class Works:
    """Records come in, are inspected and reviewed; the clock goes on by a minute with each."""

    bench: Bench
    workflow: Workflow
    model: Model = field(default_factory=Model)
    app_version: str | None = "4.2"
    number: int = 0
    planted: int = 0

    def __post_init__(self) -> None:
        self.promises = Promises(self.bench.database, self.model)

    def inspect(self, score: float = 0.1, *, rule: bool = False, **payload: Any) -> Verdict:
        """Let one record through inspection; `rule` adds a finding of another check."""
        self.enqueue(1, **payload)
        return self.work(score, rule=rule)

    def enqueue(self, count: int, **payload: Any) -> None:
        """Enqueue records that differ by number."""
        made = [invoice(self.number + n + 1) for n in range(count)]
        self.number += count
        items = [replace(new, payload={**new.payload, **payload}) for new in made]
        self.bench.enqueue(*items, workflow=self.workflow)

    def work(self, score: float, *, rule: bool = False) -> Verdict:
        """Inspect and settle the next record."""
        self.claimed = claimed = self.bench.claim()
        self.model.score = score
        typed = decode(claimed.payload, self.workflow.fields)
        fields = self.workflow.fields
        case = Case(self.workflow.name, claimed.reference, typed, typed, fields, app_version=self.app_version)
        verdict = Countersigner(self.model, self.promises).inspect(self.workflow, case)
        if rule:
            verdict = replace(verdict, decision="review", findings=(*verdict.findings, Finding("rule", "sum", "off")))
        state = "passed" if verdict.decision == "pass" else "review"
        end = Settlement(state, verdict=verdict, audit_sample=self.workflow.review.audit_sample)  # type: ignore[arg-type]
        self.bench.settle(claimed, end, workflow=self.workflow)
        self.bench.later(minutes=1)
        return verdict

    def rule_on(self, item_id: int, *, wrong: bool, reviewer: str = "ana") -> None:
        """Let a person decide."""
        decide(
            self.bench.database,
            item_id,
            "reject" if wrong else "accept",
            reviewer,
            workflow=self.workflow,
            reason="seen" if wrong else None,
        )

    def stream(
        self, outcomes: Iterable[bool], *, scores: Callable[[int], float] = lambda n: 0.01 + n % 50 / 100
    ) -> None:
        """Let records through that are wrong where it says so, and have everything reviewed that waits for a person.

        What the same works did from its first record on is lived through once a process, then brought back.
        """
        truths = list(outcomes)
        said = [scores(n) for n in range(len(truths))]
        begin = (self.workflow, self.model.version, self.app_version, self.bench.clock)
        key = repr((self.bench.database.is_sqlite, truths, said, begin))
        unused = not self.bench.rows(t.runs)
        if unused and key in _LIVED:
            self.bench.clock.__dict__.update(_LIVED[key].clock.__dict__)
            put_back(self.bench, _LIVED[key].tables)
            self.number += len(truths)
            return
        self.live(truths, said)
        if unused:
            _LIVED[key] = History(self.bench.everything(), replace(self.bench.clock))

    def live(self, truths: list[bool], scores: list[float]) -> None:
        """Let the records through one by one."""
        self.enqueue(len(truths))
        for wrong, score in zip(truths, scores, strict=True):
            self.work(score)
            item = self.bench.one(t.items, t.items.c.id == self.claimed.item_id)
            if item.state == "review" or item.audited:
                self.rule_on(item.id, wrong=wrong)

    def canary(self, *, found: bool) -> None:
        """Plant a copy of the last record with an error, and have it decided."""
        now = self.bench.clock.now()
        with self.bench.database.write() as connection:
            run = dict(self.bench.rows(t.runs)[-1]._mapping) | {"kind": "canary"}
            del run["id"]
            run_id = connection.execute(t.runs.insert().values(**run).returning(t.runs.c.id)).scalar_one()
            item = dict(self.bench.rows(t.items)[-1]._mapping)
            original = item.pop("id")
            self.planted += 1
            item |= {"run_id": run_id, "reference": f"canary {self.planted}", "state": "rejected"}
            item_id = connection.execute(t.items.insert().values(**item).returning(t.items.c.id)).scalar_one()
            row = {"item_id": item_id, "copied_from": original, "planted_by": "eve", "planted_at": now}
            planted = {"error": "typo", "fields": ["total"], "where": None}
            connection.execute(t.canaries.insert().values(**row, planted=planted))
            said = {"decision": "reject" if found else "accept", "reviewer": "ana", "created_at": now}
            connection.execute(t.reviews.insert().values(item_id=item_id, **said))

    def watch(self) -> None:
        """Let the watchers look, half a minute later."""
        self.bench.later(seconds=30)
        watch_rates(self.bench.database, lambda _hash: self.workflow)

    def subject(self) -> Subject:
        """Return what a certificate would be about now."""
        (params,) = (spec.params for spec in self.workflow.checks)
        return Subject(self.workflow, Promise.of(params), scopes(self.bench.database, self.workflow.name)[0])


@pytest.fixture
def works(bench: Bench) -> Callable[..., Works]:
    """Open a works on the bench's ledger."""

    def make(workflow: Workflow | None = None, **how: Any) -> Works:
        bench.workflow = workflow or definition()
        return Works(bench, bench.workflow, **how)

    return make


MATURE = timedelta(days=15)
