"""What would make a sample flatter than the traffic is: none of it gets into a certificate or a figure."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from engine.attempt import refused
from engine.errors import BusinessException
from engine.ledger import certificates, sampling
from engine.ledger import tables as t
from engine.ledger.reviews import reopen
from qc_models.promise.certify import certify
from qc_models.promise.gauge import gauge
from qc_models.promise.memory import read_memory
from tests.qc_models.promise.conftest import Works, definition

Open = Callable[..., Works]
SEGMENTED = {"audit_sample": 0.1, "segments": {"supplier": "each"}}
SAME: dict[str, Any] = {"supplier": "Same Ltd", "invoice_no": "one", "total": Decimal(7)}


def test_an_output_that_a_person_had_done_again_without_deciding_counts_as_wrong(works: Open) -> None:
    here = works()
    here.stream([False] * 60, scores=lambda _: 0.1)
    for _ in range(30):
        here.inspect(0.1)
        reopen(here.bench.database, here.claimed.item_id, "ana", "the total is wrong, try again")
        here.work(0.05)
        here.rule_on(here.claimed.item_id, wrong=False)
    found = certify(here.bench.database, here.subject(), "ana")
    receipt = certificates.receipt_of(here.bench.database, found.issued.id)
    assert (found.issued.threshold, receipt["redone"]) == (None, 30)
    assert "30 count as wrong" in found.reason


@pytest.mark.parametrize("next_attempt", ["fails", "is inspected under another scope"])
def test_an_output_that_was_done_again_counts_as_wrong_whatever_became_of_it(works: Open, next_attempt: str) -> None:
    here = works()
    here.stream([False] * 60, scores=lambda _: 0.1)
    for _ in range(30):
        here.inspect(0.1)
        reopen(here.bench.database, here.claimed.item_id, "ana", "the supplier is wrong, try again")
        if next_attempt == "fails":
            here.bench.settle(here.bench.claim(), refused(BusinessException("unknown", "no such supplier")))
        else:
            here.app_version = "4.3"
            here.work(0.1)
            here.app_version = "4.2"
        here.rule_on(here.claimed.item_id, wrong=next_attempt == "fails")
        here.bench.later(minutes=1)
    here.stream([False], scores=lambda _: 0.1)
    found = certify(here.bench.database, here.subject(), "ana")
    receipt = certificates.receipt_of(here.bench.database, found.issued.id)
    assert (found.issued.threshold, receipt["redone"], receipt["there"]) == (None, 30, 91)
    seen = gauge(here.bench.database, here.workflow)
    assert (seen.residual.records, seen.until) == (61, None), "what left the scope does not hold up its figures"


def test_what_another_check_had_done_again_could_never_have_passed_and_counts_as_it_ended(works: Open) -> None:
    here = works()
    here.stream([False] * 60, scores=lambda _: 0.1)
    for _ in range(20):
        here.inspect(0.1, rule=True)
        reopen(here.bench.database, here.claimed.item_id, "ana", "mistyped")
        here.work(0.1)
        here.rule_on(here.claimed.item_id, wrong=False)
    found = certify(here.bench.database, here.subject(), "ana")
    assert (found.issued.holds, found.there) == (True, 80)


def test_a_group_that_is_held_back_for_being_new_does_not_crowd_the_sample(works: Open) -> None:
    here = works(definition(SEGMENTED))
    here.stream([False] * 75, scores=lambda _: 0.1)
    assert certify(here.bench.database, here.subject(), "ana").issued.holds
    here.inspect(0.1, supplier="Nowhere Ltd")
    row = here.bench.rows(t.verdicts)[-1]
    assert (row.decision, row.audit_probability, row.audit_floor) == ("review", 1.0, 0.1)


def test_a_mistake_that_repeats_counts_each_time(works: Open) -> None:
    here = works()
    here.stream([False] * 75, scores=lambda _: 0.1)
    for _ in range(40):
        here.inspect(0.1, **SAME)
        here.rule_on(here.claimed.item_id, wrong=True)
    found = certify(here.bench.database, here.subject(), "ana")
    assert (found.there, found.issued.threshold) == (115, None)
    seen = gauge(here.bench.database, here.workflow)
    assert seen.figures is not None
    assert (seen.residual.records, seen.figures.error_rate.value) == (115, 40 / 115)


def test_right_ones_of_equal_contents_count_once(works: Open) -> None:
    here = works()
    for _ in range(40):
        here.inspect(0.1, **SAME)
        here.rule_on(here.claimed.item_id, wrong=False)
    assert certify(here.bench.database, here.subject(), "ana").there == 1


def test_what_was_wrong_before_an_alarm_stays_in_the_gauge(works: Open) -> None:
    here = works(definition({"audit_sample": 1}, until_proven="model"))
    here.stream([n % 2 == 0 for n in range(60)], scores=lambda _: 0.1)
    here.watch()
    here.stream([False] * 5, scores=lambda _: 0.1)
    here.watch()
    assert gauge(here.bench.database, here.workflow).residual.records == 65


def counted(here: Works) -> tuple[int, int, int]:
    """Return how many audits the watch says are there, and its wrong and its audited passes."""
    here.watch()
    plan = sampling.plan_of(here.bench.database, here.workflow.name, 1.0)
    known = read_memory(plan.state).of(here.subject().scope.hash)
    assert known.watch is not None
    return known.there, known.watch.states[""].k, known.watch.states[""].n


def settle_dispute(here: Works, review: Any) -> None:
    """Let a second person call wrong what was called right, and a third agree, so that the item waits again."""
    now = here.bench.clock.now()
    row = {"item_id": review.item_id, "review_id": review.id, "draw": 0.1, "probability": 1.0}
    row |= {"decision": "reject", "reason": "no", "created_at": now, "decided_at": now}
    with here.bench.database.write() as connection:
        for kind, who in (("blind", "bo"), ("adjudication", "cy")):
            connection.execute(t.second_reviews.insert().values(**row, kind=kind, reviewer=who))
        again = t.items.update().where(t.items.c.id == review.item_id)
        connection.execute(again.values(state="review", closed_at=now))
    here.bench.later(minutes=1)


def test_an_item_that_is_decided_again_after_a_dispute_is_counted_once(works: Open) -> None:
    here = works(definition({"audit_sample": 1}, until_proven="model"))
    here.stream([False] * 10, scores=lambda _: 0.1)
    here.watch()
    last = here.bench.rows(t.reviews)[-1]
    settle_dispute(here, last)
    here.rule_on(last.item_id, wrong=True, reviewer="dee")
    assert counted(here) == (10, 1, 11)


def test_an_output_that_was_done_again_after_a_dispute_is_counted_like_any_other(works: Open) -> None:
    here = works(definition({"audit_sample": 1}, until_proven="model"))
    here.stream([False] * 10, scores=lambda _: 0.1)
    last = here.bench.rows(t.reviews)[-1]
    here.watch()
    settle_dispute(here, last)
    assert counted(here) == (10, 1, 11)
    reopen(here.bench.database, last.item_id, "ana", "now the record is gone, enter it again")
    here.work(0.1)
    here.rule_on(last.item_id, wrong=True, reviewer="dee")
    assert counted(here) == (11, 2, 12)
