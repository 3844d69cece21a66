"""Evidence is kept as long as its definition says; figures, hashes and verdicts stay for good."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from loguru import logger

from engine.definition import Workflow
from engine.errors import UserError
from engine.evidence import EvidenceStore
from engine.ledger import tables as t
from engine.ledger.database import Database, record_event


def prune(database: Database, store: EvidenceStore, definition: Callable[[str], Workflow]) -> int:
    """Delete evidence files that are older than their run's `evidence.keep`; return how many.

    Raises:
        SystemException: a file could not be deleted.
    """
    now = database.clock.now()
    removed = 0
    for definition_hash, run_ids in _runs_with_evidence(database).items():
        try:
            cutoff = now - definition(definition_hash).evidence.keep
        except UserError as error:
            logger.bind(event="retention.skipped").warning("evidence of run(s) {} is kept: {}", run_ids, error)
            continue
        old = _older(database, run_ids, cutoff)
        if not old:
            continue
        files = store.prune(cutoff, old)
        removed += files
        with database.write() as connection:
            of_runs = sa.select(t.items.c.id).where(t.items.c.run_id.in_(old))
            connection.execute(
                sa.update(t.evidence)
                .where(t.evidence.c.item_id.in_(of_runs), t.evidence.c.created_at < cutoff)
                .where(t.evidence.c.pruned_at.is_(None))
                .values(pruned_at=now)
            )
            record_event(connection, database.clock, "evidence.pruned", "retention", files=files, runs=old)
    return removed


def _runs_with_evidence(database: Database) -> dict[str, list[int]]:
    query = (
        sa.select(t.runs.c.definition_hash, t.runs.c.id)
        .join(t.items, t.items.c.run_id == t.runs.c.id)
        .join(t.evidence, t.evidence.c.item_id == t.items.c.id)
        .where(t.evidence.c.pruned_at.is_(None), t.runs.c.state == "done")
        .distinct()
    )
    found: dict[str, list[int]] = {}
    with database.read() as connection:
        for row in connection.execute(query):
            found.setdefault(row.definition_hash, []).append(row.id)
    return found


def _older(database: Database, run_ids: list[int], cutoff: object) -> list[int]:
    query = (
        sa.select(t.items.c.run_id)
        .join(t.evidence, t.evidence.c.item_id == t.items.c.id)
        .where(t.items.c.run_id.in_(run_ids), t.evidence.c.created_at < cutoff, t.evidence.c.pruned_at.is_(None))
        .distinct()
        .order_by(t.items.c.run_id)
    )
    with database.read() as connection:
        return list(connection.execute(query).scalars())
