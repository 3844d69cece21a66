"""Which version of the schema a ledger has, and whether this version of Countersign may work on it.

A file of one host is brought up to date by whoever opens it; so is a PostgreSQL database with nothing in it. A
PostgreSQL ledger that is in use is upgraded on purpose (`runner.py db upgrade`), not by the worker that starts first.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import sqlalchemy as sa
from loguru import logger

from engine.errors import UserError
from engine.ledger import tables as t
from engine.ledger.database import Database

_VERSION = sa.table("alembic_version", sa.column("version_num", sa.String))


@cache
def known_versions() -> tuple[str, ...]:
    """Return the versions that this code knows, oldest first, from the names of the migrations."""
    folder = Path(__file__).parent / "migrations" / "versions"
    return tuple(sorted(path.name.partition("_")[0] for path in folder.glob("[0-9]*_*.py")))


def newest() -> str:
    """Return the version that this code works on."""
    return known_versions()[-1]


def version(database: Database) -> str | None:
    """Return the ledger's version, None where there is no ledger yet; it costs one query and loads no migration.

    Raises:
        UserError: the database cannot be reached, or holds the tables of something else.
    """
    with database.opened(), database.transaction(write=False) as connection:
        there = sa.inspect(connection)
        if there.has_table(_VERSION.name):
            found = connection.execute(sa.select(_VERSION.c.version_num)).scalar_one_or_none()
            return None if found is None else str(found)
        foreign = sorted(set(there.get_table_names()) & set(t.metadata.tables))
        if foreign:
            raise UserError(f"{database.name}: is no ledger, but has a table {foreign[0]}; name another database")
        return None


def prepare(database: Database) -> None:
    """See that the schema is the newest, upgrading where nobody else can be in the way.

    Raises:
        UserError: the ledger is PostgreSQL's and older (`db upgrade` is asked for), or newer than this code.
    """
    found = version(database)
    if found == newest():
        return
    if found is not None and found not in known_versions():
        raise UserError(_newer(database, found))
    if found is not None and not database.is_sqlite:
        raise UserError(
            f"{database.name}: the ledger has schema {found}, this version of Countersign works on {newest()}; "
            "stop the workers and schedulers, make a backup, then run `runner.py db upgrade`"
        )
    database.upgrade()
    logger.bind(event="ledger.upgraded").info("the ledger has schema {} now, it had {}", newest(), found or "none")


def upgrade(database: Database) -> tuple[str | None, str]:
    """Bring the ledger up to date, whatever it lives in; return the versions before and after.

    Raises:
        UserError: it is newer than this code, or cannot be opened.
    """
    found = version(database)
    if found is not None and found not in known_versions():
        raise UserError(_newer(database, found))
    if found != newest():
        database.upgrade()
    return found, newest()


def _newer(database: Database, found: str) -> str:
    return (
        f"{database.name}: was written by a newer version (schema {found}, this one knows {newest()}); "
        "update Countersign"
    )
