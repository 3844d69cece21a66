"""In one line: is the residual error of a workflow proven, by what, or how much is missing; for reports."""

from __future__ import annotations

from dataclasses import dataclass

from engine.ledger import certificates
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
    if not plan.auto_pass:
        return Proof(False, f"nothing passes without a person: {plan.reason}", valid.id if valid else None)
    if valid is not None:
        said = certificates.receipt_of(database, valid.id)["reason"]
        return Proof(True, f"{said} (certificate {valid.id})", valid.id)
    return Proof(False, str(plan.state.get("said", "not proven: no audit of this model and contract was counted yet")))
