"""What the verbs of the loop do, without a terminal: find the versions, replay them, apply the rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from engine.definition import Workflow
from engine.errors import UserError
from engine.ledger import models as registry
from engine.ledger.database import Database
from qc_models.loop.replay import sentence
from qc_models.loop.rule import Decision, Rule, decide
from qc_models.loop.traffic import Replayed, replay
from qc_models.store import ModelStore


class ReplayDesk(Protocol):
    """What a replay needs of the one who asks for it."""

    @property
    def database(self) -> Database:
        """The ledger."""
        ...

    @property
    def models(self) -> ModelStore:
        """The folder of artifacts."""
        ...

    def workflow(self, definition_hash: str) -> Workflow:
        """Return the definition that a run pinned."""
        ...


@dataclass(frozen=True)
class Report:
    """A replay of one workflow's traffic, and what the rule says of it."""

    workflow: str
    champion: str
    challenger: str
    replayed: Replayed
    decision: Decision

    @property
    def sentence(self) -> str:
        """Say it for people."""
        return f"{self.challenger} {sentence(self.decision.overall)}"

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "workflow": self.workflow,
            "champion": self.champion,
            "challenger": self.challenger,
            "sentence": self.sentence,
            **self.decision.overall.as_dict(),
            "segments": {name: one.as_dict() for name, one in self.decision.segments.items()},
            "shadowed": self.replayed.traffic.shadowed,
            "left_out": {
                "trained_on": self.replayed.trained_on,
                "unknown_probability": self.replayed.unknown_probability,
                "unscorable": self.replayed.unscorable,
            },
            "rescored": dict(self.replayed.rescored),
            "promotion": {"allowed": self.decision.allowed, "objections": list(self.decision.objections)},
        }


def version_row(database: Database, name: str, version: str) -> registry.ModelRow:
    """Return a registered version.

    Raises:
        UserError: there is none.
    """
    rows = registry.listing(database, name)
    row = next((one for one in rows if one.version == version), None)
    if row is None:
        known = ", ".join(one.version for one in rows)
        raise UserError(f"there is no version {version} of {name}; known: {known or 'none'}")
    return row


def reports(
    desk: ReplayDesk,
    name: str,
    challenger: str,
    *,
    against: str | None = None,
    workflow: str | None = None,
    since: datetime | None = None,
    rule: Rule | None = None,
) -> list[Report]:
    """Replay a challenger on the traffic of every workflow that the model inspects, or of one.

    Raises:
        UserError: a version is not known, the champion is compared with itself, or there is no traffic.
    """
    database = desk.database
    new = version_row(database, name, challenger)
    champion = against or registry.champion(database, name)
    if champion is None or champion == challenger:
        raise UserError(f"{challenger} would be compared with itself; name another version with --against")
    old = version_row(database, name, champion)
    known: Mapping[str, str] = registry.inspected_workflows(database, name)
    if workflow is not None and workflow not in known:
        raise UserError(f"{name} has inspected nothing of a workflow {workflow}; it knows {', '.join(known) or 'none'}")
    wanted = [workflow] if workflow else sorted(known)
    if not wanted:
        raise UserError(f"{name} has inspected nothing yet, so there is no traffic to replay")
    found = []
    for one in wanted:
        definition = desk.workflow(known[one])
        replayed = replay(database, desk.models, definition, desk.workflow, champion=old, challenger=new, since=since)
        decision = decide(replayed.traffic, rule or Rule())
        found.append(Report(one, champion, challenger, replayed, decision))
    return found
