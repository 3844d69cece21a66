"""The cost dial over the newest look at the audits: turning it asks the labels nothing new, and so spends nothing.

Every threshold that a look accepted is proven, all of them together; a stricter one than the loosest may therefore be
put in force by the proof that is there. Others are refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from engine.errors import UserError
from engine.ledger import certificates, sampling
from engine.ledger.certificates import Issued, Scope
from engine.ledger.database import Database
from engine.ledger.reviewer_results import decision_seconds
from qc_models.guarantee.dial import Dial, Point, dial
from qc_models.guarantee.learn_then_test import Grid
from qc_models.guarantee.sample import Audit

MINUTES = 2.5
"""Taken for a review while the ledger has too few to measure."""
_FEWEST = 10


@dataclass(frozen=True)
class Costs:
    """The curve of one look, and what a review takes."""

    scope: Scope
    look: Issued
    receipt: dict[str, Any]
    curve: Dial
    minutes: float
    measured: bool


def costs(database: Database, scope: Scope, floor: float, minutes: float | None) -> Costs:
    """Return the dial of a scope.

    Args:
        database: the ledger.
        scope: what the audits are about.
        floor: audit rate of passed records.
        minutes: of one review; None: as measured, or else `MINUTES`.

    Raises:
        UserError: nobody has looked at the audits of this scope yet.
    """
    with database.read() as connection:
        look = certificates.newest_look(connection, scope.hash)
    if look is None:
        raise UserError(
            f"{scope.workflow}: nobody has looked at the audits under this model, contract and application yet; "
            f"`runner.py quality certify {scope.workflow}` does"
        )
    receipt = certificates.receipt_of(database, look.id)
    measured = review_minutes(database, scope.workflow) if minutes is None else None
    taken = minutes if minutes is not None else measured or MINUTES
    grid = Grid(tuple(receipt["grid"]["thresholds"]), tuple(receipt["grid"]["shares"]), receipt["grid"]["source"])
    audits = [Audit(**row, probability=1.0, flagged=False, at=look.issued_at) for row in receipt["audits"]]
    promise, eyes = receipt["promise"], receipt["eyes"]
    curve = dial(
        audits,
        grid,
        alpha=promise["alpha"],
        delta=receipt["spent"],
        minutes=taken,
        floor=floor,
        sensitivity=eyes["sensitivity"],
    )
    if look.revoked_at is not None:
        curve = replace(curve, points=tuple(replace(point, certifiable=False) for point in curve.points))
    return Costs(scope, look, receipt, curve, taken, measured is not None)


def revoked(look: Issued) -> str | None:
    """Say that what a look proved is revoked; None: it is not."""
    if look.revoked_at is None:
        return None
    return f"what look {look.recalibration} proved is revoked: {look.revoked_reason}"


def review_minutes(database: Database, workflow: str) -> float | None:
    """Return the mean minutes between consecutive decisions of one sitting; None where too few are known."""
    gaps = [gap for of_one in decision_seconds(database, workflow).values() for gap in of_one]
    return sum(gaps) / len(gaps) / 60 if len(gaps) >= _FEWEST else None


def point_at(found: Costs, setting: float) -> Point:
    """Return the loosest point of the curve that is not looser than a setting, or is written in the table like it.

    Raises:
        UserError: it is not proven; says what is missing. Or the curve has none so strict, or all of it is revoked.
    """
    _refuse_revoked(found.look)
    at_most = [
        point.threshold
        for point in found.curve.points
        if _review_at(point) <= setting or written(_review_at(point)) == written(setting)
    ]
    if not at_most and found.curve.points:
        least = found.curve.points[0].threshold
        raise UserError(f"{setting:g} would send everything to a person; the strictest setting is {least:.4g}")
    return found.curve.choose(at_most[-1])


def _refuse_revoked(look: Issued) -> None:
    if gone := revoked(look):
        certify = f"`runner.py quality certify {look.workflow}`"
        raise UserError(f"{look.workflow}: {gone}; {certify} looks at what came since")


def written(threshold: float) -> str:
    """Return a threshold as the table of the dial writes it."""
    return f"{threshold:.4g}"


def _review_at(point: Point) -> float:
    return math.nextafter(point.threshold, math.inf)


def put_in_force(database: Database, found: Costs, point: Point, actor: str, *, audit_sample: float) -> Issued:
    """Issue a certificate for a proven setting.

    Args:
        database: the ledger.
        found: the curve.
        point: one of its proven points.
        actor: who sets it.
        audit_sample: the definition's own share, in force where there is no sampling plan.

    Raises:
        UserError: what the look proved was revoked by an alarm, or somebody looked at the audits meanwhile.
    """
    review_at = _review_at(point)
    said = f"{found.receipt['reason']}; set to review at {review_at:.4g} by {actor}"
    receipt = {**found.receipt, "set_to": review_at, "coverage": point.coverage, "reason": said}
    with database.write() as connection:
        sampling.locked(connection, database, found.scope.workflow, audit_sample)
        newest = certificates.newest_look(connection, found.scope.hash)
        if newest is None or newest.id != found.look.id:
            raise UserError(f"{found.scope.workflow}: somebody looked at the audits meanwhile; see the dial again")
        _refuse_revoked(newest)
        number = certificates.next_number(connection, found.scope.workflow)
        return certificates.issue(connection, database, found.scope, number, review_at, receipt, actor)
