"""An item that passed hands its output on: all of it, once, in the transaction that settles it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from engine.attempt import Attempt
from engine.definition import Follow, Source, Step
from engine.errors import BusinessException, Stale, UserError
from engine.evidence import EvidenceStore
from engine.intake import followers, new_items
from engine.ledger import reviews
from engine.ledger import tables as t
from engine.ledger.protocol import Settlement
from engine.ledger.runs import followers_of
from tests.engine.conftest import LEASE, Bench, make_workflow
from tests.engine.simulated_app import Application, Comparing, SimulatedHands

CLEAR = replace(
    make_workflow(name="clear-items"), source=Source(follows="invoice-entry", reference="${supplier}/${invoice_no}")
)
PARENT = replace(
    make_workflow(), follow=Follow(workflow="clear-items", each="marks", hold="hold", why="why"), followed=CLEAR
)


def row(number: int, **changes: Any) -> dict[str, Any]:
    return {"supplier": "东方", "invoice_no": f"OP-{number}", "total": "7.50", "date": "2026-01-31", **changes}


def passed(*rows: dict[str, Any]) -> Settlement:
    return Settlement("passed", followers=followers(PARENT, "EUR/2026-01", {"marks": list(rows)}))


def following(bench: Bench) -> list[Any]:
    return bench.rows(t.items, t.items.c.workflow == "clear-items")


@pytest.fixture
def parent(bench: Bench) -> Bench:
    bench.workflow = PARENT
    bench.enqueue(1, 2)
    return bench


def test_what_passed_hands_on_its_rows_and_what_is_held_waits_for_a_person(parent: Bench) -> None:
    held = row(2, hold="suggested", why="the amount fits two")
    parent.settle(parent.claim(), passed(row(1), held, row(3, date="31.31.2026"), row(4, invoice_no="")))
    assert [(item.reference, item.state, item.reason) for item in following(parent)] == [
        ("东方/OP-1", "ready", None),
        ("东方/OP-2", "review", "suggested"),
        ("东方/OP-3", "review", "invalid_input"),
    ]
    (run,) = parent.rows(t.runs, t.runs.c.workflow == "clear-items")
    assert run.counts == {"enqueued": 1, "invalid": 1, "rejected": 1, "already_known": 0, "conflicts": 0, "held": 1}
    assert followers_of(parent.database, [1]) == [run.id]
    assert [found["message"] for found in parent.rows(t.verdicts)[0].findings] == ["the amount fits two"]
    assert parent.one(t.events, t.events.c.kind == "source.rejected").data["origin"] == "invoice-entry EUR/2026-01:4"
    waiting = following(parent)[1].id
    reviews.reopen(parent.database, waiting, "qa", "it is this one")
    assert [item.state for item in following(parent)] == ["ready", "ready", "review"]


@pytest.mark.parametrize("outcome", ["review", "retry", "in_doubt", "released"])
def test_what_did_not_pass_hands_on_nothing(parent: Bench, outcome: Any) -> None:
    parent.settle(parent.claim(), replace(passed(row(1)), outcome=outcome))
    assert following(parent) == []


def test_whoever_lost_the_item_hands_on_nothing_and_who_has_it_hands_on_once(parent: Bench) -> None:
    late = parent.claim()
    parent.later(seconds=LEASE.total_seconds() + 1)
    owner = next(one for one in (parent.claim("worker-2"), parent.claim("worker-2")) if one.item_id == late.item_id)
    with pytest.raises(Stale):
        parent.settle(late, passed(row(1)))
    assert following(parent) == []
    parent.settle(owner, passed(row(1)))
    with pytest.raises(Stale):
        parent.settle(owner, passed(row(1)))
    assert [item.reference for item in following(parent)] == ["东方/OP-1"]


def test_partitions_that_settle_at_once_hand_on_the_same_record_once(parent: Bench) -> None:
    claims = [parent.claim(), parent.claim()]
    ends = [passed(*map(row, numbers)) for numbers in (range(40), reversed(range(20, 60)))]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(parent.settle, claims, ends))
    assert len({item.reference for item in following(parent)}) == len(following(parent)) == 60


async def test_an_attempt_that_passed_hands_on_what_was_read_and_keeps_the_rest(
    bench: Bench, store: EvidenceStore
) -> None:
    workflow = replace(PARENT, follow=Follow(workflow="clear-items", each="marks"))
    bench.workflow = workflow
    bench.enqueue(1)
    hands = _ReadsRows(Application(bench.clock), workflow)
    attempt = Attempt(bench.database, workflow, bench.claim(), store, Comparing())
    end = await attempt.work(hands, lambda: True)
    bench.settle(attempt.claimed, end)
    assert [item.reference for item in following(bench)] == ["东方/OP-1", "东方/OP-2"]
    kept = bench.one(t.attempts).read_back
    assert kept["invoice_no"] == "INV-1"
    assert "marks" not in kept


class _ReadsRows(SimulatedHands):
    async def perform(self, step: Step) -> None:
        await super().perform(step)
        if step.read:
            self.record["marks"] = [row(1), row(2)]


def test_output_without_the_rows_is_no_empty_output() -> None:
    with pytest.raises(BusinessException, match="no rows named 'marks'"):
        followers(PARENT, "EUR", {})
    assert followers(make_workflow(), "EUR", {}) is None


def test_a_workflow_that_follows_is_not_started_by_itself() -> None:
    with pytest.raises(UserError, match="come from invoice-entry: start that instead"):
        new_items(CLEAR, None)


def test_what_a_person_accepts_is_handed_on_once_and_what_has_no_output_is_not_accepted(parent: Bench) -> None:
    first, second = parent.claim(), parent.claim()
    rows = [row(1), row(2, hold="suggested", why="the amount fits two")]
    parent.settle(first, Settlement("review", reason="doubted", read_back={"marks": rows}))
    parent.settle(second, Settlement("review", reason="tie_out", error_kind="business"))
    done = reviews.decide(parent.database, first.item_id, "accept", "qa", workflow=PARENT)
    assert done.following_run_id == parent.one(t.runs, t.runs.c.workflow == "clear-items").id
    assert [(item.reference, item.state) for item in following(parent)] == [
        ("东方/OP-1", "ready"),
        ("东方/OP-2", "review"),
    ]
    held = following(parent)[1].id
    with pytest.raises(UserError, match="accepting it enters nothing"):
        reviews.decide(parent.database, held, "accept", "qa", workflow=CLEAR)
    booked = reviews.decide(parent.database, held, "accept", "qa", workflow=CLEAR, reason="booked by hand")
    assert booked.state == "accepted"
    with pytest.raises(UserError, match="accepting it would lose its rows"):
        reviews.decide(parent.database, second.item_id, "accept", "qa", workflow=PARENT)
    rejected = reviews.decide(parent.database, second.item_id, "reject", "qa", workflow=PARENT, reason="sent again")
    assert (rejected.state, rejected.following_run_id, len(following(parent))) == ("rejected", None, 2)
