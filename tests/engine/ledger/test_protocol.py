from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from engine.definition import BreakerPolicy, Commits
from engine.errors import NotSent
from engine.evidence import EvidenceFile
from engine.ledger import tables as t
from engine.ledger.incidents import incidents
from engine.ledger.protocol import Settlement, decide, gate
from engine.ports import Finding, Score, Verdict
from tests.engine.conftest import Bench, make_workflow

COMMITS = Commits(
    click_window=timedelta(seconds=2), submit_timeout=timedelta(seconds=30), settle_time=timedelta(seconds=10)
)


def test_the_gate_writes_the_intent_and_the_state_together(bench: Bench) -> None:
    bench.enqueue(1)
    claimed = bench.claim()
    intent = gate(bench.database, claimed, 0, COMMITS)
    assert bench.one(t.items).state == "submitting"
    row = bench.one(t.intents)
    assert (row.id, row.segment, row.fence, row.gate, row.outcome) == (intent.id, 0, 1, 0, None)
    assert row.payload_hash == claimed.payload_hash
    assert (intent.at, intent.lands_until) == (bench.clock.now(), bench.clock.now() + timedelta(seconds=42))


def test_a_gate_that_the_lease_would_not_outlive_leaves_no_trace(bench: Bench) -> None:
    bench.enqueue(1)
    claimed = bench.claim()
    bench.later(seconds=28)
    before = bench.everything()
    with pytest.raises(NotSent) as caught:
        gate(bench.database, claimed, 0, COMMITS)
    assert caught.value.code == "lease_too_short"
    assert bench.everything() == before
    assert bench.rows(t.intents) == []


def test_a_lease_just_long_enough_passes_the_gate(bench: Bench) -> None:
    bench.enqueue(1)
    claimed = bench.claim()
    bench.later(seconds=27.9)
    gate(bench.database, claimed, 0, COMMITS)
    assert bench.one(t.items).state == "submitting"


def test_gates_of_a_segment_are_numbered(bench: Bench) -> None:
    bench.enqueue(1)
    claimed = bench.claim()
    first = gate(bench.database, claimed, 0, COMMITS)
    decide(bench.database, claimed, first, "not_clicked")
    gates = [(first.segment, first.gate)]
    for segment in (0, 1):
        intent = gate(bench.database, claimed, segment, COMMITS)
        gates.append((intent.segment, intent.gate))
    assert gates == [(0, 0), (0, 1), (1, 0)]


@pytest.mark.parametrize(
    ("outcome", "state"),
    [("sent", "submitted"), ("absent", "working"), ("not_clicked", "working"), ("rejected", "submitting")],
)
def test_a_decision_is_written_with_the_items_state(bench: Bench, outcome: Any, state: str) -> None:
    bench.enqueue(1)
    claimed = bench.claim()
    intent = gate(bench.database, claimed, 0, COMMITS)
    bench.later(seconds=1)
    decided = decide(bench.database, claimed, intent, outcome, url="http://erp.invalid/7", app_id="R-7")
    row, item = bench.one(t.intents), bench.one(t.items)
    assert (row.outcome, row.decided_at, item.state) == (outcome, bench.clock.now(), state)
    assert (decided.outcome, decided.decided_at) == (outcome, bench.clock.now())
    known = ("http://erp.invalid/7", "R-7") if outcome == "sent" else (None, None)
    assert (item.record_url, item.app_id) == known


def test_what_is_known_of_a_record_is_not_forgotten(bench: Bench) -> None:
    bench.enqueue(1)
    claimed = bench.claim()
    first = gate(bench.database, claimed, 0, COMMITS)
    decide(bench.database, claimed, first, "sent", url="http://erp.invalid/7", app_id="R-7")
    second = gate(bench.database, claimed, 1, COMMITS)
    decide(bench.database, claimed, second, "sent")
    assert (bench.one(t.items).record_url, bench.one(t.items).app_id) == ("http://erp.invalid/7", "R-7")


VERDICT = Verdict(
    "review",
    (Finding("read_back", "mismatch", "金额不同", field="total", expected="1.00", observed="7.00"),),
    Score("entry-quality", "3", 0.25, 0.1),
)
FILE = EvidenceFile("screenshot", "run-000001/item-000001/attempt-1/record.jpg", "a" * 64, 1234)


@pytest.mark.parametrize(
    ("end", "state", "closed", "failures"),
    [
        (Settlement("passed"), "passed", True, 0),
        (Settlement("review", reason="mismatch", verdict=VERDICT), "review", True, 0),
        (Settlement("retry", reason="element_missing", error_kind="system"), "ready", False, 1),
        (Settlement("in_doubt", reason="in_doubt"), "ready", False, 0),
        (Settlement("released", reason="worker_stopped"), "ready", False, 0),
    ],
)
def test_each_end_places_item_and_attempt(
    bench: Bench, end: Settlement, state: str, closed: bool, failures: int
) -> None:
    bench.enqueue(1)
    claimed = bench.claim()
    bench.later(seconds=3)
    bench.settle(claimed, end)
    item, attempt = bench.one(t.items), bench.one(t.attempts)
    assert (item.state, item.reason, item.owner, item.lease_until) == (state, end.reason, None, None)
    assert item.closed_at == (bench.clock.now() if closed else None)
    assert item.failures == failures
    assert (attempt.outcome, attempt.ended_at) == (end.outcome, bench.clock.now())
    assert attempt.error_code == (end.reason if end.error_kind else None)


@pytest.mark.parametrize("outcome", ["retry", "in_doubt", "released"])
def test_an_item_that_was_about_to_be_sent_keeps_its_state_and_waits(bench: Bench, outcome: Any) -> None:
    bench.enqueue(1)
    claimed = bench.claim()
    gate(bench.database, claimed, 0, COMMITS)
    until = bench.clock.now() + timedelta(seconds=42)
    bench.settle(claimed, Settlement(outcome, available_at=until))
    item = bench.one(t.items)
    assert (item.state, item.available_at) == ("submitting", until)
    assert bench.nothing_to_claim()
    bench.later(seconds=42)
    again = bench.claim()
    assert (again.fence, [intent.outcome for intent in again.intents]) == (2, [None])
    assert bench.one(t.items).state == "submitting"


def test_everything_learned_is_kept_in_one_transaction(bench: Bench) -> None:
    bench.enqueue(1)
    claimed = bench.claim()
    end = Settlement(
        "review",
        reason="mismatch",
        message="金额不同",
        verdict=VERDICT,
        read_back={"supplier": "东方贸易有限公司", "total": Decimal("7.00")},
        record_url="http://erp.invalid/7",
        steps=[{"step": "1 open", "seconds": 0.25}],
        evidence=[FILE],
        events=[("item.mended", {"total": Decimal("7.00")})],
    )
    bench.settle(claimed, end)
    attempt, verdict, file = bench.one(t.attempts), bench.one(t.verdicts), bench.one(t.evidence)
    assert attempt.read_back == {"supplier": "东方贸易有限公司", "total": "7.00"}
    assert (attempt.message, attempt.steps) == ("金额不同", [{"step": "1 open", "seconds": 0.25}])
    assert verdict.findings[0]["message"] == "金额不同"
    assert (verdict.probability, verdict.threshold, verdict.model, verdict.model_version) == (
        0.25,
        0.1,
        "entry-quality",
        "3",
    )
    assert (verdict.attempt_id, verdict.definition_hash) == (claimed.attempt_id, claimed.definition_hash)
    assert (file.attempt_id, file.kind, file.path, file.sha256, file.size) == (
        claimed.attempt_id,
        FILE.kind,
        FILE.path,
        FILE.sha256,
        FILE.size,
    )
    event = bench.one(t.events, t.events.c.kind == "item.mended")
    assert (event.item_id, event.run_id, event.data) == (claimed.item_id, claimed.run_id, {"total": "7.00"})
    assert bench.one(t.items).record_url == "http://erp.invalid/7"


def test_an_item_drawn_into_the_audit_sample_says_so(bench: Bench) -> None:
    bench.enqueue(1)
    bench.settle(bench.claim(), Settlement("passed", verdict=Verdict("pass"), audit_sample=1.0))
    assert bench.one(t.items).audited


FAILED = Settlement("retry", reason="http_500", error_kind="system")


def fail(bench: Bench, end: Settlement = FAILED) -> bool:
    return bench.settle(bench.claim(), end)


@pytest.fixture
def fragile(bench: Bench) -> Bench:
    """An application that is left alone for a minute after three failures."""
    bench.workflow = make_workflow(breaker=BreakerPolicy(failures=3, pause=timedelta(seconds=60)))
    bench.enqueue(*range(1, 10))
    return bench


def test_the_breaker_opens_at_the_nth_consecutive_failure_and_pauses_the_claim(fragile: Bench) -> None:
    assert [fail(fragile), fail(fragile), fail(fragile)] == [False, False, True]
    breaker = fragile.one(t.apps)
    assert (breaker.app, breaker.open_until) == ("erp", fragile.clock.now() + timedelta(seconds=60))
    assert breaker.reason == "http_500"
    event = fragile.one(t.events, t.events.c.kind == "breaker.opened")
    assert event.data == {"app": "erp", "failures": 3, "reason": "http_500"}
    assert [(one.kind, one.subject) for one in incidents(fragile.database)] == [("breaker.opened", "erp")]
    assert fragile.nothing_to_claim()
    fragile.enqueue(50, workflow=make_workflow(name="other", app="bank"))
    assert fragile.claim().workflow == "other", "other applications go on"
    fragile.later(seconds=60)
    fragile.claim()


def test_a_success_in_between_starts_the_count_again(fragile: Bench) -> None:
    assert [fail(fragile), fail(fragile)] == [False, False]
    fail(fragile, Settlement("passed"))
    assert [fail(fragile), fail(fragile), fail(fragile)] == [False, False, True]


def test_a_business_exception_is_an_answer(fragile: Bench) -> None:
    assert [fail(fragile), fail(fragile)] == [False, False]
    fail(fragile, Settlement("review", error_kind="business", reason="rejected"))
    assert not fail(fragile)


@pytest.mark.parametrize("silent", [Settlement("released"), Settlement("in_doubt", reason="in_doubt")])
def test_an_end_that_says_nothing_of_the_application_does_not_count(fragile: Bench, silent: Settlement) -> None:
    assert [fail(fragile), fail(fragile)] == [False, False]
    fail(fragile, silent)
    assert fail(fragile)


def test_an_item_in_doubt_after_an_error_counts_as_a_failure(fragile: Bench) -> None:
    doubt = Settlement("in_doubt", error_kind="system", reason="no_answer")
    assert [fail(fragile, doubt), fail(fragile, doubt), fail(fragile, doubt)] == [False, False, True]


def test_after_the_pause_one_more_failure_pauses_again_and_a_success_closes(fragile: Bench) -> None:
    for _ in range(3):
        fail(fragile)
    fragile.later(seconds=60)
    assert fail(fragile), "the application has not recovered"
    assert fragile.nothing_to_claim()
    fragile.later(seconds=60)
    fail(fragile, Settlement("passed"))
    breaker = fragile.one(t.apps)
    assert (breaker.failures, breaker.open_until) == (0, None)
    assert incidents(fragile.database) == []
    assert [fail(fragile), fail(fragile), fail(fragile)] == [False, False, True]


def test_failures_of_items_that_were_under_way_open_the_breaker_once(fragile: Bench) -> None:
    claims = [fragile.claim() for _ in range(5)]
    assert [fragile.settle(claimed, FAILED) for claimed in claims] == [False, False, True, False, False]
    assert len(fragile.rows(t.events, t.events.c.kind == "breaker.opened")) == 1


def test_a_gate_whose_answer_was_lost_is_taken_again_and_stays_one_intent(bench: Bench) -> None:
    bench.enqueue(1)
    claimed = bench.claim()
    commits = Commits(find_authoritative=True)
    first = gate(bench.database, claimed, 0, commits)
    bench.later(seconds=5)
    again = gate(bench.database, claimed, 0, commits)
    assert (again.id, again.gate) == (first.id, 0)
    assert again.lands_until == first.lands_until + timedelta(seconds=5)
    decide(bench.database, claimed, again, "not_clicked")
    assert gate(bench.database, claimed, 0, commits).gate == 1


@pytest.mark.parametrize("reason", ["ledger_away", "lease_too_short", "lease_lost"])
def test_an_attempt_that_failed_for_want_of_the_ledger_is_not_held_against_the_application(
    fragile: Bench, reason: str
) -> None:
    away = Settlement("retry", error_kind="system", reason=reason)
    assert [fail(fragile, away) for _ in range(3)] == [False, False, False]
    assert fragile.one(t.apps).failures == 0


def test_nor_does_it_close_the_breaker_of_an_application_that_is_down(fragile: Bench) -> None:
    claims = [fragile.claim() for _ in range(4)]
    assert [fragile.settle(claimed, FAILED) for claimed in claims[:3]] == [False, False, True]
    fragile.settle(claims[3], Settlement("retry", error_kind="system", reason="ledger_away"))
    assert fragile.one(t.apps).failures == 3
    assert fragile.nothing_to_claim()
    assert [one.kind for one in incidents(fragile.database)] == ["breaker.opened"]
