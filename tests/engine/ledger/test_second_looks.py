from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from engine.clock import ManualClock
from engine.definition import Review
from engine.errors import UserError
from engine.evidence import EvidenceStore
from engine.ledger import erasure, reads, second_looks
from engine.ledger import tables as t
from engine.ledger.check import check
from engine.ledger.database import Database
from engine.ledger.labels import Label, inspected
from engine.ledger.protocol import Settlement
from engine.ledger.retention import NEEDED
from engine.ledger.review_queue import review_queue, waiting
from engine.ledger.reviewer_results import second_results
from engine.ledger.reviews import Reviewed, correct, decide, reopen
from engine.ports import Finding, Score, Verdict
from tests.engine.conftest import Bench, invoice, make_workflow

ALWAYS = make_workflow(review=Review(audit_sample=0, second_review=1))
SCORE = Score("entry-quality", "7", 0.2, 0.1)
DOUBT = Verdict("review", (Finding("model", "unusual", "odd", "total"),), SCORE)


def doubted(bench: Bench, number: int = 1, workflow: Any = ALWAYS) -> int:
    """Bring an item with a record in the application into review."""
    bench.workflow = workflow
    bench.enqueue(number)
    claimed = bench.claim()
    url = f"http://erp.invalid/{number}"
    end = Settlement("review", reason="unusual", verdict=DOUBT, record_url=url, read_back={"total": "7.00"})
    bench.settle(claimed, end)
    return claimed.item_id


def say(bench: Bench, item: int, decision: Any, who: str, **how: Any) -> Reviewed:
    if decision == "correct":
        changes = how.pop("changes", {"total": Decimal("9.99")})
        return correct(bench.database, item, changes, who, workflow=bench.workflow, **how)
    how.setdefault("reason", "no" if decision == "reject" else None)
    return decide(bench.database, item, decision, who, workflow=bench.workflow, **how)


def label(bench: Bench) -> Label:
    [one] = inspected(bench.database, "invoice-entry")
    assert one.label is not None
    return one.label


def state(bench: Bench, item: int) -> str:
    return str(bench.one(t.items, t.items.c.id == item).state)


def queue(bench: Bench, viewer: str) -> list[int]:
    return [row.id for row in review_queue(bench.database, viewer=viewer)]


def test_the_same_seed_draws_the_same_items_and_none_for_a_share_of_nothing(
    open_ledger: Callable[..., Database], clock: ManualClock
) -> None:
    drawn = []
    for name, share, when in (("one", 0.4, 0), ("two", 0.4, 500), ("three", 0, 0)):
        bench = Bench(
            open_ledger(clock, name), clock, make_workflow(review=Review(audit_sample=0, second_review=share))
        )
        bench.enqueue(*range(1, 21), seed=11)
        for _ in range(20):
            bench.later(seconds=when)
            claimed = bench.claim()
            bench.settle(claimed, Settlement("review", reason="unusual", verdict=DOUBT))
            say(bench, claimed.item_id, "accept", "ana")
        drawn.append([(row.item_id, round(row.draw, 12)) for row in bench.rows(t.second_reviews)])
        assert all(row.draw < row.probability == share for row in bench.rows(t.second_reviews))
    assert drawn[0] == drawn[1]
    assert 3 <= len(drawn[0]) <= 13
    assert drawn[2] == []


def test_a_second_person_sees_what_the_first_saw_and_the_first_sees_nothing(bench: Bench) -> None:
    item = doubted(bench)
    before = review_queue(bench.database, viewer="bo"), waiting(bench.database, item, "bo")
    seen, listed = reads.item(bench.database, item, "bo"), reads.items(bench.database, viewer="bo")
    bench.later(hours=3)
    say(bench, item, "reject", "ana", reason="not ours")
    assert (review_queue(bench.database, viewer="bo"), waiting(bench.database, item, "bo")) == before
    assert (reads.item(bench.database, item, "bo"), reads.items(bench.database, viewer="bo")) == (seen, listed)
    assert reads.items(bench.database, states=["rejected"], viewer="bo") == []
    assert reads.items(bench.database, states=["review"], viewer="bo") == listed, "as if nobody had decided"
    assert reads.items(bench.database, states=["review"], viewer="ana") == []
    assert queue(bench, "ana") == []
    assert reads.item(bench.database, item, "ana").reviews[0].reason == "not ours"
    with pytest.raises(UserError, match="does not wait for ana"):
        waiting(bench.database, item, "ana")


def test_a_second_opinion_changes_nothing_and_agreement_makes_the_label_adjudicated(bench: Bench) -> None:
    item = doubted(bench)
    say(bench, item, "accept", "ana")
    assert say(bench, item, "accept", "bo") == Reviewed(item, "accepted")
    assert (state(bench, item), queue(bench, "cy")) == ("accepted", [])
    assert (label(bench).wrong, label(bench).adjudicated, label(bench).reviewers) == (False, True, ("ana", "bo"))
    [found] = second_results(bench.database, "invoice-entry")
    assert (found.agreed, found.disputed, found.overruled) == (True, False, False)
    with pytest.raises(UserError, match="bo decided it already, at 2026-01-05"):
        say(bench, item, "accept", "bo")
    with pytest.raises(UserError, match="accepted, decided by ana at 2026-01-05"):
        say(bench, item, "reject", "cy")


def test_a_correction_at_a_second_look_orders_nothing(bench: Bench) -> None:
    item = doubted(bench)
    say(bench, item, "reject", "ana")
    done = say(bench, item, "correct", "bo")
    assert (done.state, done.correction_run_id, len(bench.rows(t.items))) == ("correcting", None, 1)
    assert state(bench, item) == "rejected"
    assert label(bench).fields == ("total",)


def test_who_had_a_say_decides_no_dispute_and_a_third_person_sees_both_opinions(bench: Bench) -> None:
    item = doubted(bench)
    say(bench, item, "accept", "ana", reason="looks right")
    say(bench, item, "reject", "bo", reason="other supplier")
    assert (label(bench).disputed, label(bench).wrong) == (True, True)
    assert (queue(bench, "ana"), queue(bench, "bo"), queue(bench, "cy")) == ([], [], [item])
    [row] = review_queue(bench.database, viewer="cy")
    assert row.reason == "disputed"
    assert row.message == 'ana: accept "looks right"; bo: reject "other supplier"'
    for who in ("ana", "bo"):
        with pytest.raises(UserError, match="ana and bo disagree; a third person"):
            say(bench, item, "accept", who)
    say(bench, item, "accept", "cy")
    assert (state(bench, item), label(bench).wrong, label(bench).adjudicated) == ("accepted", False, True)
    assert bench.one(t.events, t.events.c.kind == "second_review.confirmed").actor == "cy"
    assert queue(bench, "di") == []


def test_an_overruled_accept_waits_again_and_the_label_stays_what_the_third_said(bench: Bench) -> None:
    item = doubted(bench)
    say(bench, item, "accept", "ana")
    say(bench, item, "reject", "bo")
    bench.later(minutes=1)
    assert say(bench, item, "reject", "cy", reason="never ordered").state == "review"
    [row] = review_queue(bench.database, viewer="ana")
    assert (row.reason, row.message, row.accepted_by) == (
        "overruled",
        "ana decided to accept, but cy found it wrong: never ordered",
        None,
    )
    [found] = second_results(bench.database)
    assert found.overruled
    assert label(bench).wrong
    say(bench, item, "accept", "ana", reason="mended by hand")
    assert state(bench, item) == "accepted"
    assert (label(bench).wrong, label(bench).reviewers) == (True, ("ana", "bo", "cy"))
    assert queue(bench, "di") == [], "what was settled is not looked at again"


def test_a_third_person_with_the_right_values_orders_the_correction(bench: Bench) -> None:
    item = doubted(bench)
    say(bench, item, "accept", "ana")
    say(bench, item, "reject", "bo")
    done = say(bench, item, "correct", "cy")
    assert (done.state, state(bench, item)) == ("correcting", "correcting")
    bench.settle(bench.claim(), Settlement("passed", verdict=Verdict("pass")))
    assert state(bench, item) == "corrected"
    assert (label(bench).wrong, label(bench).fields) == (True, ("total",))


def test_a_correction_that_was_not_needed_is_undone_by_people(bench: Bench) -> None:
    item = doubted(bench)
    say(bench, item, "correct", "ana")
    say(bench, item, "accept", "bo")
    say(bench, item, "accept", "cy")  # while the bot still mends
    assert state(bench, item) == "review"
    assert bench.one(t.events, t.events.c.kind == "second_review.overruled").data == {
        "first": "correct",
        "now": "accept",
    }
    with pytest.raises(UserError, match="is still being worked on"):
        say(bench, item, "correct", "di")
    with pytest.raises(UserError, match="is still being worked on"):
        reopen(bench.database, item, "di", "again")
    with pytest.raises(UserError, match="is still being worked on"):
        say(bench, item, "accept", "di")  # the bot would change a record that somebody has just called right
    bench.settle(bench.claim(), Settlement("passed", verdict=Verdict("pass")))
    assert (state(bench, item), label(bench).wrong) == ("review", False)
    assert say(bench, item, "correct", "di", changes={"total": Decimal("1235.50")}).state == "correcting"


def test_the_correction_that_the_first_ordered_is_hidden_too(bench: Bench) -> None:
    item = doubted(bench)
    done = say(bench, item, "correct", "ana")
    assert [row.id for row in reads.items(bench.database, viewer="bo")] == [item]
    assert [row.id for row in reads.items(bench.database, viewer="ana")] == [done.correction_item_id, item]
    with pytest.raises(UserError, match="cannot be tried again now"):
        reopen(bench.database, item, "bo", "again")
    again = done.correction_item_id
    assert again is not None
    bench.settle(bench.claim(), Settlement("review", reason="unusual", verdict=DOUBT))
    assert (queue(bench, "bo"), queue(bench, "cy"), queue(bench, "ana")) == ([item], [item], [again])
    assert (queue(bench, "bo"), len(review_queue(bench.database, viewer="bo", limit=1))) == ([item], 1)
    with pytest.raises(UserError, match="does not wait for bo"):
        waiting(bench.database, again, "bo")
    with pytest.raises(UserError, match=f"there is no item {again}"):
        reads.item(bench.database, again, "bo")
    mended = say(bench, again, "correct", "ana").correction_item_id
    assert mended is not None
    assert [row.id for row in reads.items(bench.database, viewer="bo")] == [item], "nor what corrects the correction"
    say(bench, item, "reject", "bo")
    assert [row.id for row in reads.items(bench.database, viewer="bo")] == [mended, again, item]


def test_what_is_decided_anew_is_drawn_anew_if_nobody_had_looked(bench: Bench) -> None:
    item = doubted(bench)
    say(bench, item, "correct", "ana")
    bench.settle(bench.claim(), Settlement("review", reason="unusual", verdict=DOUBT))
    say(bench, item + 1, "reject", "ana", reason="worse than before")
    say(bench, item, "reject", "ana")
    assert queue(bench, "bo") == [item]
    say(bench, item, "reject", "bo")
    assert (label(bench).adjudicated, label(bench).reviewers) == (True, ("ana", "bo"))


def test_a_dispute_that_was_taken_back_waits_for_nobody(bench: Bench) -> None:
    item = doubted(bench)
    say(bench, item, "correct", "ana")
    say(bench, item, "accept", "bo")
    bench.settle(bench.claim(), Settlement("review", reason="unusual", verdict=DOUBT))
    assert second_results(bench.database)[0].disputed
    say(bench, item + 1, "reject", "cy", reason="worse than before")
    say(bench, item, "reject", "cy")
    [found] = second_results(bench.database)
    assert (found.agreed, found.disputed, found.overruled) == (False, False, False)


def test_two_who_correct_differently_disagree(bench: Bench) -> None:
    item = doubted(bench)
    say(bench, item, "correct", "ana")
    say(bench, item, "correct", "bo", changes={"total": Decimal("8.00")})
    bench.settle(bench.claim(), Settlement("passed", verdict=Verdict("pass")))
    assert queue(bench, "cy") == [item]
    assert say(bench, item, "correct", "cy", changes={"total": Decimal("8.00")}).correction_item_id is not None


def test_four_eyes_come_first_and_the_second_look_is_a_third_persons(bench: Bench) -> None:
    limit = {"total": Decimal(1000)}
    item = doubted(bench, workflow=make_workflow(review=Review(audit_sample=0, second_review=1, four_eyes_over=limit)))
    first = say(bench, item, "accept", "ana")
    assert (first.needs_second, bench.rows(t.second_reviews)) == (True, [])
    say(bench, item, "accept", "bo")
    assert (queue(bench, "ana"), queue(bench, "bo"), queue(bench, "cy")) == ([], [], [item])
    assert review_queue(bench.database, viewer="cy")[0].accepted_by is None
    assert say(bench, item, "accept", "cy") == first
    other = doubted(bench, 2, bench.workflow)
    for who in ("ana", "bo"):
        say(bench, other, "accept", who)
    say(bench, other, "reject", "cy")
    say(bench, other, "reject", "di")
    assert say(bench, other, "accept", "ana").needs_second, "what was overruled needs two again"
    assert say(bench, other, "accept", "bo").state == "accepted"


def test_a_view_of_before_is_refused(bench: Bench) -> None:
    item = doubted(bench)
    seen = bench.one(t.attempts).id
    say(bench, item, "accept", "ana")
    before = bench.everything()
    with pytest.raises(UserError, match="worked on since you looked"):
        say(bench, item, "accept", "bo", seen_attempt=seen + 1)
    assert bench.everything() == before


def test_a_look_at_what_does_not_stand_any_more_is_taken_back(bench: Bench) -> None:
    item = doubted(bench)
    say(bench, item, "accept", "ana")
    with bench.database.write() as connection:  # as a run audit does that misses the record
        connection.execute(sa.update(t.items).values(state="review", reason="audit_missing"))
    assert [row.reason for row in review_queue(bench.database, viewer="bo")] == ["audit_missing"]
    reopen(bench.database, item, "ana", "again")
    assert bench.one(t.second_reviews).decided_at == bench.clock.now()
    bench.settle(bench.claim(), Settlement("passed", verdict=Verdict("pass")))
    assert (queue(bench, "bo"), second_results(bench.database)) == ([], [])


def test_data_are_kept_while_a_look_waits_and_may_be_erased_after(bench: Bench, store: EvidenceStore) -> None:
    item = doubted(bench)
    say(bench, item, "accept", "ana")
    with bench.database.write() as connection:
        connection.execute(sa.update(t.runs).values(state="done"))
    assert bench.rows(t.items, NEEDED) != []
    with pytest.raises(UserError, match="waits for a person"):
        erasure.look(bench.database, invoice(1).reference)
    say(bench, item, "reject", "bo", reason="东方 is not ours")
    say(bench, item, "accept", "cy")
    assert bench.rows(t.items, NEEDED) == []
    assert check(bench.database, store).wrong == []
    found = erasure.look(bench.database, invoice(1).reference)
    assert found.rows["second_reviews"] == 2
    erasure.erase(bench.database, store, found, "ana", "asked to")
    assert [row.reason for row in bench.rows(t.second_reviews)] == [None, None]
    with pytest.raises(UserError, match=r"decided by ana at .*, erased at 2026-01-05"):
        say(bench, item, "accept", "di")


def test_erasing_takes_values_and_not_that_two_disagreed_about_them(bench: Bench, store: EvidenceStore) -> None:
    item = doubted(bench)
    say(bench, item, "correct", "ana")
    say(bench, item, "correct", "bo", changes={"total": Decimal("8.00")})
    bench.settle(bench.claim(), Settlement("passed", verdict=Verdict("pass")))
    say(bench, item, "correct", "cy")
    with bench.database.write() as connection:
        connection.execute(sa.update(t.runs).values(state="done"))
    before = second_results(bench.database)[0]
    erasure.erase(bench.database, store, erasure.look(bench.database, invoice(1).reference), "ana", "asked to")
    after = second_results(bench.database)[0]
    assert (after.agreed, after.disputed, after.overruled) == (False, False, False)
    assert (before.agreed, before.disputed, before.overruled) == (False, False, False)


def test_a_ledger_with_a_look_by_the_same_person_is_reported(bench: Bench, store: EvidenceStore) -> None:
    item = doubted(bench)
    say(bench, item, "accept", "ana")
    with bench.database.write() as connection:
        now = bench.clock.now()
        connection.execute(sa.update(t.second_reviews).values(reviewer="ana", decision="accept", decided_at=now))
    assert [(wrong.code, wrong.examples) for wrong in check(bench.database, store).wrong] == [
        ("second_look", (f"item {item}",))
    ]


def test_corrections_and_what_never_was_entered_are_not_looked_at_again(bench: Bench) -> None:
    bench.workflow = ALWAYS
    bench.enqueue(replace(invoice(9), problems=("total: empty",)))
    say(bench, 1, "reject", "ana")
    assert bench.rows(t.second_reviews) == []


def test_opinions_agree_on_right_and_wrong_and_on_what_is_right_instead() -> None:
    accept, reject = (second_looks.Opinion(decision, "ana") for decision in ("accept", "reject"))
    mend, other = (second_looks.Opinion("correct", "bo", changes={"total": value}) for value in ("1.00", "2.00"))
    assert second_looks.agree(reject, mend)
    assert not second_looks.agree(mend, other)
    assert not second_looks.agree(accept, reject)
