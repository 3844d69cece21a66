"""Who may upgrade a ledger, and what is said to whom; no message ever holds a password."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from engine.clock import ManualClock
from engine.errors import UserError
from engine.ledger import schema
from engine.ledger.database import Database
from engine.ledger.queue import claim
from tests.engine.conftest import Bench

ROOT = Path(__file__).parents[3]


def says(database: Database, version: str) -> None:
    """Let a ledger be of another version."""
    with database.write() as connection:
        connection.execute(sa.text("update alembic_version set version_num = :it"), {"it": version})


def test_the_newest_version_is_what_the_migrations_lead_to() -> None:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "engine" / "ledger" / "migrations"))
    script = ScriptDirectory.from_config(config)
    assert schema.newest() == script.get_current_head()
    assert set(schema.known_versions()) == {revision.revision for revision in script.walk_revisions()}


def test_a_ledger_of_this_version_is_opened_without_loading_the_migrations(migrated: Path) -> None:
    code = (
        "import sys; from engine.ledger import schema; from engine.ledger.database import Database; "
        f"schema.prepare(Database({str(migrated)!r})); print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout == "False\n"


def test_a_newer_ledger_is_refused_with_what_to_do(bench: Bench) -> None:
    says(bench.database, "9999")
    for refuse in (schema.prepare, schema.upgrade):
        with pytest.raises(UserError, match=r"newer version .*update Countersign"):
            refuse(bench.database)


def test_an_older_file_is_upgraded_by_itself(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "ledger.db"))
    assert schema.version(database) is None
    schema.prepare(database)
    assert schema.version(database) == schema.newest()
    assert schema.upgrade(database) == (schema.newest(), schema.newest())
    database.close()


def test_an_older_postgresql_ledger_is_upgraded_on_purpose_only(postgres_url: Callable[[str], str]) -> None:
    database = Database(postgres_url("old"))
    says(database, "0001")
    with pytest.raises(UserError, match=r"runner\.py db upgrade"):
        schema.prepare(database)
    assert schema.version(database) == "0001", "refused, and nothing was touched"
    database.close()


def test_an_empty_postgresql_database_becomes_a_ledger_by_itself(postgres_url: Callable[[str], str]) -> None:
    database = Database(postgres_url("empty"))
    with database.write() as connection:
        connection.execute(sa.text("drop schema public cascade; create schema public"))
    schema.prepare(database)
    assert schema.version(database) == schema.newest()
    database.close()


def test_the_tables_of_something_else_are_left_alone(postgres_url: Callable[[str], str]) -> None:
    database = Database(postgres_url("theirs"))
    with database.write() as connection:
        connection.execute(sa.text("drop table alembic_version"))
    with pytest.raises(UserError, match="is no ledger"):
        schema.prepare(database)
    database.close()


def test_a_ledger_of_the_first_version_with_work_in_it_goes_up_and_down_and_loses_nothing(
    backend: str, tmp_path: Path, postgres_url: Callable[[str], str]
) -> None:
    address = str(tmp_path / "ledger.db") if backend == "sqlite" else postgres_url("old")
    database = Database(address, ManualClock())
    if backend == "postgresql":
        with database.write() as connection:
            connection.execute(sa.text("drop schema public cascade; create schema public"))

    def move(how: Callable[[Config, str], None], version: str) -> None:
        config = Config()
        config.set_main_option("script_location", str(ROOT / "engine" / "ledger" / "migrations"))
        with database.transaction(write=True) as connection:
            config.attributes["connection"] = connection
            how(config, version)

    def rows(query: str) -> list[tuple[Any, ...]]:
        with database.read() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]

    move(command.upgrade, "0001")
    with database.write() as connection:
        for statement in OF_THE_FIRST.strip().split(";"):
            connection.execute(sa.text(statement))
    everything = [f"select * {of}" for of in ("from runs", "from items", "from attempts", "from breakers")]
    before = [rows(query) for query in everything]
    move(command.upgrade, "head")
    assert rows("select app, max_sessions, failures, reason from apps") == [("erp", 4, 3, "step_timeout")]
    assert rows("select count(*) from items i join runs r on r.id = i.run_id where i.due_at = r.due_at") == [(1,)]
    assert rows("select workflow from attempts") == [("entry",)]
    claimed = claim(database, "worker-1", timedelta(seconds=60))
    assert claimed is not None
    assert (claimed.reference, claimed.fence, claimed.restored_at) == ("INV-1", 2, None)
    with database.write() as connection:
        for undo in (
            "update items set fence = 1, owner = null, lease_until = null",
            "delete from attempts where id > 1",
        ):
            connection.execute(sa.text(undo))
        connection.execute(sa.text("update attempts set ended_at = null, outcome = null, error_kind = null"))
        connection.execute(sa.text("update attempts set error_code = null"))
    move(command.downgrade, "0001")
    assert [rows(query) for query in everything] == before
    move(command.upgrade, "head")
    database.close()


OF_THE_FIRST = """
insert into definitions (hash, workflow, snapshot, created_at) values ('h', 'entry', '{}', '2025-12-01 08:00:00');
insert into runs (id, workflow, app, definition_hash, kind, trigger, state, seed, counts, created_at, due_at)
values (1, 'entry', 'erp', 'h', 'entry', 'ana', 'open', 1, '{}', '2025-12-01 08:00:00', '2025-12-02 08:00:00');
insert into items (id, run_id, workflow, reference, app, payload, payload_hash, state, priority, fence, available_at,
failures, audit_draw, audited, created_at)
values (1, 1, 'entry', 'INV-1', 'erp', '{}', 'x', 'working', 0, 1, '2025-12-01 08:00:00', 0, 0.5, false,
'2025-12-01 08:00:00');
insert into attempts (item_id, fence, worker, started_at) values (1, 1, 'w', '2025-12-01 08:00:00');
insert into breakers (app, failures, open_until, reason, changed_at)
values ('erp', 3, '2025-12-01 08:10:00', 'step_timeout', '2025-12-01 08:00:00')
"""
"""What a ledger of version 0001 may hold: an item that a worker died on, and a breaker that was open."""


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("postgresql://ana@127.0.0.1:abc/x", "no address of a database"),
        ("postgresql//ana@127.0.0.1/x://", "no address of a database"),
        ("mysql://ana@127.0.0.1/x", "cannot live in mysql"),
        ("sqlite://", "a ledger in memory would be lost"),
        ("", "a ledger in memory would be lost"),
        ("/proc/nowhere/ledger.db", "folder cannot be made"),
    ],
)
def test_what_is_no_place_for_a_ledger_is_refused_in_a_sentence(address: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        Database(address)


def test_what_the_address_says_of_the_connection_wins_over_our_own_choice(postgres_url: Callable[[str], str]) -> None:
    chosen = "?application_name=theirs&options=-csearch_path%3Dpublic%2Cpg_temp"
    database = Database(postgres_url("ledger") + chosen)
    with database.read() as connection:
        names = ("application_name", "search_path", "timezone")
        said = [connection.exec_driver_sql(f"show {name}").scalar_one() for name in names]
    assert said == ["theirs", "public,pg_temp", "UTC"]
    database.close()


@pytest.mark.parametrize(
    "address", ["postgresql://ana:geheim@127.0.0.1:1/x", "postgresql://127.0.0.1:1/x?password=geheim"]
)
def test_a_password_reaches_no_message(address: str) -> None:
    database = Database(address)
    with pytest.raises(UserError, match="see that the server runs") as caught:
        schema.version(database)
    assert "geheim" not in str(caught.value)
    database.close()
