"""What is proven of the error rate, as rows: certificates, and what people decided since somebody looked last.

A certificate is about one scope. It is written once, whatever the look at the audits found; one that does not hold any
more is revoked, never changed. What stands in a receipt is made and read by the inspection, the ledger only keeps it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.errors import UserError
from engine.ledger import tables as t
from engine.ledger.database import Database, insert_new, record_event

_SMALL = [t.certificates.c[name] for name in ("id", "workflow", "scope", "recalibration", "threshold", "sha256")]
_SMALL += [t.certificates.c[name] for name in ("issued_at", "revoked_at", "revoked_reason")]


@dataclass(frozen=True)
class Issued:
    """One certificate without its receipt; threshold None: that look at the audits proved nothing."""

    id: int
    workflow: str
    scope: str
    recalibration: int
    threshold: float | None
    """Review at or over this probability."""
    sha256: str
    issued_at: datetime
    revoked_at: datetime | None
    revoked_reason: str | None

    @property
    def holds(self) -> bool:
        """Say whether records may pass by it."""
        return self.threshold is not None and self.revoked_at is None


@dataclass(frozen=True)
class Scope:
    """What a rate is measured under, and the newest verdict under it."""

    hash: str
    workflow: str
    pins: Mapping[str, str]
    verdict_id: int
    definition_hash: str


def receipt_hash(receipt: Mapping[str, Any]) -> str:
    """Return the SHA-256 over a receipt, the same in every program that writes JSON with sorted keys and no blanks."""
    text = json.dumps(receipt, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def next_recalibration(database: Database, workflow: str) -> int:
    """Return the number of the next look at the audits of a workflow, from 1."""
    with database.read() as connection:
        return next_number(connection, workflow)


def next_number(connection: Connection, workflow: str) -> int:
    """Return the same in a transaction that goes on."""
    last = sa.select(sa.func.max(t.certificates.c.recalibration)).where(t.certificates.c.workflow == workflow)
    return int(connection.execute(last).scalar_one() or 0) + 1


def newest_verdict(connection: Connection, scope: str) -> int:
    """Return the largest id of a verdict under a scope; 0 without any."""
    query = sa.select(sa.func.max(t.verdicts.c.id)).where(t.verdicts.c.scope == scope)
    return int(connection.execute(query).scalar_one() or 0)


def issue(
    connection: Connection,
    database: Database,
    scope: Scope,
    recalibration: int,
    threshold: float | None,
    receipt: Mapping[str, Any],
    actor: str,
) -> Issued:
    """Write what a look at the audits found; one that proves something replaces what was in force before.

    One that proves nothing replaces nothing: each look has its own part of the error that may be spent, and what an
    earlier one proved holds beside it. The caller holds the workflow's sampling plan (`sampling.locked`), so that no
    alarm revokes at the same moment what was in force before.

    Raises:
        UserError: another process has made this look meanwhile; nothing was written.
    """
    row = {"workflow": scope.workflow, "scope": scope.hash, "recalibration": recalibration, "threshold": threshold}
    row |= {"receipt": dict(receipt), "sha256": receipt_hash(receipt), "issued_at": database.clock.now()}
    made = insert_new(connection, t.certificates, [row], t.certificates.c.id)
    if not made:
        raise UserError(f"{scope.workflow}: look {recalibration} at the audits was made by another process meanwhile")
    if threshold is not None:
        older = sa.and_(t.certificates.c.scope == scope.hash, t.certificates.c.id < made[0].id)
        _revoke(connection, database, older, f"replaced by certificate {made[0].id}", actor)
    kind = "certificate.issued" if threshold is not None else "certificate.refused"
    said = {"workflow": scope.workflow, "certificate": made[0].id, "threshold": threshold, "sha256": row["sha256"]}
    record_event(connection, database.clock, kind, actor, **said, reason=str(receipt.get("reason", "")))
    return Issued(**connection.execute(sa.select(*_SMALL).where(t.certificates.c.id == made[0].id)).one()._asdict())


def revoke(connection: Connection, database: Database, scope: str, reason: str, actor: str) -> list[int]:
    """Revoke what is in force for a scope; return the ids, none if nothing was."""
    return _revoke(connection, database, t.certificates.c.scope == scope, reason, actor)


def _revoke(
    connection: Connection, database: Database, which: sa.ColumnElement[bool], reason: str, actor: str
) -> list[int]:
    # a look that proved nothing is no certificate that could be revoked
    valid = sa.and_(which, t.certificates.c.revoked_at.is_(None), t.certificates.c.threshold.is_not(None))
    values = {"revoked_at": database.clock.now(), "revoked_reason": reason}
    update = sa.update(t.certificates).where(valid).values(**values)
    gone = [row.id for row in connection.execute(update.returning(t.certificates.c.id))]
    for certificate_id in gone:
        record_event(
            connection, database.clock, "certificate.revoked", actor, certificate=certificate_id, reason=reason
        )
    return gone


def in_force(connection: Connection, scope: str) -> Issued | None:
    """Return the certificate that a scope's records may pass by; None: nothing is proven."""
    valid = sa.and_(t.certificates.c.revoked_at.is_(None), t.certificates.c.threshold.is_not(None))
    query = sa.select(*_SMALL).where(t.certificates.c.scope == scope, valid).order_by(t.certificates.c.id.desc())
    row = connection.execute(query.limit(1)).first()
    return Issued(**row._asdict()) if row else None


def receipt_of(database: Database, certificate_id: int) -> dict[str, Any]:
    """Return the receipt of a certificate.

    Raises:
        UserError: there is none of that number, or its receipt is not the one that was issued.
    """
    query = sa.select(t.certificates.c.receipt, t.certificates.c.sha256).where(t.certificates.c.id == certificate_id)
    with database.read() as connection:
        row = connection.execute(query).first()
    if row is None:
        raise UserError(f"there is no certificate {certificate_id}; `runner.py quality status` lists them")
    if receipt_hash(row.receipt) != row.sha256:
        raise UserError(f"certificate {certificate_id} was changed after it was issued: its hash is another")
    return dict(row.receipt)


def issued(database: Database, certificate_id: int) -> Issued:
    """Return a certificate, which must be there, without its receipt."""
    with database.read() as connection:
        row = connection.execute(sa.select(*_SMALL).where(t.certificates.c.id == certificate_id)).one()
    return Issued(**row._asdict())


def newest_look(connection: Connection, scope: str) -> Issued | None:
    """Return the newest look at the audits of a scope, whatever it found."""
    query = sa.select(*_SMALL).where(t.certificates.c.scope == scope).order_by(t.certificates.c.id.desc())
    row = connection.execute(query.limit(1)).first()
    return Issued(**row._asdict()) if row else None


@dataclass(frozen=True)
class PassedItem:
    """An item and its newest verdict, as far as a receipt tells of them."""

    item_id: int
    workflow: str
    reference: str
    state: str
    decision: str
    probability: float | None
    threshold: float | None
    model: str | None
    model_version: str | None
    certificate_id: int | None
    inspected_at: datetime


def verdict_on(database: Database, item_id: int) -> PassedItem:
    """Return an item with its newest verdict.

    Raises:
        UserError: there is no such item, or nothing was inspected of it.
    """
    of_item = [t.items.c.workflow, t.items.c.reference, t.items.c.state]
    of_verdict = [t.verdicts.c[name] for name in ["decision", "probability", "threshold", "model", "model_version"]]
    query = sa.select(t.verdicts.c.item_id, *of_item, *of_verdict, t.verdicts.c.certificate_id, t.verdicts.c.created_at)
    query = query.join(t.items, t.items.c.id == t.verdicts.c.item_id).where(t.items.c.id == item_id)
    with database.read() as connection:
        row = connection.execute(query.order_by(t.verdicts.c.id.desc()).limit(1)).first()
    if row is None:
        raise UserError(f"nothing was inspected of an item {item_id}; `runner.py items list` shows what there is")
    return PassedItem(*row)


def history(database: Database, workflow: str) -> list[Issued]:
    """Return every look at a workflow's audits, newest first."""
    query = sa.select(*_SMALL).where(t.certificates.c.workflow == workflow).order_by(t.certificates.c.id.desc())
    with database.read() as connection:
        return [Issued(**row._asdict()) for row in connection.execute(query)]


def scopes(database: Database, workflow: str | None = None) -> list[Scope]:
    """Return the scopes that something was inspected under, that of the newest verdict first."""
    of_scope = t.verdicts.alias("of_scope")
    newest = sa.select(sa.func.max(of_scope.c.id)).where(of_scope.c.scope == t.scopes.c.hash).scalar_subquery()
    query = sa.select(
        t.scopes.c.hash, t.scopes.c.workflow, t.scopes.c.pins, t.verdicts.c.id, t.verdicts.c.definition_hash
    )
    query = query.select_from(t.scopes).join(t.verdicts, t.verdicts.c.id == newest).order_by(t.verdicts.c.id.desc())
    if workflow is not None:
        query = query.where(t.scopes.c.workflow == workflow)
    with database.read() as connection:
        return [Scope(*row) for row in connection.execute(query)]
