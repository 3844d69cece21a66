"""Looks at the segments now and then, and opens an incident for a gap that is proven.

A look is taken when there are twice as many records as at the last one: looks are few, and each costs a part of the
error that the alarm may make (`rates.gaps`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from loguru import logger

from engine.definition import Workflow
from engine.errors import UserError
from engine.ledger.database import Database
from engine.ledger.incidents import close_incidents, incidents, open_incident
from engine.ledger.labels import inspected
from engine.ledger.looks import Look, due_look, end_look
from engine.ledger.runs import newest_definitions
from engine.segments import segments_of
from qc_models.fairness.rates import Case, Gap, Group, by_group, case_of, gaps, rates

KIND = "fairness.gap"
FIRST = 100
"""Records before the first look."""


@dataclass(frozen=True)
class Fairness:
    """The rates of every group, and the gaps that are proven."""

    workflow: str
    records: int
    labelled: int
    """Records of the random sample whose truth is known: what misses and false alarms are counted in."""
    groups: list[Group]
    gaps: list[Gap]


def fairness(database: Database, workflow: Workflow, *, tolerance: float, look: int = 1) -> Fairness:
    """Compute the rates of a workflow's declared segments; records whose contents were erased have no group."""
    cases = _cases(database, workflow)
    counts = by_group(cases)
    labelled = sum(case.wrong is not None for case in cases)
    return Fairness(workflow.name, len(cases), labelled, rates(counts), gaps(counts, tolerance=tolerance, look=look))


def watch(database: Database, definitions: Callable[[str], Workflow]) -> None:
    """Look at every workflow that declares segments and has enough new records.

    Args:
        database: the ledger.
        definitions: hash to definition; each workflow's newest one is taken.
    """
    for name, definition_hash in newest_definitions(database).items():
        try:
            workflow = definitions(definition_hash)
        except UserError as error:  # about this workflow; the others go on being watched
            logger.bind(event="fairness.not_watched").error("{}: nobody watches its segments: {}", name, error)
            continue
        if not workflow.review.segments:
            continue
        look = due_look(database, KIND, name, first=FIRST)
        if look is not None:
            _look(database, workflow, look)


def _look(database: Database, workflow: Workflow, look: Look) -> None:
    seen = fairness(database, workflow, tolerance=workflow.review.segment_tolerance, look=look.number)
    stand = {f"{gap.segment} {gap.group} {gap.rate}": gap for gap in seen.gaps}
    opened = incidents(database, kind=KIND, limit=None)
    with database.write() as connection:
        if not end_look(connection, database, look):
            return  # another process was faster
        for one in opened:
            if one.subject == workflow.name and one.key not in stand:
                close_incidents(connection, database, KIND, workflow.name, one.key)
        for key, gap in stand.items():
            told = {"rate": gap.rate, "value": gap.value, "others": gap.others, "least": gap.least, "look": look.number}
            open_incident(connection, database, KIND, workflow.name, key, f"{workflow.name}: {gap.sentence()}", **told)


def _cases(database: Database, workflow: Workflow) -> list[Case]:
    return [
        case_of(one, segments_of(workflow, one.payload)) for one in inspected(database, workflow.name) if not one.erased
    ]
