from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from engine.clock import ManualClock
from engine.ledger import tables as t
from engine.ledger.labels import CANARY, Inspected, adjudicate, inspected
from engine.ledger.protocol import Settlement
from engine.ledger.reviews import correct, decide
from engine.ports import Finding, Score, Verdict
from tests.engine.conftest import Bench

SCORE = Score("entry-quality", "7", 0.2, 0.1)
DOUBT = Verdict("review", (Finding("model", "unusual", "odd", "total"),), SCORE, pins={"model_version": "7"})
PROCESS = Verdict("review", (Finding("process", "in_doubt", "unknown"),))


def flagged(bench: Bench, verdict: Verdict = DOUBT, **how: Any) -> int:
    claimed = bench.claim()
    bench.settle(claimed, Settlement("review", reason="doubt", verdict=verdict, read_back={"total": "7.00"}, **how))
    return claimed.item_id


def labels(bench: Bench, **how: Any) -> list[Inspected]:
    return list(inspected(bench.database, "invoice-entry", **how))


def test_a_label_is_what_the_decision_on_that_output_says(bench: Bench) -> None:
    bench.enqueue(1, 2, 3)
    right, wrong, open_ = (flagged(bench, signals={"attempts": 1.0}) for _ in range(3))
    decide(bench.database, right, "accept", "ana", workflow=bench.workflow)
    decide(bench.database, wrong, "reject", "ana", workflow=bench.workflow, reason="not ours")
    found = {one.item_id: one for one in labels(bench)}
    assert found[open_].label is None
    accepted, label = found[right].label, found[wrong].label
    assert accepted is not None
    assert label is not None
    assert not accepted.wrong
    assert (label.wrong, label.fields, label.reviewers, label.disputed) == (True, None, ("ana",), False)
    assert (found[wrong].read_back, found[wrong].signals) == ({"total": "7.00"}, {"attempts": 1.0})


def test_a_correction_names_the_wrong_fields_and_is_no_case_of_its_own(bench: Bench) -> None:
    bench.enqueue(1)
    item = flagged(bench, record_url="http://erp.invalid/1")
    correct(bench.database, item, {"supplier": "Other"}, "ana", workflow=bench.workflow)
    flagged(bench)
    [one] = labels(bench)
    assert one.label is not None
    assert (one.item_id, one.label.wrong, one.label.fields) == (item, True, ("supplier",))


def test_what_no_inspection_judged_is_left_out_and_scopes_and_pages_hold(bench: Bench) -> None:
    bench.enqueue(1, 2, 3)
    flagged(bench, PROCESS)
    first, second = flagged(bench), flagged(bench)
    everything = labels(bench)
    assert [one.item_id for one in everything] == [first, second]
    assert labels(bench, scope="other") == []
    assert labels(bench, scope=everything[0].scope, after=everything[0].verdict_id) == everything[1:]
    assert labels(bench, item_ids=[second]) == everything[1:]


def test_canaries_are_no_cases(bench: Bench) -> None:
    bench.enqueue(1)
    flagged(bench)
    with bench.database.write() as connection:
        connection.execute(sa.update(t.runs).values(kind=CANARY))
    assert labels(bench) == []


def opinion(decision: str, who: str, kind: str = "", **changes: str) -> Any:
    at = ManualClock().now()
    return SimpleNamespace(
        decision=decision, reviewer=who, kind=kind, reason=None, changes=changes or None, created_at=at, decided_at=at
    )


@pytest.mark.parametrize(
    ("opinions", "wrong", "fields", "disputed", "adjudicated"),
    [
        ([("accept", "ana")], False, None, False, False),
        ([("accept", "ana"), ("accept", "bo", "blind")], False, None, False, True),
        ([("accept", "ana"), ("correct", "bo", "blind", "total")], True, ("total",), True, False),
        ([("reject", "ana"), ("correct", "bo", "blind", "total")], True, ("total",), False, True),
        ([("correct", "ana", "", "total"), ("correct", "bo", "blind", "date")], True, ("total",), True, False),
        ([("accept", "ana"), ("reject", "bo", "blind"), ("accept", "cy", "adjudication")], False, None, False, True),
        ([("accept", "ana"), ("accept", "bo", "blind"), ("reject", "cy", "adjudication")], True, None, False, True),
    ],
)
def test_looks_that_follow_confirm_dispute_or_overrule(
    opinions: list[Any], wrong: bool, fields: Any, disputed: bool, adjudicated: bool
) -> None:
    review, *seconds = (opinion(*one[:3], **dict.fromkeys(one[3:], "1")) for one in opinions)
    label = adjudicate(review, seconds)
    assert (label.wrong, label.fields, label.disputed, label.adjudicated) == (wrong, fields, disputed, adjudicated)
