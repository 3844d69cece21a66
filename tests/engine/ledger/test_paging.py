"""Lists are walked by key: every row once, on both databases; figures are those of the newest items alone."""

from __future__ import annotations

from engine.ledger import reads
from engine.ledger.facts import facts
from engine.ledger.protocol import Settlement
from engine.ledger.pulse import pulse, waiting_by_workflow
from engine.ledger.review_queue import Place, review_queue, waiting_count
from engine.ports import Finding, Verdict
from tests.engine.conftest import Bench


def review(bench: Bench) -> None:
    """Let the next item wait for a person."""
    doubt = Finding("read_back", "not_equal", "total differs", "total", "1", "2")
    end = Settlement("review", reason="not_equal", message="total differs", verdict=Verdict("review", (doubt,), None))
    bench.settle(bench.claim(), end)


def test_the_queue_and_the_lists_are_walked_without_losing_or_doubling_any(bench: Bench) -> None:
    runs = [bench.enqueue(*range(10 * n, 10 * n + 4)).run_id for n in range(3)]
    for number in range(9):
        review(bench)
        if number % 3 == 2:  # three at the same instant
            bench.later(seconds=1)
    queue: list[int] = []
    place: Place | None = None
    while page := review_queue(bench.database, viewer="ana", after=place, limit=2):
        queue += [row.id for row in page]
        place = page[-1].since, page[-1].id
    assert queue == sorted(queue)
    assert len(set(queue)) == 9
    assert waiting_count(bench.database) == 9
    assert waiting_count(bench.database, most=5) == 5
    assert waiting_by_workflow(bench.database) == {"invoice-entry": 9}

    assert [row.id for row in reads.runs(bench.database, before=runs[2], limit=1)] == [runs[1]]
    items: list[int] = []
    before: int | None = None
    while some := reads.items(bench.database, run_id=runs[0], before=before, limit=3):
        items += [row.id for row in some]
        before = some[-1].id
    assert len(items) == len(set(items)) == 4


def test_figures_of_the_newest_items_are_of_the_newest_runs_alone(bench: Bench) -> None:
    runs = [bench.enqueue(*range(10 * n, 10 * n + 4)).run_id for n in range(3)]
    found = facts(bench.database, workflow="invoice-entry", newest=6)
    assert [run.id for run in found.runs] == runs[1:]
    assert [item.item.run_id for item in found.items] == [runs[1]] * 2 + [runs[2]] * 4
    assert facts(bench.database, workflow="other", newest=6).items == ()


def test_the_pulse_changes_when_something_happens_and_only_then(bench: Bench) -> None:
    bench.enqueue(1)
    before = pulse(bench.database)
    bench.later(hours=1)
    assert pulse(bench.database) == before
    review(bench)
    assert pulse(bench.database) != before
