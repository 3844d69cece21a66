"""Who may upgrade a ledger, and what is said to whom; no message ever holds a password."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from engine.errors import UserError
from engine.ledger import schema
from engine.ledger.database import Database
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


@pytest.mark.parametrize(
    "address", ["postgresql://ana:geheim@127.0.0.1:1/x", "postgresql://127.0.0.1:1/x?password=geheim"]
)
def test_a_password_reaches_no_message(address: str) -> None:
    database = Database(address)
    with pytest.raises(UserError, match="see that the server runs") as caught:
        schema.version(database)
    assert "geheim" not in str(caught.value)
    database.close()
