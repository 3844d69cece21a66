"""What the ledger's tables are made of: one metadata for all, instants that are always UTC, usual columns."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """A timezone-aware instant, always UTC; naive values are refused on the way in."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store UTC; SQLite keeps no zone, so it gets the naive form."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive datetime {value!r}: ask engine.clock")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return an aware UTC instant."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def id_() -> sa.Column[int]:
    """Return the primary key of a table."""
    return sa.Column("id", sa.Integer, primary_key=True, autoincrement=True)


def ref(name: str, target: str, *, nullable: bool = False) -> sa.Column[int]:
    """Return a reference to another table, indexed."""
    return sa.Column(name, sa.Integer, sa.ForeignKey(target), nullable=nullable, index=True)


def at(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    """Return a column that holds an instant."""
    return sa.Column(name, UtcDateTime, nullable=nullable)


def partial(name: str, *columns: Any, where: Any) -> None:
    """Index the rows that a condition holds for."""
    sa.Index(name, *columns, sqlite_where=where, postgresql_where=where)
