"""What inspection said, with all that a later estimate needs: scores, scope, how likely the item was to be audited."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.ledger import tables as t
from engine.ledger.database import insert_new
from engine.ledger.queue import Claim
from engine.ledger.sampling import Draw
from engine.ports import Verdict


def scope_hash(workflow: str, pins: Mapping[str, str]) -> str:
    """Return the name of a scope: the SHA-256 of the workflow and everything that its rates depend on."""
    text = json.dumps([workflow, sorted(pins.items())], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def keep_verdict(
    connection: Connection,
    common: Mapping[str, Any],
    verdict: Verdict,
    draw: Draw,
    signals: Mapping[str, float] | None,
    claimed: Claim,
) -> None:
    """Write a verdict, its scope and what the challengers said, in the settlement's transaction.

    Args:
        connection: the transaction.
        common: item, attempt and instant.
        verdict: the verdict.
        draw: the draw into the audit sample.
        signals: process signals that the inspection was given.
        claimed: the claim that ends.
    """
    score = verdict.score
    connection.execute(
        sa.insert(t.verdicts).values(
            **common,
            decision=verdict.decision,
            findings=[asdict(finding) for finding in verdict.findings],
            probability=score.probability if score else None,
            threshold=score.threshold if score else None,
            model=score.model if score else None,
            model_version=score.version if score else None,
            definition_hash=claimed.definition_hash,
            signals=dict(signals) if signals is not None else sa.null(),
            scope=_scope(connection, claimed.workflow, verdict.pins, common["created_at"]),
            audit_floor=draw.floor,
            audit_probability=draw.probability,
            certificate_id=verdict.certificate,
        )
    )
    shadows = [
        {**common, "model": one.model, "version": one.version}
        | {"probability": one.probability, "threshold": one.threshold}
        for one in verdict.shadows
    ]
    if shadows:
        connection.execute(sa.insert(t.shadow_scores), shadows)


def _scope(connection: Connection, workflow: str, pins: Mapping[str, str] | None, now: Any) -> str | None:
    if pins is None:
        return None
    name = scope_hash(workflow, pins)
    known = sa.select(t.scopes.c.hash).where(t.scopes.c.hash == name)
    if connection.execute(known).first() is None:
        row = {"hash": name, "workflow": workflow, "pins": dict(pins), "created_at": now}
        insert_new(connection, t.scopes, [row], t.scopes.c.hash)
    return name
