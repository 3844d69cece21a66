"""A backup brings everything back, into either database, and a ledger that was restored enters nothing twice."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.clock import ManualClock
from engine.errors import UserError
from engine.evidence import EvidenceStore
from engine.ledger import tables as t
from engine.ledger.archive import written
from engine.ledger.backup import backup
from engine.ledger.check import check
from engine.ledger.database import Database
from engine.ledger.queue import is_work_left, next_wake
from engine.ledger.restore import restore
from engine.ledger.run_audit import claim_audit, close_audit
from engine.redact import Redactor
from tests.engine.conftest import LEASE, Bench
from tests.engine.simulated_app import Application
from tests.engine.story import Story

Opens = Callable[..., Database]
SAME = [table for table in t.metadata.sorted_tables if table.name not in {"workers", "meta", "events"}]


@pytest.fixture
def story(bench: Bench, store: EvidenceStore) -> Story:
    """A ledger with something of everything: passed, in doubt, waiting, in work."""
    bench.enqueue(1, 2, 3, 4, 5)
    return Story(bench, Application(bench.clock), store)


async def some_work(story: Story) -> None:
    """Let one pass, one be in doubt, one be held by a worker that will not come back."""
    await story.attempt()
    story.app.will("send", "answer_late")
    await story.attempt()
    story.bench.claim("worker-dead")


async def everything(story: Story) -> None:
    """Work until nothing is left, audits included, with the application's own count as the list."""
    bench = story.bench
    for _ in range(100):
        if not is_work_left(bench.database):
            return
        wake = next_wake(bench.database)
        assert wake is not None
        bench.clock.instant = max(bench.clock.now(), wake)
        bench.later(seconds=0.001)
        due = claim_audit(bench.database, "auditor", LEASE)
        if due is None:
            await story.attempt("worker-2")
            continue
        numbers = Counter(record.key[1] for record in story.app.records)
        close_audit(
            bench.database, "auditor", due, {item.item_id: numbers[item.payload["invoice_no"]] for item in due.items}
        )
    raise AssertionError("not done")


async def test_a_ledger_is_restored_row_for_row_with_its_evidence(
    story: Story, open_ledger: Opens, tmp_path: Path
) -> None:
    await everything(story)
    manifest = backup(story.bench.database, tmp_path / "b.zip", store=story.store)
    assert manifest.members["tables/items.jsonl"].entries == 5
    assert (tmp_path / "b.zip").stat().st_mode & 0o077 == 0, "only we may read it"

    elsewhere = EvidenceStore(tmp_path / "elsewhere", Redactor())
    other = Bench(open_ledger(story.bench.clock, "other"), story.bench.clock)
    done = restore(other.database, tmp_path / "b.zip", "ana", store=elsewhere)
    assert (done.rows["items"], done.open_items) == (5, 0)
    assert {table.name: other.rows(table) for table in SAME} == {table.name: story.bench.rows(table) for table in SAME}
    seen = check(other.database, elsewhere, deep=True)
    assert seen.wrong == []
    assert seen.evidence_files == done.evidence_files == len(other.rows(t.evidence)) > 0
    assert seen.notes
    assert "db trust" in seen.notes[0]
    other.enqueue(6)
    assert other.rows(t.items)[-1].id == 6, "ids go on after the restored ones"


async def test_work_done_after_the_backup_is_neither_repeated_nor_lost(
    story: Story, open_ledger: Opens, tmp_path: Path
) -> None:
    await some_work(story)
    with story.bench.database.read() as reader:  # workers go on while the backup is made
        assert reader.execute(sa.select(t.items)).first()
        backup(story.bench.database, tmp_path / "b.zip", store=story.store)
    story.bench.enqueue(6, 7)
    await everything(story)
    assert len(story.app.records) == 7

    clock = story.bench.clock
    bench = Bench(open_ledger(clock, "restored"), clock)
    again = Story(bench, story.app, EvidenceStore(tmp_path / "restored", Redactor()))
    done = restore(bench.database, tmp_path / "b.zip", "ana", store=again.store)
    assert done.open_items == 4
    assert {item.find_first for item in bench.rows(t.items) if item.state != "passed"} == {True}
    assert {(item.owner, item.lease_until) for item in bench.rows(t.items)} == {(None, None)}
    bench.enqueue(*range(1, 10))  # the source is read again, with two records that are new
    sent = story.app.count("send")
    await everything(again)
    assert Counter(record.key for record in story.app.records).most_common(1)[0][1] == 1, "a duplicate"
    assert len(story.app.records) == 9
    assert story.app.count("send") == sent + 2, "only the two that were new were sent"
    assert {item.state for item in bench.rows(t.items)} == {"passed"}
    assert [run.audit["as_expected"] for run in bench.rows(t.runs)] == [5, 4]
    assert check(bench.database, again.store, deep=True).wrong == []


async def test_a_laptops_ledger_moves_to_a_server(
    postgres_url: Callable[[str], str], migrated: Path, clock: ManualClock, store: EvidenceStore, tmp_path: Path
) -> None:
    shutil.copy(migrated, tmp_path / "ledger.db")
    laptop = Bench(Database(str(tmp_path / "ledger.db"), clock), clock)
    laptop.enqueue(1, 2)
    await Story(laptop, Application(clock), store).attempt()
    backup(laptop.database, tmp_path / "b.zip", store=store)
    server = Bench(Database(postgres_url("server"), clock), clock)
    restore(server.database, tmp_path / "b.zip", "ana", store=EvidenceStore(tmp_path / "server", Redactor()))
    assert [row.payload for row in server.rows(t.items)] == [row.payload for row in laptop.rows(t.items)]
    assert [row.read_back for row in server.rows(t.attempts)] == [row.read_back for row in laptop.rows(t.attempts)]
    server.enqueue(3)
    assert [row.id for row in server.rows(t.items)] == [1, 2, 3]
    laptop.database.close()
    server.database.close()


def test_a_backup_goes_into_an_empty_ledger_only(story: Story, tmp_path: Path) -> None:
    backup(story.bench.database, tmp_path / "b.zip")
    before = story.bench.everything()
    with pytest.raises(UserError, match="not empty"):
        restore(story.bench.database, tmp_path / "b.zip", "ana", store=story.store)
    assert story.bench.everything() == before
    with pytest.raises(UserError, match="already"):
        backup(story.bench.database, tmp_path / "b.zip")


def rewritten(path: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """Write the archive anew, with members changed or left out."""
    target = path.with_name("changed.zip")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as copy:
        for name in source.namelist():
            data = change(name, source.read(name))
            if data is not None:
                copy.writestr(name, data)
    return target


def _other_schema(name: str, data: bytes) -> bytes:
    return json.dumps(json.loads(data) | {"schema": "0001"}).encode() if name == "manifest.json" else data


DAMAGE: dict[str, tuple[Callable[[str, bytes], bytes | None], str]] = {
    "a changed byte": (lambda n, d: d.replace(b"INV-1", b"INV-9") if "items" in n else d, "not what was written"),
    "a missing table": (lambda n, d: None if "intents" in n else d, "missing"),
    "no manifest": (lambda n, d: None if n == "manifest.json" else d, "no backup"),
    "another schema": (_other_schema, "0001"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_backup_is_refused_before_the_first_row(
    story: Story, open_ledger: Opens, tmp_path: Path, damage: str
) -> None:
    backup(story.bench.database, tmp_path / "b.zip")
    change, words = DAMAGE[damage]
    other = Bench(open_ledger(story.bench.clock, "other"), story.bench.clock)
    with pytest.raises(UserError, match=words):
        restore(other.database, rewritten(tmp_path / "b.zip", change), "ana", store=story.store)
    assert not any(other.everything().values())


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_torn_backup_is_refused(story: Story, open_ledger: Opens, tmp_path: Path) -> None:
    backup(story.bench.database, tmp_path / "b.zip")
    whole = (tmp_path / "b.zip").read_bytes()
    (tmp_path / "torn.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="no whole backup"):
        restore(open_ledger(story.bench.clock, "other"), tmp_path / "torn.zip", "ana", store=story.store)
    with pytest.raises(UserError, match="no such file"):
        restore(open_ledger(story.bench.clock, "other"), tmp_path / "gone.zip", "ana", store=story.store)
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        restore(open_ledger(story.bench.clock, "other"), tmp_path, "ana", store=story.store)


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_bit_that_the_disk_has_changed_is_noticed(story: Story, open_ledger: Opens, tmp_path: Path) -> None:
    backup(story.bench.database, tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "b.zip") as whole:
        member = whole.getinfo("tables/items.jsonl")
    bad = bytearray((tmp_path / "b.zip").read_bytes())
    inside = member.header_offset + 30 + len(member.filename) + member.compress_size // 2
    other = open_ledger(story.bench.clock, "other")
    for at in range(inside - 20, inside + 20):
        bad[at] ^= 0xFF
        (tmp_path / "bad.zip").write_bytes(bad)
        with pytest.raises(UserError, match=r"no whole backup|not what was written"):
            restore(other, tmp_path / "bad.zip", "ana", store=story.store)
        bad[at] ^= 0xFF


async def test_a_restore_that_fails_half_way_leaves_nothing_and_can_be_tried_again(
    story: Story, open_ledger: Opens, tmp_path: Path
) -> None:
    await some_work(story)
    (tmp_path / "models" / "m").mkdir(parents=True)
    (tmp_path / "models" / "m" / "model.onnx").write_bytes(b"weights")
    backup(story.bench.database, tmp_path / "b.zip", store=story.store, models=tmp_path / "models")
    in_the_way = tmp_path / "elsewhere"
    in_the_way.write_text("a file", encoding="utf-8")
    other = Bench(open_ledger(story.bench.clock, "other"), story.bench.clock)
    store = EvidenceStore(tmp_path / "other evidence", Redactor())
    with pytest.raises(UserError, match="elsewhere: cannot be written"):
        restore(other.database, tmp_path / "b.zip", "ana", store=store, models=in_the_way)
    assert not any(other.everything().values())
    assert not store.root.exists()
    in_the_way.unlink()
    assert restore(other.database, tmp_path / "b.zip", "ana", store=store, models=in_the_way).evidence_files


def test_two_backups_to_the_same_file_do_not_write_into_each_other(tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    with written(path) as first:
        first.table(t.meta, [])
        with written(path) as second:
            second.table(t.meta, [])
        assert zipfile.is_zipfile(path)
    assert zipfile.ZipFile(path).testzip() is None
    assert [one.name for one in tmp_path.glob("b.zip*")] == ["b.zip"], "and no half of one is left"
    assert path.stat().st_mode & 0o777 == 0o600
