from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa

from engine.definition import Review, Workflow
from engine.errors import UserError
from engine.ledger import tables as t
from engine.ledger.incidents import incidents, open_incident
from engine.ledger.labels import inspected
from engine.ledger.looks import due_look, end_look
from engine.ledger.protocol import Settlement
from engine.ledger.reviews import decide
from engine.ports import Finding, Score, Verdict
from qc_models.fairness.rates import case_of
from qc_models.fairness.watch import KIND, fairness, watch
from tests.engine.conftest import Bench, invoice, make_workflow

REVIEW = {"audit_sample": 1, "segments": {"supplier": "each", "total": [5000]}}
WORKFLOW = make_workflow(review=Review.model_validate(REVIEW))


def inspect(bench: Bench, number: int, supplier: str, probability: float) -> int:
    new = invoice(number)
    bench.enqueue(replace(new, payload={**new.payload, "supplier": supplier}))
    claimed = bench.claim()
    score = Score("entry-quality", "7", probability, 0.5)
    doubt = (Finding("model", "unusual", "odd"),) if probability >= 0.5 else ()
    verdict = Verdict("review" if doubt else "pass", doubt, score)
    bench.settle(claimed, Settlement("review" if doubt else "passed", verdict=verdict, audit_sample=1.0))
    return claimed.item_id


def definitions(definition_hash: str) -> Workflow:
    assert definition_hash == WORKFLOW.hash
    return WORKFLOW


def test_the_truth_is_used_only_where_the_draw_put_a_record_into_the_sample(bench: Bench) -> None:
    bench.workflow = WORKFLOW
    missed = inspect(bench, 1, "A", 0.1)
    decide(bench.database, missed, "reject", "ana", workflow=WORKFLOW, reason="wrong party")
    [one] = inspected(bench.database, WORKFLOW.name)
    assert case_of(one, {}).wrong is True
    with bench.database.write() as connection:
        connection.execute(sa.update(t.verdicts).values(audit_floor=one.draw))
    [one] = inspected(bench.database, WORKFLOW.name)
    assert case_of(one, {}).wrong is None
    seen = fairness(bench.database, WORKFLOW, tolerance=0.0)
    assert [(group.segment, group.group, group.flag.k, group.flag.n) for group in seen.groups] == [
        ("supplier", "A", 0, 1),
        ("total", "..5000", 0, 1),
    ]


def test_a_proven_gap_opens_one_incident_and_is_closed_when_it_is_gone(bench: Bench) -> None:
    bench.workflow = WORKFLOW
    for number in range(100):
        inspect(bench, number, "东方贸易有限公司" if number % 2 else "B", 0.9 if number % 2 else 0.1)
    for _ in range(2):
        watch(bench.database, definitions)
    told = [(one.kind, one.key) for one in incidents(bench.database)]
    assert sorted(told) == [(KIND, "supplier B flag"), (KIND, "supplier 东方贸易有限公司 flag")]
    for number in range(100, 200):
        inspect(bench, number, "B" if number % 2 else "东方贸易有限公司", 0.9 if number % 2 else 0.1)
    watch(bench.database, definitions)
    assert incidents(bench.database) == []


def test_a_workflow_that_cannot_be_loaded_does_not_keep_the_others_from_being_watched(bench: Bench) -> None:
    bench.workflow = replace(WORKFLOW, name="older")
    inspect(bench, 1, "A", 0.1)
    bench.workflow = WORKFLOW
    for number in range(100):
        inspect(bench, number, "A" if number % 2 else "B", 0.9 if number % 2 else 0.1)
    asked: list[str] = []

    def load(definition_hash: str) -> Workflow:
        asked.append(definition_hash)
        if len(asked) == 1:
            raise UserError("a key that this version does not know")
        return definitions(definition_hash)

    watch(bench.database, load)
    assert len(asked) == 2
    assert {one.subject for one in incidents(bench.database)} == {WORKFLOW.name}


def test_one_gap_that_is_gone_is_closed_while_another_stands(bench: Bench) -> None:
    bench.workflow = WORKFLOW
    with bench.database.write() as connection:
        open_incident(connection, bench.database, KIND, WORKFLOW.name, "supplier Z flag", "long gone")
        open_incident(connection, bench.database, KIND, "other", "supplier Z flag", "of another workflow")
    for number in range(100):
        inspect(bench, number, "A" if number % 2 else "B", 0.9 if number % 2 else 0.1)
    watch(bench.database, definitions)
    told = {(one.subject, one.key) for one in incidents(bench.database)}
    assert told == {
        (WORKFLOW.name, "supplier A flag"),
        (WORKFLOW.name, "supplier B flag"),
        ("other", "supplier Z flag"),
    }


def test_a_look_is_due_when_the_verdicts_have_doubled_and_is_counted_once(bench: Bench) -> None:
    bench.workflow = WORKFLOW
    name = WORKFLOW.name
    for number in range(4):
        assert due_look(bench.database, "k", name, first=4) is None
        inspect(bench, number, "A", 0.1)
    first = due_look(bench.database, "k", name, first=4)
    assert first is not None
    assert (first.number, first.verdicts) == (1, 4)
    with bench.database.write() as connection:
        assert end_look(connection, bench.database, first)
        assert not end_look(connection, bench.database, first)
    for number in range(4, 8):
        assert due_look(bench.database, "k", name, first=4) is None
        inspect(bench, number, "A", 0.1)
    second = due_look(bench.database, "k", name, first=4)
    assert second is not None
    assert second.number == 2
