"""What tests of every folder share: a real PostgreSQL server, started when the first test asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

import pytest
import sqlalchemy as sa

from engine.ledger.database import Database
from fixtures.postgres import PostgresServer, server_binaries


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A throw-away cluster of this test process, with a migrated ledger in its database `migrated`."""
    if server_binaries() is None:
        pytest.skip("no PostgreSQL server binaries on this machine")
    with PostgresServer() as server:
        _administer(server, "create database migrated")
        database = Database(_address(server, "migrated"))
        database.upgrade()
        database.close()
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[Callable[[str], str]]:
    """Return addresses of fresh ledgers, one a name, which are gone when the test ends."""
    with fresh_ledgers(postgres) as url:
        yield url


@contextmanager
def fresh_ledgers(postgres: PostgresServer) -> Iterator[Callable[[str], str]]:
    """Give addresses of fresh ledgers, one a name, as long as it is open."""
    made: dict[str, str] = {}

    def url(name: str = "ledger") -> str:
        if name not in made:
            made[name] = f"t{next(_NUMBERS)}"
            _administer(postgres, f"create database {made[name]} template migrated strategy file_copy")
        return _address(postgres, made[name])

    yield url
    for database in made.values():
        _administer(postgres, f"drop database {database} with (force)")


_NUMBERS = count(1)


def _address(server: PostgresServer, database: str) -> str:
    return server.url.removesuffix("postgres") + database


def _administer(server: PostgresServer, statement: str) -> None:
    address = _address(server, "template1").replace("postgresql:", "postgresql+psycopg:")
    engine = sa.create_engine(address, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()
