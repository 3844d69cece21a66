from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from engine.errors import UserError
from engine.evidence import EvidenceStore
from engine.ledger import queue, workers
from engine.ledger import tables as t
from engine.ledger.audit_reads import waiting_since
from engine.ledger.canary_reads import balance, reviewed_workflows
from engine.ledger.database import Database
from engine.ledger.queue import claim
from engine.ledger.retention import prune_some
from engine.ledger.run_audit import claim_audit
from engine.ledger.runs import open_run
from engine.patience import passes
from engine.redact import Redactor
from tests.engine.conftest import LEASE, Bench, invoice, make_workflow

sqlite_only = pytest.mark.parametrize("backend", ["sqlite"])
"""What only SQLite has: pragmas, and its own words for indexes and plans."""


def test_the_migrations_and_the_tables_agree(bench: Bench) -> None:
    with bench.database.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True, "target_metadata": t.metadata}
        )
        assert compare_metadata(context, t.metadata) == []


@sqlite_only
def test_the_migrated_indexes_are_those_of_the_tables_to_the_letter(bench: Bench, tmp_path: Path) -> None:
    built = sa.create_engine(f"sqlite:///{tmp_path / 'built.db'}")
    t.metadata.create_all(built)
    query = sa.text("select name, sql from sqlite_master where type = 'index' and sql is not null order by name")
    with built.connect() as connection, bench.database.read() as migrated:
        expected = [(row.name, " ".join(row.sql.split())) for row in connection.execute(query)]
        found = [(row.name, " ".join(row.sql.split())) for row in migrated.execute(query)]
    built.dispose()
    assert found == expected
    assert any("WHERE state IN" in sql for _, sql in found)


@pytest.mark.parametrize("run_ids", [None, [1]])
@sqlite_only
def test_claiming_uses_the_index_of_open_items(bench: Bench, run_ids: list[int] | None) -> None:
    from engine.ledger.queue import _first_item  # noqa: PLC0415 - the very query that is claimed with

    query = _first_item("erp", bench.clock.now(), run_ids is not None, refusing=False)
    query = query.params(run_ids=run_ids) if run_ids else query
    text = str(query.compile(bench.database.engine, compile_kwargs={"literal_binds": True}))
    with bench.database.read() as connection:
        plan = " ".join(row.detail for row in connection.execute(sa.text(f"explain query plan {text}")))
    assert "USING INDEX ix_items_open" in plan
    assert "TEMP B-TREE" not in plan


@sqlite_only
def test_what_workers_ask_again_and_again_walks_through_nothing_that_is_done(bench: Bench) -> None:
    """Every statement of an idle poll, a beat and a watch finds its rows by an index of what is going on."""
    asked: list[tuple[str, Any]] = []
    engine = bench.database.engine
    sa.event.listen(engine, "before_cursor_execute", lambda *call: asked.append((call[2], call[3])))
    queue.claim(bench.database, "worker-1", LEASE, refused=["h"])
    claim_audit(bench.database, "worker-1", LEASE, refused=["h"])
    queue.is_work_left(bench.database)
    queue.next_wake(bench.database)
    queue.extend(bench.database, "worker-1", [(1, 1)], LEASE, [1])
    workers.report_lost(bench.database)
    prune_some(bench.database, EvidenceStore(Path("nowhere"), Redactor()), lambda _: bench.workflow)
    raw = engine.raw_connection()
    plans = [
        (statement, row[3])
        for statement, values in asked
        if not statement.startswith("BEGIN")
        for row in raw.cursor().execute(f"explain query plan {statement}", values)
    ]
    raw.close()
    assert len(plans) > 20
    small = ("apps", "workers", "CONSTANT ROW", "(subquery", "items USING INDEX ix_items_open")
    walks = [plan for plan in plans if plan[1].startswith("SCAN ") and not plan[1][5:].startswith(small)]
    assert walks == []


@sqlite_only
def test_what_the_watch_over_reviews_asks_does_not_walk_through_a_workflow(bench: Bench) -> None:
    asked: list[tuple[str, Any]] = []
    engine = bench.database.engine
    sa.event.listen(engine, "before_cursor_execute", lambda *call: asked.append((call[2], call[3])))
    balance(bench.database, "invoice-entry")
    reviewed_workflows(bench.database)
    waiting_since(bench.database, "invoice-entry")
    raw = engine.raw_connection()
    plans = [
        row[3]
        for statement, values in asked
        if not statement.startswith("BEGIN")
        for row in raw.cursor().execute(f"explain query plan {statement}", values)
    ]
    raw.close()
    of_items = {plan.partition(" USING ")[2].partition(" (")[0] for plan in plans if plan.split()[1] == "items"}
    assert of_items == {"INDEX ix_items_review", "INTEGER PRIMARY KEY"}


def test_upgrading_twice_changes_nothing(bench: Bench) -> None:
    bench.enqueue(1)
    before = bench.everything()
    bench.database.upgrade()
    assert bench.everything() == before


def test_a_file_that_is_no_ledger_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to look like one\n" * 50, encoding="utf-8")
    database = Database(str(path))
    with pytest.raises(UserError, match=r"notes\.txt"):
        database.upgrade()
    database.close()


def test_a_ledger_of_a_newer_version_is_refused(bench: Bench) -> None:
    with bench.database.write() as connection:
        connection.execute(sa.text("update alembic_version set version_num = '9999'"))
    with pytest.raises(UserError, match="newer"):
        bench.database.upgrade()


def test_a_failed_transaction_leaves_nothing(bench: Bench) -> None:
    before = bench.everything()
    row = {"app": "erp", "max_sessions": 1, "maintenance": [], "failures": 1, "changed_at": bench.clock.now()}
    with pytest.raises(sa.exc.IntegrityError), bench.database.write() as connection:
        connection.execute(sa.insert(t.apps), [row, row])
    assert bench.everything() == before


def test_a_reader_sees_one_instant(bench: Bench) -> None:
    bench.enqueue(1)
    with bench.database.read() as reader:
        count = sa.select(sa.func.count()).select_from(t.items)
        assert reader.execute(count).scalar_one() == 1
        bench.enqueue(2)
        assert reader.execute(count).scalar_one() == 1


@sqlite_only
def test_the_ledger_survives_a_power_cut_and_knows_its_references(bench: Bench) -> None:
    with bench.database.read() as connection:
        pragmas = {
            name: connection.execute(sa.text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_a_naive_time_is_refused(bench: Bench) -> None:
    naive = bench.clock.now().replace(tzinfo=None)
    with pytest.raises(sa.exc.StatementError, match=r"engine\.clock"), bench.database.write() as connection:
        connection.execute(
            sa.insert(t.apps).values(app="erp", max_sessions=1, maintenance=[], failures=1, changed_at=naive)
        )


def test_a_worker_that_is_frozen_within_a_claim_holds_up_nobody_for_long(postgres_url: Callable[[str], str]) -> None:
    soon = "?options=-c%20idle_in_transaction_session_timeout%3D200ms"
    frozen, other = Database(postgres_url("ledger") + soon), Database(postgres_url("ledger"))
    open_run(other, make_workflow(), [invoice(1)], trigger="test")

    def hold() -> None:
        with frozen.write() as connection:
            connection.execute(sa.select(t.apps).with_for_update(key_share=True))
            assert claim(other, "worker-2", LEASE) is not None, "the server has let the row go"
            connection.execute(sa.select(t.apps))

    with pytest.raises(sa.exc.DBAPIError) as error:
        hold()
    assert passes(error.value)
    frozen.close()
    other.close()
