from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from engine.definition import Evidence, Review
from engine.evidence import EvidenceStore
from engine.ledger import canaries, erasure, reads, retention
from engine.ledger import tables as t
from engine.ledger.backlog import live_workers, open_runs
from engine.ledger.backup import backup
from engine.ledger.canary_planting import Canary, plant
from engine.ledger.canary_reads import Balance, Original, balance, originals, taken
from engine.ledger.check import check
from engine.ledger.database import Database
from engine.ledger.durations import service_times
from engine.ledger.facts import facts
from engine.ledger.labels import inspected
from engine.ledger.protocol import Settlement, gate
from engine.ledger.protocol import decide as decide_intent
from engine.ledger.queue import is_work_left
from engine.ledger.restore import restore
from engine.ledger.review_queue import review_queue, waiting
from engine.ledger.reviewer_results import canary_results
from engine.ledger.reviews import correct, decide, reopen
from engine.ledger.runs import NewItem
from engine.metrics import run_report
from engine.ports import Finding, Score, Verdict
from tests.engine.conftest import Bench, invoice, make_workflow

SCORE = Score("entry-quality", "7", 0.9, 0.1)
URL = "http://erp.invalid/1"
DOUBT = Verdict("review", (Finding("read_back", "not_equal", "total differs", "total", "1", "2"),), SCORE)
PASS = Verdict("pass", (), SCORE)


def passed(bench: Bench, *numbers: int) -> None:
    """Let items pass, with a record in the application, and close their run."""
    bench.enqueue(*numbers)
    for _ in numbers:
        claimed = bench.claim()
        decide_intent(
            bench.database, claimed, gate(bench.database, claimed, 0, bench.workflow.app.commits), "sent", url=URL
        )
        bench.later(seconds=12)
        bench.settle(claimed, Settlement("passed", verdict=PASS, read_back=dict(claimed.payload)))
    with bench.database.write() as connection:
        connection.execute(sa.update(t.runs).values(state="done"))


def doubted(bench: Bench, *numbers: int) -> None:
    bench.enqueue(*numbers)
    for _ in numbers:
        claimed = bench.claim()
        bench.later(seconds=12)
        end = Settlement("review", "not_equal", None, "total differs", verdict=DOUBT, read_back=dict(claimed.payload))
        decide_intent(
            bench.database, claimed, gate(bench.database, claimed, 0, bench.workflow.app.commits), "sent", url=URL
        )
        bench.settle(claimed, end)


def copy(original: Original, number: int, *, error: str | None = "digits", verdict: Verdict = DOUBT) -> Canary:
    return Canary(
        original=original.item_id,
        reference=f"东方/INV-{number}",
        payload={**original.payload, "invoice_no": f"INV-{number}"},
        read_back={**original.read_back, "invoice_no": f"INV-{number}", **({"total": "7.00"} if error else {})},
        record_url="http://erp.invalid/77",
        app_id=None,
        verdict=verdict,
        error=error,
        fields=("total",) if error else (),
        where="read-back" if error else None,
    )


def planted(bench: Bench, *numbers: int, **how: Any) -> list[int]:
    """Plant a copy of the newest record for each number, waiting or not."""
    made = [
        copy(one, number, **how)
        for one, number in zip(originals(bench.database, "invoice-entry"), numbers, strict=False)
    ]
    return plant(bench.database, "invoice-entry", bench.workflow.hash, made, seed=5, who="lead")


def say(bench: Bench, item: int, decision: Any, who: str = "ana", **changes: Any) -> Any:
    if decision == "correct":
        return correct(bench.database, item, changes, who, workflow=bench.workflow)
    return decide(bench.database, item, decision, who, workflow=bench.workflow, reason="because")


def shape(value: Any) -> Any:
    """Return the structure of a row: its names and types, whatever the values."""
    if isinstance(value, dict):
        return {name: shape(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [shape(part) for part in value]
    return type(value).__name__


def test_a_canary_is_shown_as_any_item_of_its_originals_run(bench: Bench) -> None:
    passed(bench, 1, 2)
    doubted(bench, 3)
    [canary] = planted(bench, 12)
    real, copied = 3, 2
    rows = {row.id: row for row in review_queue(bench.database, viewer="ana")}
    assert shape(asdict(rows[canary])) == shape(asdict(rows[real]))
    mine, theirs = (waiting(bench.database, item, "ana") for item in (canary, real))
    assert shape(asdict(mine)) == shape(asdict(theirs))
    assert mine.row.run_id == reads.item(bench.database, copied).item.run_id
    assert mine.origin == reads.item(bench.database, copied).origin
    shown, known = (reads.item(bench.database, item) for item in (canary, real))
    assert (shown.kind, shown.item.run_id) == (known.kind, mine.row.run_id)
    assert shape([asdict(one) for one in shown.attempts]) == shape([asdict(one) for one in known.attempts])
    assert shape([asdict(one) for one in shown.intents]) == shape([asdict(one) for one in known.intents])
    assert shown.attempts[0].started_at <= shown.intents[0].at <= (shown.attempts[0].ended_at or bench.clock.now())
    assert len(bench.rows(t.intents)) == 3, "the ledger itself knows of no commit of a canary"
    assert {row.id: row.run_id for row in reads.items(bench.database)}[canary] == shown.item.run_id
    assert {name.name for name in fields(mine)} == {name.name for name in fields(theirs)}
    say(bench, canary, "accept")
    assert {event.run_id for event in reads.item(bench.database, canary).events} == {shown.item.run_id}


def test_no_worker_can_take_a_canary_whatever_is_done_to_it(bench: Bench, store: EvidenceStore) -> None:
    passed(bench, 1, 2, 3)
    doubted(bench, 4)
    [canary] = planted(bench, 11)
    assert bench.nothing_to_claim()
    assert not is_work_left(bench.database, [bench.one(t.runs, t.runs.c.kind == "canary").id])
    reopen(bench.database, canary, "ana", "let the bot try again")
    assert bench.nothing_to_claim()
    assert bench.one(t.items, t.items.c.id == canary).state == "cancelled"
    [other] = planted(bench, 12)
    assert say(bench, other, "correct", total=Decimal("5.00")).correction_run_id is None
    assert bench.nothing_to_claim()
    assert len(bench.rows(t.items)) == 6
    assert check(bench.database, store).wrong == []
    with bench.database.write() as connection:
        connection.execute(sa.update(t.items).where(t.items.c.id == other).values(state="ready"))
    assert "canary_at_work" in [wrong.code for wrong in check(bench.database, store).wrong]


def test_no_figure_knows_of_canaries(bench: Bench) -> None:
    passed(bench, 1, 2)
    doubted(bench, 3)
    run = bench.rows(t.runs)[-1].id

    def figures() -> list[Any]:
        with bench.database.read() as connection:
            plan = [open_runs(connection, bench.clock.now()), service_times(connection, ["invoice-entry"])]
            workers = live_workers(connection, bench.clock.now())
        return [
            facts(bench.database),
            facts(bench.database, workflow="invoice-entry"),
            run_report(facts(bench.database, run_id=run), bench.workflow),
            list(inspected(bench.database, "invoice-entry")),
            reads.runs(bench.database),
            plan,
            workers,
        ]

    before = figures()
    first, second = planted(bench, 11, 12)[0], planted(bench, 13)
    say(bench, first, "reject")
    assert second == [], "one canary waits for three items at most"
    assert figures() == before
    assert next(row.kind for row in reads.runs(bench.database, canaries=True)) == "canary"
    hidden = bench.one(t.runs, t.runs.c.kind == "canary").id
    assert facts(bench.database, run_id=hidden).items == ()
    with pytest.raises(Exception, match="there is no run"):
        reads.run(bench.database, hidden)


@pytest.mark.parametrize(
    ("error", "decision", "changes", "outcome"),
    [
        ("digits", "accept", {}, "missed"),
        ("digits", "reject", {}, "caught"),
        ("digits", "correct", {"total": Decimal("5.00")}, "caught"),
        ("digits", "correct", {"supplier": "Other"}, "wrong field"),
        (None, "accept", {}, "let stand"),
        (None, "correct", {"supplier": "Other"}, "false correction"),
        (None, "reject", {}, "false correction"),
    ],
)
def test_a_decision_on_a_canary_says_what_the_reviewer_saw(
    bench: Bench, error: str | None, decision: str, changes: Any, outcome: str
) -> None:
    passed(bench, 1)
    [canary] = planted(bench, 11, error=error, verdict=DOUBT if error else PASS)
    assert review_queue(bench.database)[0].reason == ("not_equal" if error else "audit_sample")
    assert canary_results(bench.database) == []
    say(bench, canary, decision, **changes)
    [found] = canary_results(bench.database, "invoice-entry")
    assert (found.reviewer, found.outcome, found.control) == ("ana", outcome, error is None)
    assert review_queue(bench.database) == []
    assert canary_results(bench.database, "payroll") == []
    with pytest.raises(Exception, match="decided by ana"):
        say(bench, canary, "accept", "bo")


def test_a_real_record_takes_its_key_from_a_canary(bench: Bench) -> None:
    passed(bench, 1)
    [canary] = planted(bench, 11)
    opened = bench.enqueue(11)
    assert (opened.enqueued, opened.already_known, opened.conflicts) == (1, (), ())
    row = bench.one(t.items, t.items.c.id == canary)
    assert (row.reference, row.state) == (f"东方/INV-11#canary-{canary}", "cancelled")
    assert bench.claim().reference == "东方/INV-11"


def test_undecided_canaries_are_put_away(bench: Bench) -> None:
    passed(bench, 1)
    [canary] = planted(bench, 11)
    bench.clock.advance(canaries.KEPT_FOR)
    assert canaries.expire(bench.database) == 0
    bench.later(seconds=1)
    assert canaries.expire(bench.database) == 1
    assert bench.one(t.items, t.items.c.id == canary).state == "cancelled"
    assert (review_queue(bench.database), canary_results(bench.database)) == ([], [])


def test_erasing_the_original_erases_its_canaries(bench: Bench, store: EvidenceStore) -> None:
    passed(bench, 1)
    [canary] = planted(bench, 11)
    found = erasure.look(bench.database, invoice(1).reference)
    assert canary in found.item_ids
    erasure.erase(bench.database, store, found, "ana", "asked to")
    row = bench.one(t.items, t.items.c.id == canary)
    assert (row.payload, row.state, row.record_url) == ({}, "cancelled", None)
    assert "INV-11" not in str(bench.everything())
    assert "INV-1'" not in str(bench.everything())
    assert originals(bench.database, "invoice-entry") == []


def test_what_may_be_copied_is_real_whole_undoubted_and_not_copied_yet(bench: Bench) -> None:
    bench.workflow = make_workflow(review=Review(audit_sample=0, second_review=1))
    passed(bench, 1, 2)
    doubted(bench, 3, 4, 5)
    bench.enqueue(NewItem("bad", {}, "invoices.csv:9", ("total: empty",)))
    say(bench, 3, "accept")
    say(bench, 4, "accept")
    say(bench, 4, "reject", "bo")
    say(bench, 5, "reject")
    assert [one.item_id for one in originals(bench.database, "invoice-entry")] == [2, 1], "3 waits for a second look"
    say(bench, 3, "accept", "bo")
    [copied] = planted(bench, 13)
    assert bench.one(t.canaries).copied_from == 3
    assert [one.item_id for one in originals(bench.database, "invoice-entry")] == [2, 1]
    say(bench, copied, "accept")
    assert [one.item_id for one in originals(bench.database, "invoice-entry")] == [2, 1]
    assert taken(bench.database, "invoice-entry", ["东方/INV-13", "东方/INV-99"]) == {"东方/INV-13"}


def test_what_was_copied_or_doubted_since_it_was_chosen_is_not_planted(bench: Bench) -> None:
    passed(bench, 1, 2)
    doubted(bench, *range(3, 15))
    made = [copy(one, number) for one, number in zip(originals(bench.database, "invoice-entry"), (21, 22), strict=True)]
    how: Any = {"seed": 5, "who": "lead"}
    first = plant(bench.database, "invoice-entry", bench.workflow.hash, made[:1], **how)
    with bench.database.write() as connection:  # as a run audit does that misses the record
        connection.execute(sa.update(t.items).where(t.items.c.id == made[1].original).values(state="review"))
    again = [replace(canary, reference=f"{canary.reference}9") for canary in made]
    assert plant(bench.database, "invoice-entry", bench.workflow.hash, again, **how) == []
    assert [row.item_id for row in bench.rows(t.canaries)] == first


def test_the_share_of_canaries_is_kept_over_time_and_bounded_at_any_time(bench: Bench) -> None:
    assert Balance(waiting=0, decided=500, canaries_waiting=0, canaries=0).owed(0.1) == 0
    assert Balance(waiting=9, decided=0, canaries_waiting=0, canaries=0).owed(0.1) == 1
    assert Balance(waiting=9, decided=0, canaries_waiting=1, canaries=1).owed(0.1) == 0
    assert Balance(waiting=9, decided=90, canaries_waiting=0, canaries=1).owed(0.1) == 2
    assert Balance(waiting=1, decided=900, canaries_waiting=0, canaries=0).owed(0.1) == 1
    assert Balance(waiting=100, decided=0, canaries_waiting=5, canaries=5).room == 20
    passed(bench, 1, 2, 3)
    doubted(bench, *range(4, 13))
    say(bench, 4, "accept")
    planted(bench, 21)
    assert balance(bench.database, "invoice-entry") == Balance(8, 1, 1, 1)
    bench.clock.advance(timedelta(days=31))
    assert balance(bench.database, "invoice-entry") == Balance(8, 0, 1, 0)


def test_canaries_and_second_looks_come_back_from_a_backup_and_still_are_no_work(
    bench: Bench, store: EvidenceStore, open_ledger: Callable[..., Database], tmp_path: Path
) -> None:
    bench.workflow = make_workflow(review=Review(audit_sample=0, second_review=1))
    passed(bench, 1, 2)
    doubted(bench, 3, 4)
    [canary] = planted(bench, 11)
    for item, second in ((3, "reject"), (4, None)):
        say(bench, item, "accept")
        if second:
            say(bench, item, second, "bo")
    backup(bench.database, tmp_path / "b.zip", store=store)
    other = Bench(open_ledger(bench.clock, "other"), bench.clock)
    restore(other.database, tmp_path / "b.zip", "ana", store=store)
    for table in (t.canaries, t.second_reviews, t.reviews):
        assert other.rows(table) == bench.rows(table) != []
    assert review_queue(other.database, viewer="cy") == review_queue(bench.database, viewer="cy")
    reopen(other.database, canary, "ana", "again")
    assert other.nothing_to_claim()
    assert check(other.database, store).wrong == []


def test_a_payload_that_may_go_takes_its_copies_along(bench: Bench, store: EvidenceStore) -> None:
    bench.workflow = replace(make_workflow(), evidence=Evidence(keep=timedelta(days=1), keep_payload=timedelta(days=9)))
    passed(bench, 1)
    bench.later(days=8)
    [canary] = planted(bench, 11)
    bench.later(days=2)
    retention.prune(bench.database, store, lambda _: bench.workflow)
    row = bench.one(t.items, t.items.c.id == canary)
    assert (row.payload, row.state, row.pruned_at) == ({}, "cancelled", bench.clock.now())
    assert check(bench.database, store).wrong == []
