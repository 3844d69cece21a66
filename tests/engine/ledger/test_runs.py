from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from engine.definition import Time
from engine.ledger import tables as t
from engine.ledger.protocol import Settlement
from engine.ledger.queue import next_wake
from engine.ledger.runs import RejectedInput, pinned_snapshot
from engine.values import decode
from tests.engine.conftest import FIELDS, Bench, invoice, make_workflow


def test_a_run_and_its_items_are_enqueued_together(bench: Bench) -> None:
    opened = bench.enqueue(1, 2, 3, seed=7)
    assert (opened.created, opened.enqueued, opened.already_known, opened.conflicts) == (True, 3, (), ())
    run = bench.one(t.runs)
    assert (run.state, run.kind, run.trigger, run.seed) == ("open", "entry", "test", 7)
    assert run.counts == {"enqueued": 3, "invalid": 0, "rejected": 0, "already_known": 0, "conflicts": 0}
    assert [item.state for item in bench.rows(t.items)] == ["ready"] * 3


def test_the_same_reference_twice_is_one_item(bench: Bench) -> None:
    bench.enqueue(1, 2)
    again = bench.enqueue(2, 3)
    assert (again.enqueued, again.already_known, again.conflicts) == (1, ("东方/INV-2",), ())
    assert [item.reference for item in bench.rows(t.items)] == ["东方/INV-1", "东方/INV-2", "东方/INV-3"]


def test_the_same_reference_in_another_workflow_is_another_item(bench: Bench) -> None:
    bench.enqueue(1)
    assert bench.enqueue(1, workflow=make_workflow(name="invoice-check")).enqueued == 1


def test_a_known_reference_with_other_data_is_a_reported_conflict_and_the_first_data_stand(bench: Bench) -> None:
    bench.enqueue(1)
    changed = replace(invoice(1), payload={**invoice(1).payload, "total": Decimal("9.99")}, origin="later.csv:2")
    again = bench.enqueue(changed)
    assert (again.enqueued, again.conflicts) == (0, ("东方/INV-1",))
    assert bench.one(t.items).payload["total"] == "1235.50"
    event = bench.one(t.events, t.events.c.kind == "source.conflict")
    assert (event.item_id, event.run_id) == (bench.one(t.items).id, again.run_id)
    assert (event.data["origin"], event.data["payload"]["total"]) == ("later.csv:2", "9.99")


def test_a_reference_twice_in_one_file_is_reported_and_never_silently_dropped(bench: Bench) -> None:
    other = replace(invoice(1), payload={**invoice(1).payload, "total": Decimal("9.99")}, origin="invoices.csv:9")
    opened = bench.enqueue(1, 2, other, 2)
    assert opened.enqueued == 2
    assert opened.already_known == ("东方/INV-1", "东方/INV-2")
    assert opened.conflicts == ("东方/INV-1",)
    assert bench.one(t.events, t.events.c.kind == "source.conflict").data["origin"] == "invoices.csv:9"


def test_an_invalid_copy_of_a_good_row_does_not_count_twice(bench: Bench) -> None:
    opened = bench.enqueue(1, replace(invoice(1), problems=("total: empty",)))
    assert (opened.enqueued, opened.invalid, opened.already_known) == (1, 0, ("东方/INV-1",))
    assert bench.rows(t.verdicts) == []
    assert bench.one(t.items).state == "ready"


def test_the_same_slot_twice_is_one_run(bench: Bench) -> None:
    first = bench.enqueue(1, slot="2026-01-05T06:00")
    second = bench.enqueue(2, slot="2026-01-05T06:00")
    assert (second.run_id, second.created, second.enqueued) == (first.run_id, False, 0)
    assert len(bench.rows(t.items)) == 1
    assert bench.enqueue(2, slot="2026-01-06T06:00").created
    assert bench.enqueue(3).created, "runs without a slot are never the same"


def test_the_same_slot_of_two_workflows_is_two_runs(bench: Bench) -> None:
    bench.enqueue(1, slot="2026-01-05T06:00")
    assert bench.enqueue(1, slot="2026-01-05T06:00", workflow=make_workflow(name="invoice-check")).created


def test_an_invalid_item_waits_for_a_person_and_no_worker_gets_it(bench: Bench) -> None:
    opened = bench.enqueue(replace(invoice(1), problems=("total: empty", "date: not a date")))
    assert (opened.enqueued, opened.invalid) == (0, 1)
    item = bench.one(t.items)
    assert (item.state, item.reason, item.closed_at) == ("review", "invalid_input", bench.clock.now())
    verdict = bench.one(t.verdicts)
    assert verdict.decision == "review"
    assert [finding["message"] for finding in verdict.findings] == ["total: empty", "date: not a date"]
    assert bench.nothing_to_claim()


def test_a_rejected_row_is_kept_as_an_event(bench: Bench) -> None:
    row = RejectedInput("invoices.csv:7", ("no reference",), {"supplier": "李明", "total": Decimal("1.50")})
    opened = bench.enqueue(1, rejected=[row])
    assert (opened.enqueued, opened.rejected) == (1, 1)
    event = bench.one(t.events, t.events.c.kind == "source.rejected")
    assert event.data == {
        "origin": "invoices.csv:7",
        "problems": ["no reference"],
        "raw": {"supplier": "李明", "total": "1.50"},
    }


def test_a_run_without_items_to_work_goes_straight_to_its_audit(bench: Bench) -> None:
    bench.enqueue()
    assert bench.one(t.runs).state == "auditing"
    assert next_wake(bench.database) == bench.clock.now()


def test_chinese_text_decimals_and_dates_come_back_as_they_were(bench: Bench) -> None:
    bench.enqueue(1)
    payload = decode(bench.claim().payload, FIELDS)
    assert payload == invoice(1).payload
    assert payload["supplier"] == "东方贸易有限公司"
    assert (type(payload["total"]), type(payload["date"])) == (Decimal, date)
    with bench.database.read() as connection:
        stored = connection.exec_driver_sql("select cast(payload as text) from items").scalar_one()
    assert "东方贸易有限公司" in stored, "a person who opens the file can read it"


def test_the_audit_sample_is_drawn_repeatably_from_the_logged_seed(bench: Bench) -> None:
    bench.enqueue(1, 2, seed=42)
    bench.enqueue(3, 4, seed=42)
    bench.enqueue(5, 6, seed=43)
    draws = [item.audit_draw for item in bench.rows(t.items)]
    assert draws[:2] == draws[2:4] != draws[4:]
    assert all(0 <= draw < 1 for draw in draws)


def test_a_run_pins_its_definition(bench: Bench) -> None:
    bench.enqueue(1)
    claimed = bench.claim()
    assert pinned_snapshot(bench.database, claimed.definition_hash) == bench.workflow.snapshot
    assert claimed.definition_hash == bench.workflow.hash


def test_the_run_is_due_after_its_deadline_time(bench: Bench) -> None:
    bench.enqueue(1, workflow=make_workflow(time=Time(due=timedelta(hours=2))))
    assert bench.one(t.runs).due_at == bench.clock.now() + timedelta(hours=2)


def test_a_run_ends_with_its_last_item_and_is_audited_after_the_settle_time(bench: Bench) -> None:
    bench.enqueue(1, 2)
    bench.settle(bench.claim(), Settlement("passed"))
    assert bench.one(t.runs).state == "open"
    bench.later(seconds=5)
    bench.settle(bench.claim(), Settlement("review", reason="mismatch"))
    run = bench.one(t.runs)
    assert (run.state, run.finished_at) == ("auditing", bench.clock.now())
    assert run.audit_at == bench.clock.now() + bench.workflow.app.commits.settle_time
    assert next_wake(bench.database) == run.audit_at


def test_thousands_of_items_are_enqueued_in_one_go(bench: Bench) -> None:
    numbers = range(2500)
    assert bench.enqueue(*numbers).enqueued == 2500
    again = bench.enqueue(*numbers)
    assert (again.enqueued, len(again.already_known), again.conflicts) == (0, 2500, ())
