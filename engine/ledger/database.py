"""Opens the ledger's database, brings it up to date, and hands out transactions."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from loguru import logger
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from engine.clock import Clock, SharedClock
from engine.errors import UserError
from engine.ledger import ledger_time, tables

BUSY_SECONDS = 30
_SESSION = "-c idle_in_transaction_session_timeout=60s"
"""A worker that was frozen in the middle of a claim must not hold the application's row, and so the fleet, for ever."""
_STEP = timedelta(seconds=1)
_ADDRESSES = "write a file's path, or postgresql://user:password@host/database"
_CONNECT = {
    "application_name": "countersign",
    "connect_timeout": 10,
    # a server that is gone without a word (its host lost power, a firewall forgot us) is noticed within half a minute;
    # by default a beat would wait for it for two hours, and so would whoever stops the worker
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}

_TOGETHER: ContextVar[tuple[Database, Connection] | None] = ContextVar("countersign_together", default=None)


class Database:
    """One ledger; `write` and `read` are its only doors."""

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        """Open without touching the schema.

        Args:
            url: SQLAlchemy URL; a plain path means an SQLite file.
            clock: where every timestamp in the ledger comes from; by default the time that all its processes share.

        Raises:
            UserError: the URL is none, or of a database that cannot hold a ledger.
        """
        self.url = url if "://" in url else f"sqlite:///{url}"
        self.engine = _engine(self.url)
        self.clock: Clock = clock or SharedClock(partial(ledger_time.ask, self))

    @property
    def is_sqlite(self) -> bool:
        """Say whether the ledger is a file on this host; otherwise it is a PostgreSQL server."""
        return bool(self.engine.dialect.name == "sqlite")

    @property
    def is_new_file(self) -> bool:
        """Say whether the ledger is a file that is not there yet."""
        return self.is_sqlite and not Path(self.engine.url.database or "").exists()

    @property
    def name(self) -> str:
        """Return the address without its password, for people; options after `?` may hold one too and are left out."""
        return self.engine.url.set(query={}).render_as_string(hide_password=True)

    def upgrade(self) -> None:
        """Bring the schema to the newest version.

        Raises:
            UserError: the file is not a ledger, or was written by a newer version.
        """
        from alembic import command  # noqa: PLC0415 - a quarter of a second that only an upgrade should pay
        from alembic.config import Config  # noqa: PLC0415
        from alembic.util.exc import CommandError  # noqa: PLC0415

        logging.getLogger("alembic").setLevel(logging.WARNING)  # its notes on dialects are for nobody here
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        try:
            with self.opened(), self.transaction(write=True) as connection:
                one_at_a_time(connection, "upgrade")
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except CommandError as error:
            raise UserError(f"{self.name}: was written by a newer version ({error}); update Countersign") from error

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Turn what the database says when it cannot be opened into a sentence.

        Raises:
            UserError: the file is no database, or the server does not answer or refuses.
        """
        try:
            yield
        except sa.exc.DatabaseError as error:
            hint = (
                "name another file, or restore a backup"
                if self.is_sqlite
                else "see that the server runs and knows user and database"
            )
            raise UserError(f"{self.name}: cannot be opened as a ledger ({error.orig}); {hint}") from error

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One writing transaction; on SQLite it takes the write lock at once and so never has to give way."""
        if (joined := self._joined()) is not None:
            yield joined
            return
        self.clock.now()  # the first time it is asked for in a transaction of its own, which cannot be inside this one
        with self.transaction(write=True) as connection:
            yield connection

    @contextmanager
    def together(self) -> Iterator[Connection]:
        """One writing transaction that every `write` and `read` within joins: all of several functions, or nothing.

        It belongs to the thread, or task, that opened it. An error must leave it: caught inside, half would be kept.
        """
        with self.write() as connection:
            token = _TOGETHER.set((self, connection))
            try:
                yield connection
            finally:
                _TOGETHER.reset(token)

    def _joined(self) -> Connection | None:
        owner, connection = _TOGETHER.get() or (None, None)
        return connection if owner is self else None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One reading transaction: everything in it is seen as of one instant."""
        if (joined := self._joined()) is not None:
            yield joined
            return
        self.clock.now()
        with self.transaction(write=False) as connection:
            yield connection

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[Connection]:
        """One transaction that may begin before the time is known: for the schema, and for asking the time."""
        options: dict[str, Any] = {"write": write}
        if not write and not self.is_sqlite:
            options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    def synchronise(self) -> None:
        """Ask for the time anew, where it is shared: a beat does so, for two clocks never run quite alike."""
        if isinstance(self.clock, SharedClock):
            moved = self.clock.synchronise()
            if abs(moved) > _STEP:
                logger.bind(event="clock.moved").warning(
                    "the ledger's clock moved by {:g} s; see to the clock of its host", moved.total_seconds()
                )

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _engine(url: str) -> sa.Engine:
    options: dict[str, Any] = {"json_serializer": partial(json.dumps, ensure_ascii=False, sort_keys=True)}
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError) as error:  # a port that is no number is a ValueError
        raise UserError(f"COUNTERSIGN_DATABASE_URL is no address of a database; {_ADDRESSES}") from error
    match parsed.get_backend_name():
        case "sqlite":
            _make_folder(parsed.database)
            options["connect_args"] = {"timeout": BUSY_SECONDS, "check_same_thread": False}
        case "postgresql" | "postgres":
            parsed = parsed.set(drivername="postgresql+psycopg")
            # a connection that the server has cut is noticed before a transaction begins on it
            options |= {"pool_pre_ping": True, "pool_size": 10, "max_overflow": 30}
            asked = {key: value for key, value in _CONNECT.items() if key not in parsed.query}  # what the URL says wins
            said = f"{_SESSION} {parsed.query.get('options', '')} -c timezone=UTC"
            options["connect_args"] = asked | {"options": said}
        case other:
            raise UserError(f"COUNTERSIGN_DATABASE_URL: a ledger cannot live in {other}; {_ADDRESSES}")
    engine = sa.create_engine(parsed, **options)
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
    return engine


def _make_folder(path: str | None) -> None:
    """Make the folder of a ledger's file.

    Raises:
        UserError: there is no path, which SQLite takes for a database in memory, or the folder cannot be made.
    """
    if path in {None, "", ":memory:"}:
        raise UserError(f"COUNTERSIGN_DATABASE_URL names no file, and a ledger in memory would be lost; {_ADDRESSES}")
    folder = Path(str(path)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: the ledger's folder cannot be made: {error.strerror}; name another") from error


def one_at_a_time(connection: Connection, what: str) -> None:
    """Let no other transaction that says the same `what` go on beside this one; it lasts until this one ends.

    SQLite has one writer anyway; PostgreSQL is asked for an advisory lock.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"countersign {what}"))))


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
