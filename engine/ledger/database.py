"""Opens the ledger's database, brings it up to date, and hands out transactions."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from engine.clock import Clock, SystemClock
from engine.errors import UserError
from engine.ledger import tables

BUSY_SECONDS = 30


class Database:
    """One ledger; `write` and `read` are its only doors."""

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        """Open without touching the schema.

        Args:
            url: SQLAlchemy URL; a plain path means an SQLite file.
            clock: where every timestamp in the ledger comes from.
        """
        self.url = url if "://" in url else f"sqlite:///{url}"
        self.clock = clock or SystemClock()
        options: dict[str, Any] = {"json_serializer": partial(json.dumps, ensure_ascii=False, sort_keys=True)}
        if self.url.startswith("sqlite"):
            Path(self.url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
            options["connect_args"] = {"timeout": BUSY_SECONDS, "check_same_thread": False}
        self.engine = sa.create_engine(self.url, **options)
        if self.engine.dialect.name == "sqlite":
            _prepare_sqlite(self.engine)

    def upgrade(self) -> None:
        """Bring the schema to the newest version.

        Raises:
            UserError: the file is not a ledger, or was written by a newer version.
        """
        logging.getLogger("alembic").setLevel(logging.WARNING)  # its notes on dialects are for nobody here
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        try:
            with self.engine.connect().execution_options(write=True) as connection, connection.begin():
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except CommandError as error:
            raise UserError(f"{self.url}: was written by a newer version ({error}); update Countersign") from error
        except sa.exc.DatabaseError as error:
            raise UserError(f"{self.url}: cannot be opened as a ledger ({error.orig}); name another file") from error

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One writing transaction; on SQLite it takes the write lock at once and so never has to give way."""
        with self.engine.connect().execution_options(write=True) as connection, connection.begin():
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One reading transaction: everything in it is seen as of one instant."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _prepare_sqlite(engine: sa.Engine) -> None:
    @sa.event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the begin event below decides how a transaction starts
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={BUSY_SECONDS * 1000}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def insert_new(
    connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], *returning: sa.Column[Any]
) -> list[Any]:
    """Insert the rows that violate no unique key, and return the named columns of those that went in.

    RETURNING is asked instead of `rowcount`, which some drivers report wrongly after ON CONFLICT DO NOTHING.
    """
    if not rows:
        return []
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table).on_conflict_do_nothing().returning(*returning)
    return list(connection.execute(statement, list(rows)))


def record_event(
    connection: Connection,
    clock: Clock,
    kind: str,
    actor: str,
    *,
    run_id: int | None = None,
    item_id: int | None = None,
    **data: Any,
) -> None:
    """Append one event."""
    connection.execute(
        sa.insert(tables.events).values(
            run_id=run_id, item_id=item_id, kind=kind, actor=actor, data=data, at=clock.now()
        )
    )
