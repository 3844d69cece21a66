"""What the watch over drift reads: records in random order, attempts once each, and one memory for all processes."""

from __future__ import annotations

from engine.ledger.drift_facts import Audited, audited, entered, remember, remembered, worked
from engine.ledger.protocol import Settlement
from engine.ledger.reviews import decide
from engine.ledger.runs import NewItem
from engine.ports import Finding, Score, Verdict
from tests.engine.conftest import Bench, invoice

NAME = "invoice-entry"


def test_records_come_by_run_and_draw_and_invalid_ones_name_their_fields(bench: Bench) -> None:
    broken = NewItem("bad", {"date": "31.12.2026"}, "invoices.csv:9", ("date: not a date",))
    bench.enqueue(invoice(1), invoice(2), broken)
    bench.enqueue(3)
    found = entered(bench.database, NAME, (0, -1.0))
    assert [one.run_id for one in found] == [1, 1, 1, 2]
    assert [one.draw for one in found[:3]] == sorted(one.draw for one in found[:3])
    [bad] = [one for one in found if one.invalid is not None]
    assert (bad.invalid, bad.payload) == (("date",), {"date": "31.12.2026"})
    assert entered(bench.database, NAME, (found[1].run_id, found[1].draw)) == found[2:]
    assert entered(bench.database, "other", (0, -1.0)) == []
    assert [one.run_id for one in entered(bench.database, NAME, (1, 1.0))] == [2]


def test_an_attempt_is_read_when_it_has_ended_even_behind_later_ones(bench: Bench) -> None:
    bench.enqueue(1, 2, 3)
    slow, quick, left = bench.claim(), bench.claim(), bench.claim()
    pins = {"application_version": "4.2"}
    findings = (Finding("read_back", "not_equal", "?", "total"),)
    verdict = Verdict("review", findings, Score("m", "7", 0.4, 0.5), pins=pins)
    steps = ({"step": "3 commit"},)
    bench.settle(quick, Settlement("review", verdict=verdict, read_back={"total": "1"}, steps=steps))
    bench.settle(left, Settlement("released", reason="worker_stopped"))
    first, waiting, last = worked(bench.database, NAME, 0, [])
    assert ([one.attempt_id for one in first], waiting, last) == ([quick.attempt_id], [slow.attempt_id], 3)
    assert (first[0].pins, first[0].probability, first[0].step) == (pins, 0.4, "3 commit")
    bench.settle(slow, Settlement("retry", reason="element_missing", error_kind="system"))
    again, waiting, _ = worked(bench.database, NAME, last, waiting)
    assert ([one.error_code for one in again], waiting) == (["element_missing"], [])


def test_only_decisions_on_audited_passes_count(bench: Bench) -> None:
    bench.enqueue(1, 2)
    verdicts = (Verdict("pass", (), Score("m", "7", 0.1, 0.5)), Verdict("review", (Finding("rule", "sum", "?"),)))
    for outcome, verdict in zip(("passed", "review"), verdicts, strict=True):
        bench.settle(bench.claim(), Settlement(outcome, verdict=verdict, audit_sample=1.0))  # type: ignore[arg-type]
    for item in (1, 2):
        decide(bench.database, item, "reject", "ana", workflow=bench.workflow, reason="wrong")
    assert audited(bench.database, NAME, 0) == [Audited(1, True, ("m", "7"))]
    assert audited(bench.database, NAME, 1) == []


def test_of_two_processes_that_looked_one_is_kept(bench: Bench) -> None:
    def kept(looks: int, known: int | None) -> bool:
        with bench.database.write() as connection:
            return remember(connection, bench.database, NAME, {"looks": looks}, known)

    assert [kept(1, None), kept(1, None), kept(2, 1), kept(2, 1)] == [True, False, True, False]
    assert remembered(bench.database, NAME) == {"looks": 2}
    assert remembered(bench.database, "other") is None
