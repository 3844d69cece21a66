"""Whatever fails and whoever dies, and at whatever instant: no item is lost and no record is made twice unseen."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import Phase, event, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Connection

from engine.clock import ManualClock
from engine.definition import BreakerPolicy, Retry
from engine.errors import Stale
from engine.evidence import EvidenceStore
from engine.ledger import tables as t
from engine.ledger.database import Database
from engine.ledger.queue import next_wake
from engine.ledger.run_audit import AuditResult, claim_audit, close_audit
from engine.redact import Redactor
from tests.engine.conftest import Bench, make_workflow
from tests.engine.simulated_app import Application, Killed
from tests.engine.story import Story

ITEMS = 3
QUICKLY = (Phase.explicit, Phase.reuse, Phase.generate)
"""A failure is printed as it was found: to make it smaller takes minutes."""
SEND = [
    "ok",
    "answer_late",
    "commit_late",
    "commit_late",
    "error_after_commit",
    "cut_before_commit",
    "cut_after_commit",
    "crash_before_commit",
    "crash_after_commit",
    "reject",
    "session_lost",
    "not_sent",
    "window_passes",
    "hidden",
    "lost",
]
ELSEWHERE = ["ok", "error", "crash", "session_lost", "slow"]
FAULTS = st.fixed_dictionaries(
    {
        "send": st.lists(st.sampled_from(SEND), min_size=ITEMS, max_size=10),
        "begin": st.lists(st.sampled_from(["ok", "error", "slow"]), max_size=4),
        "fill": st.lists(st.sampled_from([*ELSEWHERE, "business"]), max_size=6),
        "aim": st.lists(st.sampled_from(ELSEWHERE), max_size=4),
        "find": st.lists(st.sampled_from(ELSEWHERE), max_size=6),
        "read": st.lists(st.sampled_from(ELSEWHERE), max_size=4),
    }
)
POINTS = [
    "fill",
    "aim",
    "before the permit",
    "before the commit",
    "after the commit",
    "after find",
    "read",
    "capture",
    "before a transaction",
    "after a transaction",
]
DEATHS = st.lists(st.tuples(st.sampled_from(POINTS), st.integers(1, 4)), max_size=6)
"""Where each worker dies, one after the other, and at which visit of the place."""


@dataclass
class Death:
    """Kills workers at the chosen instants; those after the last live for ever."""

    planned: list[tuple[str, int]]
    point: str | None = None
    visits: int = 0
    died_at: list[str] = field(default_factory=list)

    def new_worker(self) -> None:
        """Send the next worker; one that outlives its first item dies of a later one."""
        if self.point is None and self.planned:
            self.point, self.visits = self.planned.pop(0)

    def at(self, point: str) -> None:
        """Kill the worker if its time has come."""
        if point != self.point:
            return
        self.visits -= 1
        if self.visits == 0:
            self.point = None
            self.died_at.append(point)
            raise Killed(point)


class MortalDatabase(Database):
    """A ledger whose writer may die just before a transaction, or when it is durable and nobody knows."""

    death: Death

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Write, or die."""
        self.death.at("before a transaction")
        with super().write() as connection:
            yield connection
        self.death.at("after a transaction")


@dataclass
class World:
    """Items, a ledger, an application, and workers that die."""

    story: Story
    death: Death
    segments: int

    async def until_closed(self) -> None:
        """Let one worker after the other take over, waiting as the ledger says, until every item is closed."""
        bench = self.story.bench
        for _ in range(400):
            wake = next_wake(bench.database, [1])
            if wake is None or bench.one(t.runs).state == "auditing":
                return
            if wake > bench.clock.now():
                bench.clock.advance(wake - bench.clock.now())
            bench.later(seconds=0.001)  # a lease holds to its very end
            self.death.new_worker()
            try:
                await self.story.attempt(f"worker-{len(self.death.died_at)}")
            except (Killed, Stale):
                continue
        raise AssertionError(f"items were lost: {[tuple(row) for row in bench.rows(t.items)]}")

    def audit(self) -> AuditResult:
        """Read every key back, when the last request has landed."""
        bench = self.story.bench
        self.death.point = None
        bench.later(minutes=10)
        due = claim_audit(bench.database, "auditor", timedelta(minutes=10))
        assert due is not None
        counts = {item.item_id: max(self.records_of(item.payload), default=0) for item in due.items}
        return close_audit(bench.database, "auditor", due, counts)

    def records_of(self, payload: dict[str, Any]) -> list[int]:
        """Count the records of an item, by commit."""
        mine = [record.key for record in self.story.app.records if record.key[1] == payload["invoice_no"]]
        return list(Counter(mine).values())


@contextmanager
def world(
    folder: Path,
    migrated: Path,
    faults: dict[str, list[str]],
    deaths: list[tuple[str, int]],
    delay: float,
    segments: int,
) -> Iterator[World]:
    path = folder / "ledger.db"
    shutil.copy(migrated, path)
    clock = ManualClock()
    database = MortalDatabase(str(path), clock)
    sa.event.listen(database.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF"))  # it is quicker
    database.death = Death([])
    workflow = make_workflow(
        segments=segments,
        retry=Retry(attempts=6, jitter=False),
        breaker=BreakerPolicy(failures=3, pause=timedelta(seconds=20)),
    )
    bench = Bench(database, clock, workflow)
    bench.enqueue(*range(1, ITEMS + 1))
    app = Application(clock, delay=timedelta(seconds=delay))
    for place, queued in faults.items():
        app.will(place, *queued)
    database.death = death = Death(list(deaths))
    app.kill = death.at
    try:
        yield World(Story(bench, app, EvidenceStore(folder / "evidence", Redactor())), death, segments)
    finally:
        database.close()


def findings_of(bench: Bench) -> dict[int, set[str]]:
    codes: dict[int, set[str]] = {}
    for verdict in bench.rows(t.verdicts):
        codes.setdefault(verdict.item_id, set()).update(finding["code"] for finding in verdict.findings)
    return codes


@settings(max_examples=16, deadline=None, phases=QUICKLY)
@given(faults=FAULTS, deaths=DEATHS, delay=st.sampled_from([0.0, 4.0, 39.0]), segments=st.integers(1, 2))
def test_within_the_settle_time_nothing_is_lost_and_nothing_is_doubled(
    migrated: Path,
    tmp_path_factory: pytest.TempPathFactory,
    faults: dict[str, list[str]],
    deaths: list[tuple[str, int]],
    delay: float,
    segments: int,
) -> None:
    with world(tmp_path_factory.mktemp("world"), migrated, faults, deaths, delay, segments) as here:
        asyncio.run(here.until_closed())
        bench, app = here.story.bench, here.story.app
        for point in here.death.died_at:
            event(f"died {point}")
        assert max(Counter(record.key for record in app.records).values(), default=0) <= 1, "a duplicate"
        before = {item.id: item.state for item in bench.rows(t.items)}
        here.audit()
        assert {item.id: item.state for item in bench.rows(t.items)} == before, "the run audit finds nothing new"
        for item in bench.rows(t.items):
            assert item.state in {"passed", "review"}
            if item.state == "passed":
                assert here.records_of(item.payload) == [1] * segments
        assert app.count("send") <= len(bench.rows(t.intents))


@settings(max_examples=8, deadline=None, phases=QUICKLY)
@given(faults=FAULTS, deaths=DEATHS, delay=st.sampled_from([45.0, 90.0, 300.0]))
def test_beyond_the_settle_time_every_duplicate_is_seen_and_flagged(
    migrated: Path,
    tmp_path_factory: pytest.TempPathFactory,
    faults: dict[str, list[str]],
    deaths: list[tuple[str, int]],
    delay: float,
) -> None:
    late = {**faults, "send": ["commit_late", *faults["send"]]}
    with world(tmp_path_factory.mktemp("world"), migrated, late, deaths, delay, 1) as here:
        asyncio.run(here.until_closed())
        here.audit()
        codes = findings_of(here.story.bench)
        doubled = [item for item in here.story.bench.rows(t.items) if max(here.records_of(item.payload), default=0) > 1]
        event(f"{len(doubled)} duplicates")
        for item in doubled:
            assert item.state == "review"
            assert codes[item.id] & {"duplicate", "audit_duplicate"}
