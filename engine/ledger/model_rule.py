"""Whether a model goes back one step by itself when drift is laid at its door; off unless a person turned it on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import sqlalchemy as sa
from loguru import logger

from engine.errors import UserError
from engine.ledger import models
from engine.ledger import tables as t
from engine.ledger.database import Database, insert_new, record_event

FileOf = Callable[[str, str], str]
"""Reads a version's files as they are now and returns their SHA-256; UserError if they cannot be trusted."""


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


def roll_back_if_told(database: Database, name: str, version: str, reason: str, verified: FileOf) -> str | None:
    """Roll a champion back if that is on, it is still the champion, and there is a previous version; return that one.

    Never to a file that cannot be trusted: the champion stays, and the log says why.
    """
    previous = models.at_stage(database, name, "previous")
    if previous is None or not automatic_rollback(database, name) or models.champion(database, name) != version:
        return None
    try:
        models.rollback(database, name, previous.version, "drift watch", sha256=verified(name, previous.version))
    except UserError as error:  # a person was faster, or the file is damaged
        logger.bind(event="model.not_rolled_back", model=name).warning("{} {} stays champion: {}", name, version, error)
        return None
    logger.bind(event="model.rolled_back", model=name).warning(
        "{} {} is champion again: {}", name, previous.version, reason
    )
    return previous.version
