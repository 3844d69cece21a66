from __future__ import annotations

import pytest

from engine.ledger import sampling
from engine.ledger import tables as t
from engine.ledger.protocol import Settlement
from engine.ledger.sampling import SamplingPlan
from engine.ledger.verdicts import scope_hash
from engine.ports import Finding, Score, Verdict
from tests.engine.conftest import Bench

PINS = {"model": "entry-quality", "model_version": "7", "contract": "abc"}


def put(bench: Bench, plan: SamplingPlan) -> None:
    with bench.database.write() as connection:
        sampling.put(connection, bench.database, "invoice-entry", plan, "tests")


def passed(probability: float = 0.01, *shadows: Score) -> Settlement:
    score = Score("entry-quality", "7", probability, 0.5)
    verdict = Verdict("pass", (), score, pins=PINS, certificate=None, shadows=shadows)
    return Settlement("passed", verdict=verdict, audit_sample=0.02, signals={"attempts": 1.0})


def settled(bench: Bench, end: Settlement) -> int:
    claimed = bench.claim()
    bench.settle(claimed, end)
    return claimed.item_id


def test_the_draw_is_written_when_an_item_is_enqueued_and_the_probability_with_the_verdict(bench: Bench) -> None:
    bench.enqueue(1)
    drawn = bench.one(t.items).audit_draw
    settled(bench, passed())
    verdict = bench.one(t.verdicts)
    assert (bench.one(t.items).audit_draw, verdict.audit_floor, verdict.audit_probability) == (drawn, 0.02, 0.02)
    assert bench.one(t.items).audited == (drawn < 0.02)


def test_a_flagged_item_is_looked_at_for_sure_and_keeps_the_floor(bench: Bench) -> None:
    bench.enqueue(1)
    doubt = Verdict("review", (Finding("model", "unusual", "?"),), Score("entry-quality", "7", 0.9, 0.5))
    settled(bench, Settlement("review", verdict=doubt, audit_sample=0.02))
    verdict = bench.one(t.verdicts)
    assert (verdict.audit_floor, verdict.audit_probability, bench.one(t.items).audited) == (0.02, 1.0, False)


def test_where_everything_goes_to_a_person_everything_is_in_the_random_sample(bench: Bench) -> None:
    bench.enqueue(1)
    held = Verdict("review", (Finding("model", "not_proven", "?"),), Score("entry-quality", "7", 0.1, 0.5), held=True)
    settled(bench, Settlement("review", verdict=held, audit_sample=0.02))
    assert bench.one(t.verdicts).audit_floor == 1.0


def test_a_plan_goes_before_the_definition_and_tops_up_by_risk(bench: Bench) -> None:
    bench.enqueue(1, 2)
    put(bench, SamplingPlan("tightened", 0.1, top_up=2.0, reason="alarm"))
    settled(bench, passed(0.01))
    settled(bench, passed(0.3))
    probabilities = [row.audit_probability for row in bench.rows(t.verdicts)]
    assert probabilities == pytest.approx([0.1, 0.6])
    assert {row.audit_floor for row in bench.rows(t.verdicts)} == {0.1}


def test_a_change_of_level_is_told_once(bench: Bench) -> None:
    for _ in range(2):
        put(bench, SamplingPlan("stopped", 1.0, auto_pass=False, reason="five lots were refused", state={"k": 3}))
    told = [event.data for event in bench.rows(t.events) if event.kind == "sampling.changed"]
    assert told == [
        {
            "workflow": "invoice-entry",
            "level": "stopped",
            "floor": 1.0,
            "auto_pass": False,
            "reason": "five lots were refused",
        }
    ]
    assert sampling.plan_of(bench.database, "invoice-entry", 0.02).state == {"k": 3}


def test_a_verdict_keeps_its_scope_once_and_what_the_challengers_said(bench: Bench) -> None:
    bench.enqueue(1, 2)
    for _ in range(2):
        settled(bench, passed(0.01, Score("entry-quality", "8", 0.4, 0.3)))
    scope = scope_hash("invoice-entry", PINS)
    assert {row.scope for row in bench.rows(t.verdicts)} == {scope}
    assert [(row.hash, row.pins) for row in bench.rows(t.scopes)] == [(scope, PINS)]
    assert [(row.version, row.probability) for row in bench.rows(t.shadow_scores)] == [("8", 0.4)] * 2
