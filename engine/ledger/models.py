"""Which model artifact is in use: champion, challenger, previous, retired."""

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


def promote(database: Database, name: str, version: str, actor: str, *, sha256: str | None = None) -> None:
    """Make a version the champion; the one in use becomes `previous`. The champion itself stays as it is.

    Args:
        database: The ledger.
        name: Name of the model.
        version: Which version.
        actor: Who promotes.
        sha256: Of the artifact that was verified just now; None if nobody looked.

    Raises:
        UserError: there is no such version, or the verified file is not the registered one.
    """
    with database.write() as connection:
        row = next((known for known in _all(connection, name) if known.version == version), None)
        if row is None:
            known = ", ".join(one.version for one in _all(connection, name))
            raise UserError(f"there is no version {version} of {name}; known: {known or 'none'}")
        _same_file(row, sha256)
        if row.stage == "champion":
            return
        _stage(connection, name, "previous", "retired")
        _stage(connection, name, "champion", "previous")
        _crown(connection, database, name, version)
        record_event(connection, database.clock, "model.promoted", actor, name=name, version=version)


def rollback(database: Database, name: str, version: str, actor: str, *, sha256: str) -> str:
    """Go back one step: the previous version is champion again, the champion is retired. Return the retired version.

    There is no previous version after that: a second step back is a promotion by name.

    Args:
        database: The ledger.
        name: Name of the model.
        version: The previous version, as it was verified just now.
        actor: Who rolls back.
        sha256: Of the verified artifact.

    Raises:
        UserError: `version` is not the previous one (any more), or its file is not the registered one.
    """
    with database.write() as connection:
        stages = {row.stage: row for row in _all(connection, name)}
        row = stages.get("previous")
        if row is None or row.version != version:
            raise UserError(f"{version} is not the previous version of {name}; see `model list`")
        _same_file(row, sha256)
        left = stages["champion"].version
        _stage(connection, name, "champion", "retired")
        _crown(connection, database, name, version)
        record_event(
            connection, database.clock, "model.rolled_back", actor, name=name, version=version, retired_version=left
        )
    return left


def at_stage(database: Database, name: str, stage: str) -> ModelRow | None:
    """Return the newest version of a model at a stage: champion, challenger, previous or retired."""
    return next((row for row in listing(database, name) if row.stage == stage), None)


def digest(database: Database, name: str, version: str) -> str | None:
    """Return the SHA-256 under which a version is registered, or None if it is not."""
    with database.read() as connection:
        query = sa.select(t.models.c.sha256).where(t.models.c.name == name, t.models.c.version == version)
        return connection.execute(query).scalar_one_or_none()


def _all(connection: sa.Connection, name: str) -> list[ModelRow]:
    """Return all versions of a model, locked: of two who promote, one is first."""
    query = sa.select(*(t.models.c[key] for key in ModelRow.__dataclass_fields__)).where(t.models.c.name == name)
    locked = query.order_by(t.models.c.id).with_for_update(key_share=True)
    return [ModelRow(**row._asdict()) for row in connection.execute(locked)]


def _same_file(row: ModelRow, sha256: str | None) -> None:
    if sha256 is not None and sha256 != row.sha256:
        raise UserError(
            f"{row.name} {row.version}: model.onnx is not the file that was registered (its SHA-256 differs); "
            "restore it from a backup, or train again"
        )


def _stage(connection: sa.Connection, name: str, stage: str, then: str) -> None:
    of_stage = sa.and_(t.models.c.name == name, t.models.c.stage == stage)
    connection.execute(sa.update(t.models).where(of_stage).values(stage=then))


def _crown(connection: sa.Connection, database: Database, name: str, version: str) -> None:
    one = sa.and_(t.models.c.name == name, t.models.c.version == version)
    values = {"stage": "champion", "promoted_at": database.clock.now()}
    connection.execute(sa.update(t.models).where(one).values(**values))


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
