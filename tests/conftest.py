"""What tests of every folder share: a real PostgreSQL server, started when the first test asks for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import psycopg
import pytest
from psycopg import sql

from engine.ledger import tables as t
from engine.ledger.database import Database
from fixtures.postgres import PostgresServer, server_binaries

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # processes that tests start keep what they compiled, as a user's do
LONG = ("tests/integration/", "tests/qc_models/promise/", "tests/bots/", "tests/qc_models/")
"""Folders whose files take long: they come first, so that side by side all processes end at nearly the same time."""

_SCHEMA = """
with ours as (select oid from pg_class where relnamespace = 'public'::regnamespace)
select 0::oid, version_num, '', 0::oid, true from alembic_version
union all select oid, relname, relkind, 0, true from pg_class where oid in (select oid from ours)
union all select attrelid, attname, 'column', atttypid, attnotnull
    from pg_attribute where attrelid in (select oid from ours)
union all select oid, conname, 'constraint', conrelid, true from pg_constraint where conrelid in (select oid from ours)
union all select oid, '', 'default', adrelid, true from pg_attrdef where adrelid in (select oid from ours)
union all select oid, tgname, 'trigger', tgrelid, true from pg_trigger where tgrelid in (select oid from ours)
order by 1, 2, 3
"""
"""Copies of a database have the numbers (oid) of the original; what is made anew has others."""
_OTHERS = """
select pg_terminate_backend(pid, 10000) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid()
"""
_EMPTY = "; ".join(
    (
        "set local session_replication_role = replica",  # tables in any order
        *(f'delete from "{table.name}"' for table in t.metadata.sorted_tables),  # noqa: S608
        "select setval(oid::regclass, 1, false) from pg_class where relkind = 'S' and pg_table_is_visible(oid)",
    )
)


def pytest_configure(config: pytest.Config) -> None:
    """Let pytest-xdist take the files in our order, not by how many tests they have."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first."""

    def place(item: pytest.Item) -> int:
        return next((at for at, folder in enumerate(LONG) if item.nodeid.startswith(folder)), len(LONG))

    items.sort(key=place)


@dataclass
class Ledgers:
    """Ledgers of a throw-away cluster, each as an upgrade leaves it; one that was given back is emptied and lent again.

    An empty database is three hundred files to copy; to delete the few rows of a test costs a tenth of that.
    """

    server: PostgresServer
    spare: list[str] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    schema: list[Any] = field(default_factory=list)
    meta: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the ledger that the others are copies of."""
        self._administer("create database {}", "migrated")
        database = Database(self.address("migrated"))
        database.upgrade()
        database.close()
        with psycopg.connect(self.address("migrated")) as connection:
            self.schema = _schema(connection)
            self.meta = connection.execute("select key, value from meta").fetchall()

    def address(self, name: str) -> str:
        """Return the address of a database."""
        return self.server.url.removesuffix("postgres") + name

    def lend(self) -> str:
        """Return the name of a ledger with nothing in it."""
        if self.spare:
            return self.spare.pop()
        name = f"t{next(self.numbers)}"
        self._administer("create database {} template migrated strategy file_copy", name)
        return name

    def take_back(self, name: str) -> None:
        """Empty a ledger, or drop it where its schema is not what it was; whoever still is connected is cut off."""
        with psycopg.connect(self.address(name), autocommit=True) as connection:
            connection.execute(_OTHERS)
            kept = _schema(connection) == self.schema
            if kept:
                with connection.transaction():
                    connection.execute(_EMPTY)
                    connection.cursor().executemany("insert into meta (key, value) values (%s, %s)", self.meta)
        if kept:
            self.spare.append(name)
        else:
            self._administer("drop database {} with (force)", name)

    def _administer(self, statement: str, name: str) -> None:
        with psycopg.connect(self.address("template1"), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(name)))


def _schema(connection: psycopg.Connection[Any]) -> list[Any]:
    try:
        return connection.execute(_SCHEMA).fetchall()
    except psycopg.errors.UndefinedTable:  # of its version
        return []


@pytest.fixture(scope="session")
def ledgers() -> Iterator[Ledgers]:
    """A throw-away cluster of this test process."""
    if server_binaries() is None:
        pytest.skip("no PostgreSQL server binaries on this machine")
    with PostgresServer() as server:
        yield Ledgers(server)


@pytest.fixture(scope="session")
def postgres(ledgers: Ledgers) -> PostgresServer:
    return ledgers.server


@pytest.fixture
def postgres_url(ledgers: Ledgers) -> Iterator[Callable[[str], str]]:
    """Return addresses of empty ledgers, one a name, of this test alone."""
    with fresh_ledgers(ledgers) as url:
        yield url


@contextmanager
def fresh_ledgers(ledgers: Ledgers) -> Iterator[Callable[[str], str]]:
    """Give addresses of empty ledgers, one a name, as long as it is open."""
    lent: dict[str, str] = {}

    def url(name: str = "ledger") -> str:
        if name not in lent:
            lent[name] = ledgers.lend()
        return ledgers.address(lent[name])

    yield url
    for name in lent.values():
        ledgers.take_back(name)
