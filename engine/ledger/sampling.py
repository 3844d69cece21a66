"""Who is audited: how likely each item is to be looked at by a person, fixed and written before anybody has looked.

Each item got a uniform draw from its run's seed when it was enqueued. It is looked at if the draw is below its audit
probability, max(floor, min(1, top_up x P(wrong))), or if it is flagged. The items whose draw is below the floor are a
simple random sample whatever the scores were, which is what a certificate may rest on; the probabilities make
Horvitz-Thompson estimates over everything unbiased (D. G. Horvitz and D. J. Thompson, "A generalization of sampling
without replacement from a finite universe", JASA 47 (1952), 663-685).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.ledger import tables as t
from engine.ledger.database import Database, insert_new, record_event
from engine.ledger.queue import Claim
from engine.ports import Verdict

Level = Literal["normal", "tightened", "reduced", "stopped"]


@dataclass(frozen=True)
class SamplingPlan:
    """How much of what passes is looked at; levels in the manner of ISO 2859-1."""

    level: Level
    floor: float
    """Least audit probability of any passed item, in [0, 1]."""
    top_up: float = 0.0
    """Audit probability per P(wrong) on top of that: it finds more errors, but certifies nothing."""
    auto_pass: bool = True
    """Whether a model may pass anything at all."""
    reason: str = "the definition's own share"
    state: Mapping[str, Any] = field(default_factory=dict)
    """What the one who watches over the rates has to remember."""

    def probability(self, wrong: float | None) -> float:
        """Return how likely a passed item with this P(wrong) is to be audited."""
        return max(self.floor, min(1.0, self.top_up * (wrong or 0.0)))


@dataclass(frozen=True)
class Draw:
    """How one item's draw came out; the floor and the probability are None where nothing was inspected."""

    audited: bool
    floor: float | None = None
    probability: float | None = None


def draw(connection: Connection, claimed: Claim, outcome: str, verdict: Verdict | None, audit_sample: float) -> Draw:
    """Decide whether a settled item is audited; a flagged one is looked at anyway, with probability 1."""
    if verdict is None:
        return Draw(audited=False)
    plan = current(connection, claimed.workflow, audit_sample)
    if verdict.decision != "pass":
        return Draw(audited=False, floor=1.0 if verdict.held else plan.floor, probability=1.0)
    probability = plan.probability(verdict.score.probability if verdict.score else None)
    return Draw(outcome == "passed" and claimed.audit_draw < probability, plan.floor, probability)


def current(connection: Connection, workflow: str, audit_sample: float) -> SamplingPlan:
    """Return the plan in force; without one, the definition's `review.audit_sample` is the floor."""
    names = SamplingPlan.__dataclass_fields__
    query = sa.select(*(t.sampling_plans.c[name] for name in names)).where(t.sampling_plans.c.workflow == workflow)
    row = connection.execute(query).first()
    return SamplingPlan(**row._asdict()) if row else SamplingPlan("normal", audit_sample)


def plan_of(database: Database, workflow: str, audit_sample: float) -> SamplingPlan:
    """Return the plan in force, in a transaction of its own."""
    with database.read() as connection:
        return current(connection, workflow, audit_sample)


def put(connection: Connection, database: Database, workflow: str, plan: SamplingPlan, actor: str) -> None:
    """Put a plan in force; an event tells of a change of level, floor or permission to pass."""
    now = database.clock.now()
    values = {name: getattr(plan, name) for name in SamplingPlan.__dataclass_fields__} | {"changed_at": now}
    values["state"] = dict(plan.state)
    mine = t.sampling_plans.c.workflow == workflow
    before = connection.execute(sa.select(t.sampling_plans).where(mine).with_for_update(key_share=True)).first()
    if before is None:
        new = insert_new(connection, t.sampling_plans, [{"workflow": workflow, **values}], t.sampling_plans.c.workflow)
        if not new:  # another process was first
            before = connection.execute(sa.select(t.sampling_plans).where(mine).with_for_update(key_share=True)).one()
    if before is not None:
        connection.execute(sa.update(t.sampling_plans).where(mine).values(**values))
    told = (plan.level, plan.floor, plan.auto_pass)
    if before is None or (before.level, before.floor, before.auto_pass) != told:
        what: dict[str, Any] = {
            "level": plan.level,
            "floor": plan.floor,
            "auto_pass": plan.auto_pass,
            "reason": plan.reason,
        }
        record_event(connection, database.clock, "sampling.changed", actor, workflow=workflow, **what)
