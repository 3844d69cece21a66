"""After an erasure a person is in no byte of ledger, evidence or log, and the record is still never entered twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from engine.errors import UserError
from engine.evidence import EvidenceStore
from engine.ledger import reviews, vacuum
from engine.ledger import tables as t
from engine.ledger.check import check
from engine.ledger.database import Database
from engine.ledger.erasure import Erased, erase, look
from engine.ledger.facts import facts
from engine.ledger.run_audit import claim_audit, close_audit
from engine.ledger.runs import NewItem, RejectedInput
from engine.ledger.vacuum import rewrite, wipe
from engine.log_scrub import scrub_logs
from fixtures.postgres import PostgresServer
from tests.engine.conftest import LEASE, Bench, invoice
from tests.engine.simulated_app import Application
from tests.engine.story import Story

CANARY = 'Kanarienvögel "Gelb"'
REFERENCE = f"{CANARY}/K-1"
NEEDLES = [form.encode() for form in ("Kanarienv", "K-1", json.dumps("ö")[1:-1] + "gel")]


def person(**changes: Any) -> NewItem:
    """Return an item about a person."""
    return NewItem(
        REFERENCE, invoice(1).payload | {"supplier": CANARY, "invoice_no": "K-1"} | changes, f"{CANARY}.csv:2"
    )


@pytest.fixture
async def story(bench: Bench, store: EvidenceStore) -> Story:
    """A person's item that saw everything: a lost answer, a review, a correction, a conflict, a twin, an audit."""
    story = Story(bench, Application(bench.clock), store)
    bench.enqueue(person(), invoice(2), rejected=[RejectedInput("x.csv:9", (f"{CANARY}?",), {"a": CANARY}, REFERENCE)])
    story.app.will("send", "answer_late")
    await story.attempt()
    await story.attempt()  # the other item
    story.wait(60)
    story.app.records[0].values["total"] = invoice(9).payload["total"]
    assert (await story.attempt()).reason == "mismatch"
    reviews.correct(
        bench.database, 1, {"total": invoice(1).payload["total"]}, "ana", workflow=bench.workflow, reason=CANARY
    )
    story.app.records[0].values["total"] = invoice(1).payload["total"]
    await story.attempt()
    bench.enqueue(person(total=invoice(5).payload["total"]), person())
    audit(story, missing=True)
    with bench.database.write() as connection:
        twin = {"check": "model", "code": "twin", "message": f"like {REFERENCE}, which has the same total"}
        connection.execute(sa.update(t.verdicts).where(t.verdicts.c.item_id == 2).values(findings=[twin]))
    return story


def audit(story: Story, *, missing: bool = False) -> None:
    """Audit what is due; with `missing`, as if the list did not show the first record."""
    story.wait(60)
    while (due := claim_audit(story.bench.database, "auditor", LEASE)) is not None:
        counts = {item.item_id: item.expected - (missing and item.item_id == 3) for item in due.items}
        close_audit(story.bench.database, "auditor", due, counts)
    waiting = story.bench.rows(t.items, t.items.c.state == "review")
    for item in waiting:
        reviews.decide(story.bench.database, item.id, "accept", "ana", workflow=story.bench.workflow, reason=CANARY)


def erased(story: Story) -> Erased:
    """Erase the person's item."""
    database = story.bench.database
    return erase(database, story.store, look(database, REFERENCE), "dpo", "Art. 17, ticket 12")


def in_rows(database: Database) -> list[str]:
    """Return where the person still is, as queries see it."""
    found = []
    with database.read() as connection:
        for table in t.metadata.sorted_tables:
            for row in connection.execute(sa.select(table)):
                text = repr(tuple(row)).encode()
                found += [f"{table.name} {row[0]}" for needle in NEEDLES if needle in text]
    return found


def in_files(folder: Path) -> list[str]:
    """Return the files whose bytes hold the person."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in paths for needle in NEEDLES if needle in path.read_bytes()]


def test_a_person_is_in_no_row_and_no_file_any_more_and_the_figures_stay(story: Story, tmp_path: Path) -> None:
    bench = story.bench
    before, evidence = facts(bench.database), bench.rows(t.evidence)
    hashes = [row.payload_hash for row in bench.rows(t.items)]
    assert {place.split()[0] for place in in_rows(bench.database)} >= {
        "items",
        "attempts",
        "verdicts",
        "reviews",
        "events",
        "runs",
    }
    assert in_files(story.store.root)
    assert in_files(tmp_path)
    done = erased(story)
    assert done.item_ids == (1, 3), "the correction went with it"
    assert in_rows(bench.database) == []
    assert in_files(story.store.root) == []
    if bench.database.is_sqlite:
        assert wipe(bench.database)
        assert in_files(tmp_path) == []
    after = facts(bench.database)
    for then, now in zip(before.items, after.items, strict=True):
        assert (then.item.state, then.item.reason, then.item.closed_at) == (
            now.item.state,
            now.item.reason,
            now.item.closed_at,
        )
        assert [a.outcome for a in then.attempts] == [a.outcome for a in now.attempts]
        assert [a.steps for a in then.attempts] == [a.steps for a in now.attempts]
        assert [[f.code for f in v.findings] for v in then.verdicts] == [
            [f.code for f in v.findings] for v in now.verdicts
        ]
    kept = bench.rows(t.evidence)
    assert [(row.sha256, row.size) for row in kept] == [(row.sha256, row.size) for row in evidence]
    assert [row.payload_hash for row in bench.rows(t.items)] == hashes
    assert check(bench.database, story.store, deep=True).wrong == []
    told = bench.rows(t.events, t.events.c.kind == "item.erased")
    assert [(row.actor, row.item_id, row.data) for row in told] == [
        ("dpo", item_id, {"reason": "Art. 17, ticket 12"}) for item_id in (1, 3)
    ]


async def test_an_erased_reference_that_comes_again_is_known_and_leaves_no_trace(story: Story) -> None:
    bench = story.bench
    erased(story)
    again = bench.enqueue(
        person(),
        person(total=invoice(7).payload["total"]),
        invoice(3),
        rejected=[RejectedInput("x.csv:9", (CANARY,), {"supplier": CANARY}, REFERENCE)],
    )
    assert (again.enqueued, again.already_known, again.conflicts) == (1, (REFERENCE, REFERENCE), ())
    assert in_rows(bench.database) == []
    with pytest.raises(UserError, match="erased already"):
        look(bench.database, REFERENCE)
    with pytest.raises(UserError, match="no item with this reference"):
        look(bench.database, "somebody else")


async def test_what_is_still_needed_is_not_erased(story: Story) -> None:
    bench = story.bench
    bench.enqueue(invoice(4))
    with pytest.raises(UserError, match="ready: the bots still need"):
        look(bench.database, invoice(4).reference)
    await story.attempt()
    with pytest.raises(UserError, match="audit still needs"):
        look(bench.database, invoice(4).reference)
    story.app.will("fill", "business")
    bench.enqueue(invoice(5))
    await story.attempt()
    with pytest.raises(UserError, match="waits for a person"):
        look(bench.database, invoice(5).reference)
    with pytest.raises(UserError, match="without the reference"):
        erase(bench.database, story.store, look(bench.database, REFERENCE), "dpo", f"for {REFERENCE}")


def test_a_run_that_is_audited_again_leaves_erased_items_out(story: Story) -> None:
    bench = story.bench
    erased(story)
    with bench.database.write() as connection:
        connection.execute(sa.update(t.runs).values(state="auditing", audit_at=bench.clock.now()))
    due = claim_audit(bench.database, "auditor", LEASE)
    assert due is not None
    assert [item.item_id for item in due.items] == [2]


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_file_that_somebody_reads_is_said_not_to_be_clean(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    database = story.bench.database
    monkeypatch.setattr(vacuum, "_BUSY_MS", 50)
    erased(story)
    with database.read() as reader:
        reader.execute(sa.select(t.items)).all()
        assert not wipe(database)
        with pytest.raises(UserError, match="stop the workers"):
            rewrite(database)
    assert wipe(database)


@pytest.mark.parametrize("backend", ["postgresql"])
def test_rewriting_takes_the_bytes_out_of_a_servers_tables(
    story: Story,
    postgres: PostgresServer,
    backend: str,  # noqa: ARG001 - it chooses the ledger
) -> None:
    database = story.bench.database
    with database.read() as connection:
        oid = connection.execute(sa.text("select oid from pg_database where datname = current_database()")).scalar_one()
    tables = postgres._folder / "data" / "base" / str(oid)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("checkpoint"))
    assert in_files(tables)
    erased(story)
    assert not wipe(database)
    rewrite(database)
    assert in_files(tables) == []


def test_log_lines_are_blanked_where_they_stand(tmp_path: Path) -> None:
    lines = [
        {"time": "t", "level": "INFO", "message": "hello", "item": 2, "reference": "other", "logger": "x"},
        {"time": "t", "level": "WARNING", "message": "is there", "item": 12, "reference": REFERENCE, "attempt": 1},
        {"time": "t", "level": "INFO", "message": f"like {REFERENCE}", "item": 3, "reference": None},
        {"time": "t", "level": "INFO", "message": CANARY, "item": 1, "reference": None, "exception": CANARY},
    ]
    path = tmp_path / "countersign.jsonl"
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    size = path.stat().st_size
    with path.open("a", encoding="utf-8") as other:  # a worker has it open
        assert scrub_logs(tmp_path, [REFERENCE], [1]) == 3
        other.write('{"message": "after"}\n')
    assert in_files(tmp_path) == []
    after = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert after[0] == lines[0]
    assert [line.get("item") for line in after] == [2, 12, 3, 1, None]
    assert after[1]["reference"] is None
    assert path.stat().st_size == size + len('{"message": "after"}\n')
