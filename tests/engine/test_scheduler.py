"""The process around the timetable: a real clock, a ledger that fails for a while, and an orderly end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.clock import SystemClock
from engine.ledger import schedules, workers
from engine.ledger.database import Database
from engine.ledger.slots import slot_rows
from engine.scheduler import Scheduler
from engine.schedules.schedule import Schedule
from tests.engine.test_timetable import APP, WORKFLOW
from tests.engine.toy_registry import toy_registry


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "workflows"
    (folder / "apps").mkdir(parents=True)
    (folder / "apps" / "erp.yaml").write_text(APP, encoding="utf-8")
    (folder / "entry.yaml").write_text(WORKFLOW.format(name="entry", schedule="every: 1h"), encoding="utf-8")
    (folder / "invoices.csv").write_text("invoice_no\nINV-1\n", encoding="utf-8")
    return folder


async def until(true: Callable[[], bool]) -> None:
    """Wait for something that another task does."""
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - what is waited for is a row in a database
            await asyncio.sleep(0.02)


async def test_the_clock_wakes_it_at_the_slot_and_not_at_the_next_look(
    open_ledger: Callable[..., Database], folder: Path
) -> None:
    """The next look is an hour away; a change at run time makes a slot two seconds from now."""
    database = open_ledger(SystemClock())
    seen: list[Database] = []
    scheduler = Scheduler(database, folder, toy_registry(), watchers=[seen.append], pulse=timedelta(hours=1))
    scheduler.timetable.tick_all()
    soon = database.clock.now() + timedelta(seconds=2)
    schedules.change(database, "entry", Schedule(every="1h", start=soon), soon - timedelta(seconds=2), "ana")
    running = asyncio.create_task(scheduler.run())
    await until(lambda: bool(slot_rows(database)))
    scheduler.stop()
    await running
    (slot,) = slot_rows(database)
    assert slot.status == "fired"
    assert abs(slot.decided_at - soon) < timedelta(seconds=30)
    assert seen == [database]
    (row,) = workers.listing(database)
    assert (row.role, row.state, row.name) == ("scheduler", "stopped", scheduler.name)


async def test_it_goes_on_when_the_ledger_does_not_answer_for_a_while(
    open_ledger: Callable[..., Database], folder: Path
) -> None:
    database = open_ledger(SystemClock())
    scheduler = Scheduler(database, folder, toy_registry(), pulse=timedelta(milliseconds=20))
    with database.write() as connection:
        connection.execute(sa.text("alter table schedules rename to away"))
    running = asyncio.create_task(scheduler.run())
    await asyncio.sleep(0.3)
    assert not running.done()
    with database.write() as connection:
        connection.execute(sa.text("alter table away rename to schedules"))
    await until(lambda: bool(schedules.schedules(database)))
    scheduler.stop()
    await running
