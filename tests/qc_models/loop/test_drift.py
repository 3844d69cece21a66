"""Drift: nothing is said of quiet traffic however much there is, and each cause is named by its own evidence."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from benchmarks.drift_causes import feed, play
from benchmarks.drift_office import Office
from benchmarks.drift_scripts import SCRIPTS
from engine.clock import ManualClock
from engine.ledger.database import Database
from engine.ledger.incidents import close_by_hand, incidents
from engine.ledger.protocol import Settlement
from engine.ledger.runs import NewItem
from engine.ports import Verdict
from qc_models.loop.drift.cause import name
from qc_models.loop.drift.monitor import LEAST, Monitor
from qc_models.loop.drift.state import State
from qc_models.loop.drift.watch import look, watch_drift
from tests.engine.conftest import Bench, invoice

LIMIT = math.log(1e5)


def test_a_rate_that_stays_raises_nothing_and_one_that_matters_is_seen_soon() -> None:
    rng = Random(1)  # noqa: S311 - repeatable
    quiet, small, large = Monitor(), Monitor(), Monitor()
    for _ in range(20_000):
        quiet.see(rng.random() < 0.05, LIMIT)
        small.see(rng.random() < (0.05 if small.n < LEAST else 0.06), LIMIT)
    assert not quiet.on
    assert not small.on  # a change that does not matter is none, of however many records
    for number in range(400):
        large.see(rng.random() < (0.05 if number < 300 else 0.6), LIMIT)
        if large.on:
            break
    assert 300 < number < 330


def test_an_alarm_ends_after_a_window_without_the_sign() -> None:
    monitor = Monitor()
    for sign in [False] * 200 + [True] * 30 + [False] * 60:
        monitor.see(sign, LIMIT)
    assert monitor.on
    for _ in range(80):
        monitor.see(False, LIMIT)
    assert not monitor.on


@pytest.mark.parametrize("index", [0, 10, 14, 20, 22, 25])
def test_the_cause_of_a_scripted_incident_is_named(index: int) -> None:
    ended = play(*SCRIPTS[index], seed=7)
    assert (ended.title, ended.first) == (ended.title, ended.cause)
    assert ended.exposed < 120


def test_the_memory_survives_the_ledger_and_holds_no_value_of_a_record() -> None:
    office, state = Office(3), State()
    for number in range(400):
        feed(state, office.record(), number)
    stored = json.dumps(state.to_dict())
    assert json.dumps(State.from_dict(json.loads(stored)).to_dict()) == stored
    payload = office.record().entered.payload
    assert not any(str(payload[name]) in stored for name in ("supplier", "invoice_no", "iban", "total"))
    assert len(stored) < 60_000


@pytest.fixture
def bench(tmp_path: Path, migrated: Path) -> Iterator[Bench]:
    shutil.copy(migrated, tmp_path / "ledger.db")
    clock = ManualClock()
    database = Database(str(tmp_path / "ledger.db"), clock)
    yield Bench(database, clock)
    database.close()


def never(name: str, version: str) -> str:
    raise AssertionError(f"nobody asked to go back to {name} {version}")


def enter(bench: Bench, numbers: range, number_of: Callable[[int], str]) -> None:
    """Enqueue invoices and let each pass as it is."""
    items = []
    for number in numbers:
        item = invoice(number)
        payload = {**item.payload, "invoice_no": number_of(number), "total": 100 + number % 7}
        items.append(NewItem(item.reference, payload, item.origin))
    bench.enqueue(*items)
    for _ in items:
        claimed = bench.claim()
        bench.settle(claimed, Settlement("passed", verdict=Verdict("pass"), read_back=claimed.payload))


def test_one_incident_names_the_source_closes_when_it_is_back_and_yields_to_a_person(bench: Bench) -> None:
    def before(number: int) -> str:
        return f"INV-{number}"

    def after(number: int) -> str:
        return f"{number}/INV"

    enter(bench, range(310), before)
    watch_drift(bench.database, never)
    assert incidents(bench.database) == []
    enter(bench, range(310, 340), after)
    watch_drift(bench.database, never)
    watch_drift(bench.database, never)
    [incident] = incidents(bench.database)
    assert (incident.kind, incident.subject) == ("drift.source", "invoice-entry")
    assert "source format: invoice_no is written 999/AAA in 30 of the last 80 records, 0 of " in incident.message
    enter(bench, range(340, 455), before)
    watch_drift(bench.database, never)
    assert incidents(bench.database) == []
    enter(bench, range(455, 485), after)
    named = look(bench.database, "invoice-entry", never)
    assert named is not None
    [again] = incidents(bench.database)
    close_by_hand(bench.database, again.id, "ana")  # what is now is usual from now on
    enter(bench, range(485, 560), after)
    watch_drift(bench.database, never)
    assert incidents(bench.database) == []


def test_a_source_s_drift_is_not_blamed_on_the_bot_that_stumbles_over_it() -> None:
    index = next(n for n, script in enumerate(SCRIPTS) if "the bot stumbles" in script[1])
    assert play(*SCRIPTS[index], seed=11).settled == "source"


def test_errors_that_audits_find_after_a_promotion_are_the_model_s() -> None:
    office, state, rng = Office(5), State(), Random(5)  # noqa: S311 - repeatable
    for number in range(900):
        feed(state, office.record(), number)
    for number in range(900, 1_900):
        record = office.record()
        worse = replace(record.worked, model_version="8")
        found = None if record.audited is None else rng.random() < 0.35
        feed(state, replace(record, worked=worse, audited=found), number)
        named = name(state)
        if named is not None:
            break
    assert named is not None
    assert named.cause == "model"
    assert "passed outputs were found wrong in" in named.sentence


def test_audits_that_come_late_blame_the_model_that_had_passed_the_outputs() -> None:
    state = State()
    state.model = ("entry-quality", "9")  # promoted since
    for number in range(300):
        state.audit(number, number >= 270, LIMIT, ("entry-quality", "8"))
    assert state.signs["audit"].on
    assert state.blamed == ("entry-quality", "8")
    assert State.from_dict(json.loads(json.dumps(state.to_dict()))).blamed == state.blamed
