"""The figures of the cockpit: of every workflow what runs, what waits, and how right it is against its targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from engine.control_chart import PChart, p_chart
from engine.definition import Workflow
from engine.ledger import audit_reads, backlog, incidents, reads
from engine.ledger.database import Database
from engine.ledger.facts import facts
from engine.ledger.incidents import Incident
from engine.ledger.proof import Proof, proof
from engine.ledger.pulse import pulse, waiting_by_workflow
from engine.ledger.rows import RunRow
from engine.ledger.runs import newest_definitions
from engine.metrics import Figures, TargetCheck, report

WINDOW = 1000
"""The figures of a workflow are those of its newest so many items, whatever the size of the ledger."""
ANYWAY = timedelta(seconds=30)
"""Ages and deadlines move even where nothing happens."""
_RUNS = 5
_INCIDENTS = 12


@dataclass(frozen=True)
class Panel:
    """One workflow."""

    workflow: str
    definition: Workflow
    figures: Figures
    targets: tuple[TargetCheck, ...]
    chart: PChart
    """Wrong items among those that people judged, by the day on which they ended."""
    proof: Proof | None
    runs: tuple[RunRow, ...]
    open: int
    """Items that a worker still has to bring to an end."""
    waiting: int
    """Items that wait for a person."""
    oldest: datetime | None
    """Since when the longest waiting one does."""


@dataclass(frozen=True)
class Board:
    """All of it, as of one moment."""

    version: str
    made_at: datetime
    panels: tuple[Panel, ...]
    incidents: tuple[Incident, ...]
    at_risk: tuple[Incident, ...]
    """Deadlines that will hardly be kept."""

    @property
    def waiting(self) -> int:
        """Return how many items wait for a person."""
        return sum(panel.waiting for panel in self.panels)

    @property
    def open(self) -> int:
        """Return how many items wait for a worker or are in work."""
        return sum(panel.open for panel in self.panels)

    @property
    def oldest(self) -> datetime | None:
        """Return since when the longest waiting item does."""
        return min((panel.oldest for panel in self.panels if panel.oldest), default=None)


def make_board(database: Database, definition: Callable[[str], Workflow], before: Board | None) -> Board:
    """Work the figures out; where nothing happened since the board before, that one is returned."""
    version, now = pulse(database), database.clock.now()
    if before is not None and before.version == version and now - before.made_at < ANYWAY:
        return before
    waiting = waiting_by_workflow(database)
    with database.read() as connection:
        left: dict[str, int] = {}
        for run in backlog.open_runs(connection, now):
            left[run.workflow] = left.get(run.workflow, 0) + run.left
    known = {panel.workflow: panel for panel in before.panels} if before is not None else {}
    changed = before is None or before.version != version
    panels = []
    for name, definition_hash in sorted(newest_definitions(database).items()):
        panel = _panel(database, name, definition_hash, definition) if changed or name not in known else known[name]
        oldest = audit_reads.waiting_since(database, name)
        panels.append(replace(panel, open=left.get(name, 0), waiting=waiting.get(name, 0), oldest=oldest))
    stand_open = incidents.incidents(database, limit=_INCIDENTS)
    at_risk = tuple(one for one in stand_open if one.kind == "deadline.at_risk")
    others = tuple(one for one in stand_open if one.kind != "deadline.at_risk")
    return Board(version, now, tuple(panels), others, at_risk)


def _panel(database: Database, name: str, definition_hash: str, definition: Callable[[str], Workflow]) -> Panel:
    workflow = definition(definition_hash)
    made = report(facts(database, workflow=name, newest=WINDOW), definition)
    days = [(day.key, day.figures.quality.error_rate) for day in made.by_day]
    return Panel(
        workflow=name,
        definition=workflow,
        figures=made.figures,
        targets=made.targets.get(name, ()),
        chart=p_chart([(key, share.k, share.n) for key, share in days]),
        proof=proof(database, name),
        runs=tuple(reads.runs(database, workflow=name, limit=_RUNS)),
        open=0,
        waiting=0,
        oldest=None,
    )
