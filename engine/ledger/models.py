"""Which model artifact is in use: champion, challenger, previous."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from engine.errors import UserError
from engine.ledger import tables as t
from engine.ledger.database import Database, insert_new, record_event


@dataclass(frozen=True)
class ModelRow:
    """One registered artifact."""

    name: str
    version: str
    stage: str
    sha256: str
    metrics: Mapping[str, Any]


def register(database: Database, row: ModelRow, actor: str) -> None:
    """Enter an artifact; the first of its name becomes champion, later ones wait as challengers."""
    with database.write() as connection:
        now = database.clock.now()
        taken = sa.select(t.models.c.id).where(t.models.c.name == row.name, t.models.c.stage == "champion")
        stage = "challenger" if connection.execute(taken).first() else "champion"
        values = {
            "name": row.name,
            "version": row.version,
            "stage": stage,
            "sha256": row.sha256,
            "metrics": dict(row.metrics),
            "created_at": now,
            "promoted_at": now if stage == "champion" else None,
        }
        if insert_new(connection, t.models, [values], t.models.c.id):
            record_event(
                connection, database.clock, "model.registered", actor, name=row.name, version=row.version, stage=stage
            )


def promote(database: Database, name: str, version: str, actor: str) -> None:
    """Make a version the champion; the one in use becomes `previous`.

    Raises:
        UserError: there is no such version.
    """
    with database.write() as connection:
        same = t.models.c.name == name
        known = connection.execute(sa.select(t.models.c.version).where(same)).scalars().all()
        if version not in known:
            raise UserError(f"there is no version {version} of {name}; known: {', '.join(known) or 'none'}")
        champion = sa.and_(same, t.models.c.stage == "champion", t.models.c.version != version)
        connection.execute(sa.update(t.models).where(same, t.models.c.stage == "previous").values(stage="retired"))
        connection.execute(sa.update(t.models).where(champion).values(stage="previous"))
        connection.execute(
            sa.update(t.models)
            .where(same, t.models.c.version == version)
            .values(stage="champion", promoted_at=database.clock.now())
        )
        record_event(connection, database.clock, "model.promoted", actor, name=name, version=version)


def champion(database: Database, name: str) -> str | None:
    """Return the version in use, or None if there is none."""
    with database.read() as connection:
        query = sa.select(t.models.c.version).where(t.models.c.name == name, t.models.c.stage == "champion")
        return connection.execute(query).scalar_one_or_none()


def listing(database: Database, name: str | None = None) -> list[ModelRow]:
    """Return the registered artifacts, newest first."""
    query = sa.select(*(t.models.c[key] for key in ModelRow.__dataclass_fields__)).order_by(t.models.c.id.desc())
    if name is not None:
        query = query.where(t.models.c.name == name)
    with database.read() as connection:
        return [ModelRow(**row._asdict()) for row in connection.execute(query)]
