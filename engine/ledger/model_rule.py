"""Whether a model goes back one step by itself when drift is laid at its door; off unless a person turned it on."""

from __future__ import annotations

import hashlib

import sqlalchemy as sa
from loguru import logger

from engine.ledger import models
from engine.ledger import tables as t
from engine.ledger.database import Database, insert_new, record_event


def _key(name: str) -> str:
    return f"rollback {hashlib.sha256(name.encode()).hexdigest()[:40]}"


def set_automatic_rollback(database: Database, name: str, actor: str, *, on: bool) -> None:
    """Turn it on or off for a model."""
    value, now = {"automatic": on}, database.clock.now()
    with database.write() as connection:
        row = {"key": _key(name), "value": value, "changed_at": now}
        if not insert_new(connection, t.meta, [row], t.meta.c.key):
            connection.execute(sa.update(t.meta).where(t.meta.c.key == _key(name)).values(value=value, changed_at=now))
        record_event(connection, database.clock, "model.automatic_rollback", actor, name=name, on=on)


def automatic_rollback(database: Database, name: str) -> bool:
    """Say whether it is on."""
    with database.read() as connection:
        value = connection.execute(sa.select(t.meta.c.value).where(t.meta.c.key == _key(name))).scalar_one_or_none()
    return bool(value and value["automatic"])


def roll_back_if_told(database: Database, name: str, version: str, reason: str) -> str | None:
    """Roll a champion back if that is on, it is still the champion, and there is a previous version; return that one.

    The previous version's file is verified before its first score, as every champion's; one that is damaged sends
    everything to review.
    """
    previous = models.at_stage(database, name, "previous")
    if previous is None or not automatic_rollback(database, name) or models.champion(database, name) != version:
        return None
    models.rollback(database, name, previous.version, "drift watch", sha256=previous.sha256)
    logger.bind(event="model.rolled_back", model=name).warning(
        "{} {} is champion again: {}", name, previous.version, reason
    )
    return previous.version
