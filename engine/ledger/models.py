"""Which model artifact is in use: champion, challenger, shadow, previous, retired.

A challenger waits; one in shadow is scored on every case beside the champion and decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from engine.errors import UserError
from engine.ledger import tables as t
from engine.ledger.database import Database, insert_new, record_event
from engine.ledger.incidents import close_incidents, open_incident

SHADOW = "shadow"
SHADOW_FAILED = "shadow.failed"


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


def promote(
    database: Database,
    name: str,
    version: str,
    actor: str,
    *,
    sha256: str | None = None,
    against: str | None = None,
    why: Mapping[str, Any] | None = None,
) -> None:
    """Make a version the champion; the one in use becomes `previous`. The champion itself stays as it is.

    Args:
        database: The ledger.
        name: Name of the model.
        version: Which version.
        actor: Who promotes.
        sha256: Of the artifact that was verified just now; None if nobody looked.
        against: The champion that it was compared with; None if with none.
        why: What the promotion rests on, kept with its event: the replay's figures, a person's reason.

    Raises:
        UserError: there is no such version, the verified file is not the registered one, or the champion is another.
    """
    with database.write() as connection:
        row = next((known for known in _all(connection, name) if known.version == version), None)
        if row is None:
            known = ", ".join(one.version for one in _all(connection, name))
            raise UserError(f"there is no version {version} of {name}; known: {known or 'none'}")
        _same_file(row, sha256)
        if row.stage == "champion":
            return
        now = next((one.version for one in _all(connection, name) if one.stage == "champion"), None)
        if against is not None and now != against:
            raise UserError(f"{name} {now} has become champion meanwhile; compare {version} with that one")
        _stage(connection, name, "previous", "retired")
        _stage(connection, name, "champion", "previous")
        _crown(connection, database, name, version)
        close_incidents(connection, database, SHADOW_FAILED, name, version)
        what = {"name": name, "version": version, **(why or {})}
        record_event(connection, database.clock, "model.promoted", actor, **what)


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


def set_shadow(database: Database, name: str, version: str, actor: str, *, on: bool) -> None:
    """Score a challenger on every case beside the champion from now on, or stop that.

    Raises:
        UserError: there is no such version, or it is neither challenger nor in shadow.
    """
    with database.write() as connection:
        row = next((known for known in _all(connection, name) if known.version == version), None)
        if row is None or row.stage not in {"challenger", SHADOW}:
            stage = f"is {row.stage}" if row else "is not registered"
            raise UserError(f"{name} {version} {stage}; only a challenger can be in shadow, see `model list`")
        stage = SHADOW if on else "challenger"
        if row.stage == stage:
            return
        one = sa.and_(t.models.c.name == name, t.models.c.version == version)
        connection.execute(sa.update(t.models).where(one).values(stage=stage))
        close_incidents(connection, database, SHADOW_FAILED, name, version)
        kind = "model.in_shadow" if on else "model.out_of_shadow"
        record_event(connection, database.clock, kind, actor, name=name, version=version)


def in_shadow(database: Database, name: str) -> tuple[str, ...]:
    """Return the versions in shadow, oldest first."""
    query = sa.select(t.models.c.version).where(t.models.c.name == name, t.models.c.stage == SHADOW)
    with database.read() as connection:
        return tuple(connection.execute(query.order_by(t.models.c.id)).scalars())


def shadow_failed(database: Database, name: str, version: str, reason: str) -> None:
    """Open the incident of a version in shadow that cannot be scored; it stays open until it leaves the shadow."""
    message = f"{name} {version} is in shadow and cannot be scored: {reason}"
    with database.write() as connection:
        open_incident(connection, database, SHADOW_FAILED, name, version, message)


def shadow_scores(database: Database, name: str, version: str, workflow: str) -> dict[int, tuple[float, float]]:
    """Return what a version said in shadow of a workflow's outputs: attempt to probability and threshold."""
    columns = (t.shadow_scores.c.attempt_id, t.shadow_scores.c.probability, t.shadow_scores.c.threshold)
    query = (
        sa.select(*columns)
        .join(t.items, t.items.c.id == t.shadow_scores.c.item_id)
        .where(t.shadow_scores.c.model == name, t.shadow_scores.c.version == version, t.items.c.workflow == workflow)
    )
    with database.read() as connection:
        return {row.attempt_id: (row.probability, row.threshold) for row in connection.execute(query)}


def inspected_workflows(database: Database, name: str) -> dict[str, str]:
    """Return the workflows that a model gave verdicts on, with the hash of the definition of the newest of them."""
    newest = (
        sa.select(sa.func.max(t.verdicts.c.id))
        .join(t.items, t.items.c.id == t.verdicts.c.item_id)
        .where(t.verdicts.c.model == name)
        .group_by(t.items.c.workflow)
    )
    query = sa.select(t.items.c.workflow, t.verdicts.c.definition_hash).join(
        t.items, t.items.c.id == t.verdicts.c.item_id
    )
    with database.read() as connection:
        rows = connection.execute(query.where(t.verdicts.c.id.in_(newest)))
        return {row.workflow: row.definition_hash for row in rows}


def newest_verdict(database: Database) -> int:
    """Return the id of the newest verdict; 0 if there is none."""
    with database.read() as connection:
        return int(connection.execute(sa.select(sa.func.max(t.verdicts.c.id))).scalar_one() or 0)


def at_stage(database: Database, name: str, stage: str) -> ModelRow | None:
    """Return the newest version of a model at a stage: champion, challenger, shadow, previous or retired."""
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
