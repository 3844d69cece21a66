"""Takes what was deleted out of the database's own files, where it stays until the space is used again."""

from __future__ import annotations

import sqlalchemy as sa
from loguru import logger

from engine.errors import UserError
from engine.ledger import tables as t
from engine.ledger.database import Database

_BUSY_MS = 5000


def wipe(database: Database) -> bool:
    """Do what can be done beside workers; True if no deleted byte is left in the database's files.

    SQLite: the file is written anew and the write-ahead log emptied; False if somebody reads or writes all the while.
    PostgreSQL: dead rows are removed, which no query can see any more; always False, because their bytes stay in the
    tables' free space until it is used again, or `rewrite` is called, and in the server's write-ahead log.
    """
    return _vacuum_file(database) if database.is_sqlite else _vacuum_tables(database, full=False)


def rewrite(database: Database) -> None:
    """Write the ledger's files anew without what was deleted; others wait meanwhile.

    Raises:
        UserError: a file that somebody reads or writes all the while.
    """
    if not database.is_sqlite:
        _vacuum_tables(database, full=True)
    elif not _vacuum_file(database):
        raise UserError(f"{database.name}: is in use; stop the workers, then try again")


def _vacuum_file(database: Database) -> bool:
    connection = database.engine.raw_connection()
    try:
        raw = connection.driver_connection
        if raw is None:
            return False
        raw.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
        raw.execute("VACUUM")
        busy = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except database.engine.dialect.dbapi.OperationalError as error:  # type: ignore[union-attr]
        logger.bind(event="ledger.not_wiped").warning("the ledger's file could not be written anew: {}", error)
        return False
    finally:
        connection.invalidate()  # its busy time-out is not that of the others
    return not busy


def _vacuum_tables(database: Database, *, full: bool) -> bool:
    how = "VACUUM (FULL, ANALYZE)" if full else "VACUUM"
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in t.metadata.sorted_tables:
            connection.execute(sa.text(f"{how} {table.name}"))
        if full:
            connection.execute(sa.text("CHECKPOINT"))
    return False
