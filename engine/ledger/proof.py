"""In one line: is the residual error of a workflow proven, by what, or how much is missing; for reports."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.ledger import certificates
from engine.ledger import tables as t
from engine.ledger.certificates import Issued
from engine.ledger.database import Database
from engine.ledger.sampling import current


@dataclass(frozen=True)
class Proof:
    """What stands for the newest outputs of a workflow."""

    proven: bool
    sentence: str
    certificate: int | None = None


def proof(database: Database, workflow: str) -> Proof | None:
    """Return what is proven of a workflow's newest outputs; None where no model inspects them."""
    scopes = certificates.scopes(database, workflow)
    if not scopes:
        return None
    with database.read() as connection:
        valid = certificates.in_force(connection, scopes[0].hash)
        plan = current(connection, workflow, 0.0)
        decides = valid is not None and _decides(connection, valid, scopes[0].verdict_id)
    if not plan.auto_pass:
        return Proof(False, f"nothing passes without a person: {plan.reason}", valid.id if valid else None)
    if valid is not None:
        said = certificates.receipt_of(database, valid.id)["reason"]
        if not decides:
            why = "a threshold of the definition's own, or a stricter promise, and the newest output was judged by that"
            return Proof(False, f"what is in force is NOT proven: {why}. Certificate {valid.id}: {said}", valid.id)
        return Proof(True, f"{said} (certificate {valid.id})", valid.id)
    return Proof(False, str(plan.state.get("said", "not proven: no audit of this model and contract was counted yet")))


def _decides(connection: Connection, valid: Issued, newest: int) -> bool:
    """Say whether the newest output was judged by a certificate, or came before it."""
    columns = (t.verdicts.c.certificate_id, t.verdicts.c.created_at)
    row = connection.execute(sa.select(*columns).where(t.verdicts.c.id == newest)).one()
    return row.certificate_id == valid.id or bool(row.created_at < valid.issued_at)
