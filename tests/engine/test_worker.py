from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from loguru import logger

import engine.attempt
import engine.worker
from engine.clock import Clock, SystemClock
from engine.definition import BreakerPolicy, Commits, Retry, Time, Workflow
from engine.errors import UserError
from engine.evidence import EvidenceStore
from engine.ledger import queue, workers
from engine.ledger import tables as t
from engine.ledger.database import Database
from engine.ledger.incidents import incidents
from engine.ledger.queue import Claim, claim
from engine.ledger.runs import NewItem, OpenedRun, open_run
from engine.worker import Settings, Worker
from fixtures.postgres import PostgresServer
from tests.engine.conftest import Bench, invoice, make_workflow
from tests.engine.simulated_app import Application, Comparing, SimulatedHands, SimulatedOffice

QUICK = Commits(
    click_window=timedelta(milliseconds=500),
    submit_timeout=timedelta(milliseconds=200),
    settle_time=timedelta(milliseconds=50),
    find_authoritative=True,
)


@dataclass
class Place:
    """A ledger, an application, and workers as processes have them; on the host's clock, with short waits."""

    database: Database
    app: Application
    store: EvidenceStore
    workflow: Workflow

    def enqueue(self, *items: int | NewItem, workflow: Workflow | None = None) -> OpenedRun:
        """Open a run."""
        made = [invoice(item) if isinstance(item, int) else item for item in items]
        return open_run(self.database, workflow or self.workflow, made, trigger="test")

    def worker(self, name: str = "worker-1", *, slots: int = 1, **more: Any) -> Worker:
        """Return a worker with an office of its own."""
        settings = Settings(slots=slots, lease=timedelta(seconds=3), grace=more.pop("grace", timedelta(seconds=5)))
        definitions = more.pop("definitions", lambda _: self.workflow)
        return Worker(
            self.database, SimulatedOffice(self.app), Comparing(), definitions, self.store, settings, name, **more
        )

    def rows(self, table: sa.Table) -> list[Any]:
        """Return a table's rows by id."""
        with self.database.read() as connection:
            return list(connection.execute(sa.select(table).order_by(sa.text("1"))))

    @property
    def states(self) -> list[str]:
        """Where each item is."""
        return [row.state for row in self.rows(t.items)]

    @property
    def outcomes(self) -> list[str]:
        """How each attempt ended."""
        return [row.outcome for row in self.rows(t.attempts)]


@pytest.fixture
def place(open_ledger: Callable[[Clock], Database], store: EvidenceStore) -> Place:
    clock = SystemClock()
    workflow = make_workflow(commits=QUICK, retry=Retry(attempts=3, wait=timedelta(milliseconds=10), jitter=False))
    return Place(open_ledger(clock), Application(clock), store, workflow)


@pytest.fixture
def log() -> Iterator[list[str]]:
    lines: list[str] = []
    handler = logger.add(lines.append, format="{level} {extra} {message}", backtrace=False, diagnose=False)
    yield lines
    logger.remove(handler)


async def test_a_worker_brings_its_runs_to_the_end_and_stops(place: Place) -> None:
    run = place.enqueue(*range(1, 9))
    other = place.enqueue(50)
    settled: list[tuple[Claim, str]] = []
    worker = place.worker(slots=3, on_settled=lambda claimed, end: settled.append((claimed, end.outcome)))
    await worker.run([run.run_id])
    assert place.states == ["passed"] * 8 + ["ready"]
    states = {row.id: row.state for row in place.rows(t.runs)}
    assert states == {run.run_id: "done", other.run_id: "open"}
    assert Counter(outcome for _, outcome in settled) == {"passed": 8}
    assert len(place.app.records) == 8
    nothing: dict[str, list[str]] = {"missing": [], "duplicates": [], "unforeseen": []}
    assert place.rows(t.runs)[0].audit == {"keys": 8, "as_expected": 8, **nothing}


async def test_two_workers_share_the_work_and_double_nothing(place: Place) -> None:
    run = place.enqueue(*range(1, 21))
    await asyncio.gather(*(place.worker(f"worker-{n}", slots=2).run([run.run_id]) for n in (1, 2)))
    assert Counter(place.states) == {"passed": 20}
    assert len({record.key for record in place.app.records}) == len(place.app.records) == 20
    assert place.rows(t.runs)[0].state == "done"


async def test_every_kind_of_trouble_ends_well(place: Place) -> None:
    place.workflow = make_workflow(  # one item may meet all of it: an item that comes back goes before younger ones
        commits=QUICK, retry=Retry(attempts=9, wait=timedelta(milliseconds=10), jitter=False)
    )
    place.app.will("send", "cut_before_commit", "error_after_commit", "not_sent", "crash_after_commit")
    place.app.will("fill", "ok", "error", "session_lost", "crash")
    run = place.enqueue(*range(1, 7))
    await place.worker(slots=2).run([run.run_id])
    assert place.states == ["passed"] * 6
    assert len({record.key for record in place.app.records}) == len(place.app.records) == 6


async def test_an_unexpected_exception_is_retried_shown_and_logged(place: Place, log: list[str]) -> None:
    place.app.will("fill", *["crash"] * 3)
    run = place.enqueue(1)
    await place.worker().run([run.run_id])
    assert (place.states, place.outcomes) == (["review"], ["retry", "retry", "review"])
    assert place.rows(t.items)[0].reason == "unexpected"
    assert place.rows(t.attempts)[0].message == "RuntimeError: fill: 意外"
    assert sum("Traceback" in line and "RuntimeError: fill: 意外" in line for line in log) == 3
    assert any("'attempt': 1" in line and "'reference': '东方/INV-1'" in line for line in log)
    kinds = Counter(row.kind for row in place.rows(t.evidence))
    assert kinds["screenshot"] == kinds["trace"] == kinds["payload"] == 3
    assert place.app.count("end") == 3


async def test_stop_lets_the_current_item_end_and_takes_no_more(place: Place) -> None:
    place.enqueue(1, 2)
    worker = place.worker()
    place.app.kill = lambda point: worker.stop() if point == "before the commit" else None
    await worker.run()
    assert place.states == ["passed", "ready"]
    assert place.outcomes == ["passed"]


async def test_what_does_not_end_within_the_grace_time_is_given_back(place: Place) -> None:
    place.app.will("send", "hang")
    place.enqueue(1, 2)
    worker = place.worker(grace=timedelta(milliseconds=30))
    place.app.kill = lambda point: worker.stop() if point == "after the commit" else None
    await worker.run()
    assert place.outcomes == ["released"]
    item, intent = place.rows(t.items)[0], place.rows(t.intents)[0]
    assert (item.state, item.owner, item.failures) == ("submitting", None, 0)
    assert item.available_at == intent.lands_until
    place.app.kill = lambda _: None
    await place.worker("worker-2").run([1])
    assert (place.states, len(place.app.records)) == (["passed", "passed"], 2)


async def test_an_idle_worker_stops_at_once(place: Place) -> None:
    worker = place.worker(slots=3)
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(0.05)
    worker.stop()
    async with asyncio.timeout(0.9):
        await running


async def test_an_item_that_takes_too_long_is_retried_and_its_slot_is_free_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.attempt, "FAREWELL", timedelta(milliseconds=30))
    place.workflow = replace(place.workflow, time=Time(limit=timedelta(milliseconds=500)))
    place.app.will("fill", "hang")
    place.app.will("capture", "hang")
    run = place.enqueue(1, 2)
    await place.worker().run([run.run_id])
    assert place.states == ["passed", "passed"]
    assert sorted(place.outcomes) == ["passed", "passed", "retry"]
    assert place.rows(t.attempts)[0].error_code == "item_timeout"


@pytest.mark.parametrize("fault", ["crash", "error", "business"])
async def test_a_page_that_cannot_be_pictured_does_not_hide_why_the_item_failed(
    place: Place, log: list[str], fault: str
) -> None:
    place.app.will("fill", "business")
    place.app.will("capture", fault)
    run = place.enqueue(1)
    await place.worker().run([run.run_id])
    assert (place.states, place.rows(t.items)[0].reason) == (["review"], "unknown_choice")
    assert any("evidence.failed" in line for line in log)


async def test_the_breaker_pauses_the_application_and_says_so(place: Place, log: list[str]) -> None:
    place.workflow = replace(
        place.workflow,
        app=replace(place.workflow.app, breaker=BreakerPolicy(failures=2, pause=timedelta(milliseconds=80))),
    )
    place.app.will("open", "error", "error")
    run = place.enqueue(1, 2, 3)
    await place.worker().run([run.run_id])
    assert place.states == ["passed"] * 3
    first_two = place.rows(t.attempts)[:2]
    third = place.rows(t.attempts)[2]
    assert [row.outcome for row in first_two] == ["retry", "retry"]
    assert third.started_at - first_two[1].ended_at >= timedelta(milliseconds=80)
    assert sum("breaker.opened" in line for line in log) == 1


async def test_a_worker_that_lacks_a_definition_leaves_its_items_to_one_that_has_it_and_says_so(
    place: Place, log: list[str]
) -> None:
    newer = make_workflow(name="newer")

    def of_the_old_version(definition_hash: str) -> Workflow:
        if definition_hash == newer.hash:
            raise UserError("newer.yaml:3:1: unknown step 'flil'")
        return place.workflow

    place.enqueue(1, workflow=newer)
    place.enqueue(2)
    await place.worker("old", definitions=of_the_old_version).run(drain=True)
    assert place.states == ["ready", "passed"]
    (refused,) = incidents(place.database)
    assert (refused.kind, refused.subject) == ("definition.refused", "newer")
    assert "worker old cannot load" in refused.message
    (row,) = workers.listing(place.database)
    assert (row.state, row.refuses) == ("stopped", {newer.hash: "newer.yaml:3:1: unknown step 'flil'"})
    assert any("leaves its items to others" in line for line in log)

    await place.worker("new").run(drain=True)
    assert place.states == ["passed", "passed"]
    assert incidents(place.database) == []
    assert place.outcomes == ["released", "passed", "passed"]


async def test_a_worker_outlives_a_restart_of_the_database(
    place: Place, backend: str, postgres: PostgresServer
) -> None:
    if backend == "sqlite":
        pytest.skip("a file has no server")
    run = place.enqueue(*range(1, 41))
    working = asyncio.create_task(place.worker(slots=3).run([run.run_id]))
    for _ in range(2):
        await asyncio.sleep(0.15)
        await asyncio.to_thread(postgres.stop, "immediate")
        await asyncio.sleep(0.2)
        await asyncio.to_thread(postgres.start)
    await working
    assert Counter(place.states) == {"passed": 40}
    assert len({record.key for record in place.app.records}) == len(place.app.records) == 40


async def test_a_worker_that_is_stopped_does_not_wait_for_a_database_that_is_away(
    place: Place, backend: str, postgres: PostgresServer
) -> None:
    if backend == "sqlite":
        pytest.skip("a file has no server")
    place.app.will("send", "hang")
    place.enqueue(1)
    worker = place.worker(grace=timedelta(milliseconds=30))
    sent = asyncio.Event()
    place.app.kill = lambda point: sent.set() if point == "after the commit" else None
    working = asyncio.create_task(worker.run())
    await sent.wait()
    await asyncio.to_thread(postgres.stop, "immediate")
    try:
        worker.stop()
        async with asyncio.timeout(20):
            await working
    finally:
        await asyncio.to_thread(postgres.start)
    assert place.outcomes == [None], "nobody could be told; the lease runs out by itself"


async def test_a_lease_counts_from_the_question_that_was_answered(
    bench: Bench, store: EvidenceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def away_for_five_minutes(*args: Any, **kwargs: Any) -> Claim | None:
        asked.append(bench.clock.monotonic())
        if len(asked) == 1:
            bench.later(minutes=5)
            raise sa.exc.OperationalError("", {}, Exception("database is locked"))
        return claim(*args, **kwargs)

    monkeypatch.setattr(queue, "claim", away_for_five_minutes)
    bench.enqueue(1)
    office = SimulatedOffice(Application(bench.clock))
    worker = Worker(bench.database, office, Comparing(), lambda _: bench.workflow, store)
    taken = await worker._take(None, until_done=True)
    assert isinstance(taken, tuple)
    assert (asked, taken[1]) == ([0, 300], 300), "else its time limit would be over before it began"


async def test_watchers_are_called_and_one_that_fails_stops_nobody(place: Place, log: list[str]) -> None:
    called: list[str] = []

    def broken(_: Database) -> None:
        raise RuntimeError("no disk")

    def mistaken(_: Database) -> None:
        raise UserError("no such zone")

    run = place.enqueue(1)
    await place.worker(watchers=[broken, mistaken, lambda _: called.append("watched")]).run([run.run_id])
    assert place.states == ["passed"]
    assert called == ["watched"]
    assert any("no disk" in line for line in log)
    assert any("no such zone" in line for line in log)


async def test_the_run_audit_sees_a_late_duplicate_and_a_missing_record(place: Place) -> None:
    run = place.enqueue(1, 2, 3)
    worker = place.worker()

    def meddle(point: str) -> None:
        if point == "listed":  # between the last item and the audit, the application changed
            place.app.kill = lambda _: None
            place.app.post(place.app.records[0].key, place.app.records[0].values)
            del place.app.records[2]

    place.app.kill = meddle
    await worker.run([run.run_id])
    assert place.states == ["review", "passed", "review"]
    assert [row.reason for row in place.rows(t.items)] == ["audit_duplicate", None, "audit_missing"]


@pytest.mark.parametrize("fault", ["error", "crash", "business", "session_lost"])
async def test_an_audit_that_fails_is_tried_again_and_ends_no_worker(
    place: Place, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.worker, "AUDIT_RETRY", timedelta(milliseconds=10))
    place.app.will("listed", fault, fault)
    run = place.enqueue(1)
    await place.worker().run([run.run_id])
    assert place.app.count("listed") == 3
    assert place.rows(t.runs)[0].state == "done"
    assert [one.kind for one in incidents(place.database, only_open=False)] == ["audit.failed"]
    assert incidents(place.database) == []


async def test_a_worker_that_lost_its_item_stops_and_touches_nothing(place: Place, log: list[str]) -> None:
    place.enqueue(1)

    def steal(point: str) -> None:
        if point == "before the permit":
            with place.database.write() as connection:
                connection.execute(sa.update(t.items).values(owner="worker-2", fence=2))
            worker.stop()

    worker = place.worker()
    place.app.kill = steal
    place.app.will("send", "not_sent")
    await worker.run()
    item = place.rows(t.items)[0]
    assert (item.owner, item.fence, item.state) == ("worker-2", 2, "submitting")
    assert place.outcomes == [None]
    assert any("item.stale" in line for line in log)


async def test_a_crash_of_a_slot_is_not_swallowed(place: Place) -> None:
    place.enqueue(1)

    def crash(*_: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await place.worker(slots=2, on_settled=crash).run()


async def test_an_item_on_which_ten_workers_died_goes_to_a_person(bench: Bench, store: EvidenceStore) -> None:
    bench.enqueue(1)
    for _ in range(10):
        bench.claim()
        bench.later(seconds=61)
    app = Application(bench.clock)
    worker = Worker(bench.database, SimulatedOffice(app), Comparing(), lambda _: bench.workflow, store)
    worker.on_settled = lambda *_: worker.stop()
    await worker.run()
    item = bench.one(t.items)
    assert (item.state, item.reason) == ("review", "too_many_attempts")
    assert app.log == []


async def test_each_slot_has_its_own_hands(place: Place) -> None:
    run = place.enqueue(*range(1, 7))
    worker = place.worker(slots=3)
    await worker.run([run.run_id])
    assert isinstance(worker.office, SimulatedOffice)
    assert all(isinstance(hands, SimulatedHands) for hands in worker.office.slots.values())
    assert place.states == ["passed"] * 6
