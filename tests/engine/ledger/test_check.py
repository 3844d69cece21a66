"""The check finds what was broken on purpose, names it, and says nothing of a sound ledger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.evidence import EvidenceStore
from engine.ledger import tables as t
from engine.ledger.check import check
from engine.ledger.database import Database
from tests.engine.conftest import Bench, make_workflow
from tests.engine.simulated_app import Application
from tests.engine.story import Story


@pytest.fixture
async def story(bench: Bench, store: EvidenceStore) -> Story:
    """A run that is done, and one with an item in work, one in doubt and one that waits."""
    story = Story(bench, Application(bench.clock), store)
    bench.enqueue(1)
    await story.attempt()
    bench.enqueue(2, 3, 4)
    story.app.will("send", "answer_late")
    await story.attempt()
    bench.claim()
    return story


def test_a_sound_ledger_has_nothing_wrong_while_items_are_in_work(story: Story) -> None:
    report = check(story.bench.database, story.store, deep=True)
    assert report.wrong == []
    assert report.items == {"passed": 1, "ready": 1, "submitting": 1, "working": 1}
    assert report.rows["items"] == 4
    assert report.evidence_files > 0
    assert min(report.ledger_bytes, report.evidence_bytes) > 0


def update(table: sa.Table, **values: object) -> Callable[[Story], sa.Update]:
    return lambda _: sa.update(table).values(**values)


BROKEN: dict[str, Callable[[Story], sa.Executable]] = {
    "open_in_closed_run": update(t.runs, state="done"),
    "unknown_state": lambda _: sa.update(t.items).where(t.items.c.id == 1).values(state="lost"),
    "attempt_without_end": lambda _: sa.update(t.attempts).where(t.attempts.c.item_id == 1).values(ended_at=None),
    "held_without_attempt": lambda _: sa.update(t.items).where(t.items.c.id == 4).values(owner="nobody"),
    "held_and_closed": lambda _: sa.update(t.items).where(t.items.c.id == 1).values(owner="nobody"),
    "fence": lambda _: sa.update(t.items).where(t.items.c.id == 2).values(fence=5),
    "intent_without_attempt": update(t.intents, fence=7),
    "passed_in_doubt": lambda _: sa.update(t.intents).where(t.intents.c.item_id == 1).values(outcome=None),
    "sent_twice": lambda story: sa.insert(t.intents).values(
        item_id=1,
        segment=0,
        fence=1,
        gate=1,
        at=story.bench.clock.now(),
        lands_until=story.bench.clock.now(),
        payload_hash="-",
        outcome="sent",
    ),
}


@pytest.mark.parametrize("code", BROKEN)
def test_what_is_broken_is_found_and_named(story: Story, code: str) -> None:
    with story.bench.database.write() as connection:
        connection.execute(BROKEN[code](story))
    found = {wrong.code: wrong for wrong in check(story.bench.database, story.store).wrong}
    assert code in found
    assert found[code].examples
    assert found[code].mend


@pytest.mark.parametrize(
    ("deep", "codes"), [(False, ["evidence_missing"]), (True, ["evidence_missing", "evidence_changed"])]
)
def test_evidence_that_is_gone_or_changed_is_found(story: Story, deep: bool, codes: list[str]) -> None:
    first, second = story.bench.rows(t.evidence)[:2]
    (story.store.root / first.path).unlink()
    path = story.store.root / second.path
    path.write_bytes(bytes(byte ^ 1 for byte in path.read_bytes()))
    assert [wrong.code for wrong in check(story.bench.database, story.store, deep=deep).wrong] == codes


def test_a_sequence_that_fell_behind_is_found(
    postgres_url: Callable[[str], str], store: EvidenceStore, bench: Bench
) -> None:
    database = Database(postgres_url("behind"), bench.clock)
    Bench(database, bench.clock, make_workflow()).enqueue(1, 2, 3)
    with database.write() as connection:
        connection.execute(sa.text("select setval(pg_get_serial_sequence('items', 'id'), 1)"))
    assert [wrong.code for wrong in check(database, store).wrong] == ["sequence"]
    database.close()


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_damaged_file_is_said_to_be_damaged(story: Story) -> None:
    url = str(story.bench.database.engine.url.database)
    with story.bench.database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        page = connection.execute(sa.text("select rootpage from sqlite_master where name = 'attempts'")).scalar_one()
    story.bench.database.close()
    with Path(url).open("r+b") as file:
        file.seek(4096 * (page - 1))
        file.write(b"\xff" * 4096)
    database = Database(url, story.bench.clock)
    (wrong,) = [wrong for wrong in check(database, story.store).wrong if wrong.code == "integrity"]
    assert "backup" in wrong.mend
    database.close()
