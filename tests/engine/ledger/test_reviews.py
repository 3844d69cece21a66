from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from engine.definition import Commits, Review
from engine.errors import UserError
from engine.ledger import tables as t
from engine.ledger.protocol import Settlement, decide, gate
from engine.ledger.reviews import Reviewed, correct, reopen
from engine.ledger.reviews import decide as review
from engine.ledger.runs import NewItem
from engine.ports import Verdict
from tests.engine.conftest import Bench, invoice, make_workflow

FOUR_EYES = make_workflow(review=Review(audit_sample=0, four_eyes_over={"total": Decimal(1000)}))


def in_review(bench: Bench, *, url: str | None = "http://erp.invalid/1", item: NewItem | int = 1) -> int:
    """Bring an item into review, with a record in the application unless there is no URL."""
    bench.enqueue(item)
    claimed = bench.claim()
    bench.settle(claimed, Settlement("review", reason="mismatch", record_url=url))
    return claimed.item_id


def say(bench: Bench, item_id: int, decision: Any = "accept", who: str = "ana", **how: Any) -> Reviewed:
    return review(bench.database, item_id, decision, who, workflow=bench.workflow, **how)


def mend(bench: Bench, item_id: int, **changes: Any) -> Reviewed:
    return correct(bench.database, item_id, changes or {"total": Decimal("9.99")}, "ana", workflow=bench.workflow)


def states(bench: Bench) -> list[str]:
    return [item.state for item in bench.rows(t.items)]


def test_accepting_closes_the_item_and_remembers_who_saw_which_attempt(bench: Bench) -> None:
    item_id = in_review(bench)
    bench.later(minutes=5)
    assert say(bench, item_id, reason="looks right") == Reviewed(item_id, "accepted")
    row, attempt = bench.one(t.reviews), bench.one(t.attempts)
    assert (row.decision, row.reviewer, row.reason, row.attempt_id) == ("accept", "ana", "looks right", attempt.id)
    assert (states(bench), bench.one(t.items).closed_at) == (["accepted"], bench.clock.now())
    assert bench.one(t.events, t.events.c.kind == "review.accept").actor == "ana"


def test_rejecting_needs_a_reason(bench: Bench) -> None:
    item_id = in_review(bench)
    before = bench.everything()
    with pytest.raises(UserError, match="reason"):
        say(bench, item_id, "reject")
    assert bench.everything() == before
    assert say(bench, item_id, "reject", reason="错误的供应商").state == "rejected"


def test_an_item_is_decided_once(bench: Bench) -> None:
    item_id = in_review(bench)
    say(bench, item_id, who="bo")
    before = bench.everything()
    with pytest.raises(UserError, match="accepted, decided by bo at 2026-01-05 08:00 UTC"):
        say(bench, item_id, "reject", reason="no")
    with pytest.raises(UserError, match="accepted"):
        mend(bench, item_id)
    assert bench.everything() == before


def test_a_stale_view_is_refused(bench: Bench) -> None:
    item_id = in_review(bench)
    seen = bench.one(t.attempts).id
    reopen(bench.database, item_id, "bo", "try again")
    bench.settle(bench.claim(), Settlement("review", reason="duplicate"))
    before = bench.everything()
    with pytest.raises(UserError, match="worked on since you looked"):
        say(bench, item_id, seen_attempt=seen)
    assert bench.everything() == before
    assert say(bench, item_id, seen_attempt=seen + 1).state == "accepted"


@pytest.mark.parametrize("action", [say, mend])
def test_an_unknown_item_is_said_to_be_unknown(bench: Bench, action: Any) -> None:
    with pytest.raises(UserError, match="there is no item 99"):
        action(bench, 99)
    with pytest.raises(UserError, match="there is no item 99"):
        reopen(bench.database, 99, "ana", "x")


def test_an_item_that_is_still_worked_on_does_not_wait(bench: Bench) -> None:
    bench.enqueue(1)
    claimed = bench.claim()
    with pytest.raises(UserError, match="it is working"):
        say(bench, claimed.item_id)
    with pytest.raises(UserError, match="is working"):
        reopen(bench.database, claimed.item_id, "ana", "x")


def test_four_eyes_means_two_people(bench: Bench) -> None:
    bench.workflow = FOUR_EYES
    item_id = in_review(bench)
    assert say(bench, item_id) == Reviewed(item_id, "review", needs_second=True)
    before = bench.everything()
    with pytest.raises(UserError, match="second person"):
        say(bench, item_id)
    assert bench.everything() == before
    assert say(bench, item_id, who="bo").state == "accepted"
    assert [row.reviewer for row in bench.rows(t.reviews)] == ["ana", "bo"]


def test_two_pairs_of_eyes_are_wanted_again_where_an_item_waits_anew(bench: Bench) -> None:
    bench.workflow = FOUR_EYES
    item_id = in_review(bench)
    say(bench, item_id, who="ana")
    done = correct(bench.database, item_id, {"total": Decimal(5000)}, "bo", workflow=FOUR_EYES)
    assert done.correction_item_id is not None
    bench.settle(bench.claim(), Settlement("review", reason="unusual"))
    bench.later(minutes=1)
    say(bench, done.correction_item_id, "reject", reason="worse")
    assert say(bench, item_id, who="cy").needs_second, "what ana said was before bo found it wrong"
    assert say(bench, item_id, who="di").state == "accepted"


def test_one_person_may_decide_below_the_limit_and_may_always_reject(bench: Bench) -> None:
    bench.workflow = FOUR_EYES
    small = replace(invoice(1), payload={**invoice(1).payload, "total": Decimal("1000.00")})
    assert say(bench, in_review(bench, item=small)).state == "accepted"
    assert say(bench, in_review(bench, item=2), "reject", reason="no").state == "rejected"


def test_the_second_person_sees_what_the_first_one_saw(bench: Bench) -> None:
    bench.workflow = FOUR_EYES
    item_id = in_review(bench)
    say(bench, item_id, who="ana")
    reopen(bench.database, item_id, "bo", "try again")
    bench.settle(bench.claim(), Settlement("review", reason="duplicate"))
    assert say(bench, item_id, who="bo").needs_second, "ana never saw this attempt"
    assert say(bench, item_id, who="ana").state == "accepted"


def test_a_passed_item_waits_only_if_it_was_drawn_into_the_audit_sample(bench: Bench) -> None:
    bench.enqueue(1, 2)
    plain, drawn = bench.claim(), bench.claim()
    bench.settle(plain, Settlement("passed"))
    bench.settle(drawn, Settlement("passed", verdict=Verdict("pass"), audit_sample=1.0))
    with pytest.raises(UserError, match="it is passed"):
        say(bench, plain.item_id)
    assert say(bench, drawn.item_id).state == "accepted"
    with pytest.raises(UserError, match="accepted, decided by ana"):
        say(bench, drawn.item_id, who="bo")


def test_four_eyes_hold_for_the_audit_sample_too(bench: Bench) -> None:
    bench.workflow = FOUR_EYES
    bench.enqueue(1)
    claimed = bench.claim()
    bench.settle(claimed, Settlement("passed", verdict=Verdict("pass"), audit_sample=1.0))
    assert say(bench, claimed.item_id).needs_second
    assert say(bench, claimed.item_id, who="bo").state == "accepted"


def test_an_invalid_row_is_decided_without_an_attempt(bench: Bench) -> None:
    bench.workflow = FOUR_EYES
    bench.enqueue(replace(invoice(1), problems=("date: empty",)))
    assert say(bench, 1).needs_second
    with pytest.raises(UserError, match="second person"):
        say(bench, 1)
    assert say(bench, 1, who="bo").state == "accepted"


def test_an_invalid_row_is_never_given_to_the_bots_as_it_is(bench: Bench) -> None:
    bench.enqueue(replace(invoice(1), problems=("date: empty",)))
    with pytest.raises(UserError, match="invalid"):
        reopen(bench.database, 1, "ana", "just do it")
    assert bench.nothing_to_claim()


def test_a_correction_is_a_work_item_that_closes_the_original_when_it_passes(bench: Bench) -> None:
    item_id = in_review(bench)
    reviewed = mend(bench, item_id)
    assert (reviewed.state, states(bench)) == ("correcting", ["correcting", "ready"])
    claimed = bench.claim()
    assert (claimed.item_id, claimed.kind, claimed.corrects) == (reviewed.correction_item_id, "correction", item_id)
    assert (claimed.reference, claimed.record_url) == ("东方/INV-1#correction-1", "http://erp.invalid/1")
    assert claimed.payload == {**bench.rows(t.items)[0].payload, "total": "9.99"}
    row = bench.one(t.reviews)
    assert (row.decision, row.changes, row.correction_item_id) == ("correct", {"total": "9.99"}, claimed.item_id)
    bench.settle(claimed, Settlement("passed"))
    assert states(bench) == ["corrected", "passed"]


def test_corrections_are_done_before_new_work(bench: Bench) -> None:
    item_id = in_review(bench)
    bench.enqueue(2)
    bench.later(seconds=5)
    reviewed = mend(bench, item_id)
    assert bench.claim().item_id == reviewed.correction_item_id


def test_without_a_record_the_correction_enters_it(bench: Bench) -> None:
    bench.enqueue(replace(invoice(1), problems=("date: empty",)))
    bench.workflow = make_workflow(correction=False)
    mend(bench, 1)
    assert bench.claim().kind == "entry"


def test_without_correction_steps_a_record_is_mended_by_hand(bench: Bench) -> None:
    item_id = in_review(bench)
    bench.workflow = make_workflow(correction=False)
    before = bench.everything()
    with pytest.raises(UserError, match="mend the record by hand"):
        mend(bench, item_id)
    assert bench.everything() == before


@pytest.mark.parametrize("outcome", [None, "sent"])
def test_a_record_that_may_exist_unseen_is_never_entered_a_second_time(bench: Bench, outcome: Any) -> None:
    bench.enqueue(1)
    claimed = bench.claim()
    intent = gate(bench.database, claimed, 0, Commits())
    if outcome:
        decide(bench.database, claimed, intent, outcome)
    bench.settle(claimed, Settlement("review", reason="in_doubt", error_kind="business"))
    before = bench.everything()
    with pytest.raises(UserError, match="may exist"):
        mend(bench, claimed.item_id)
    assert bench.everything() == before


def test_a_commit_that_provably_never_arrived_may_be_corrected(bench: Bench) -> None:
    bench.enqueue(1)
    claimed = bench.claim()
    decide(bench.database, claimed, gate(bench.database, claimed, 0, Commits()), "rejected")
    bench.settle(claimed, Settlement("review", reason="application_rejected", error_kind="business"))
    assert mend(bench, claimed.item_id).state == "correcting"


def failed_correction(bench: Bench) -> tuple[int, int]:
    item_id = in_review(bench)
    reviewed = mend(bench, item_id)
    bench.settle(bench.claim(), Settlement("review", reason="mismatch", record_url="http://erp.invalid/1"))
    assert reviewed.correction_item_id is not None
    return item_id, reviewed.correction_item_id


def test_accepting_a_correction_closes_the_original_too(bench: Bench) -> None:
    _, correction = failed_correction(bench)
    say(bench, correction)
    assert states(bench) == ["corrected", "accepted"]


def test_rejecting_a_correction_gives_the_original_back_to_review(bench: Bench) -> None:
    item_id, correction = failed_correction(bench)
    say(bench, correction, "reject", reason="wrong again")
    assert states(bench) == ["review", "rejected"]
    assert mend(bench, item_id).state == "correcting"
    assert bench.rows(t.items)[-1].reference == "东方/INV-1#correction-2"


def test_a_correction_of_a_correction_closes_both(bench: Bench) -> None:
    _, correction = failed_correction(bench)
    mend(bench, correction)
    bench.settle(bench.claim(), Settlement("passed"))
    assert states(bench) == ["corrected", "corrected", "passed"]


def test_a_reopened_item_goes_back_to_the_bots_and_its_run_is_open_again(bench: Bench) -> None:
    item_id = in_review(bench)
    assert bench.one(t.runs).state == "auditing"
    run_id = reopen(bench.database, item_id, "ana", "the portal was down")
    run, item = bench.one(t.runs), bench.one(t.items)
    assert (run.id, run.state, run.audit_at, run.finished_at) == (run_id, "open", None, None)
    assert (item.state, item.reason, item.failures, item.closed_at) == ("ready", None, 0, None)
    event = bench.one(t.events, t.events.c.kind == "item.reopened")
    assert (event.actor, event.data) == ("ana", {"reason": "the portal was down"})
    assert bench.claim().item_id == item_id


def test_what_a_person_decided_is_not_reopened(bench: Bench) -> None:
    item_id = in_review(bench)
    say(bench, item_id)
    with pytest.raises(UserError, match="only items in review"):
        reopen(bench.database, item_id, "ana", "x")
