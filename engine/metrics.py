"""What the reports say: pure functions from ledger rows to figures; every share with its n and its interval.

The definitions of all figures, with formulas, stand in docs/reference/metrics.md.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from engine.definition import Target, Workflow
from engine.durations import Spread, StepTime, item_time, step_times
from engine.errors import UserError
from engine.intervals import Proportion, proportion, share
from engine.ledger.rows import AttemptRow, Facts, ItemFacts, RunRow
from engine.ledger.tables import OPEN
from engine.quality import KEPT, Quality, Truth, by_review, by_truth

LOWER_IS_BETTER = frozenset({"error_rate", "residual_error_rate", "over_standard"})
TARGET_OF = {
    "straight_through_rate": "straight_through",
    "first_pass": "first_pass_yield",
    "error_rate": "residual_error_rate",
}
"""Names in definitions to the figure held against them; a promised error rate is about what was let through."""


@dataclass(frozen=True)
class Doubt:
    """An item whose commit was unknown for a while, and how that ended."""

    item_id: int
    reference: str
    found: str
    """sent (the record was there), absent (it was not, and the item was done again), or unknown."""
    state: str


@dataclass(frozen=True)
class AuditFigures:
    """What the run audits saw, summed; `runs` of them were made, `pending` are still to come."""

    runs: int
    pending: int
    keys: int
    as_expected: int
    missing: tuple[str, ...]
    duplicates: tuple[str, ...]


@dataclass(frozen=True)
class Figures:
    """The figures of a group of items; corrections are counted apart and enter no rate."""

    items: int
    ended: int
    passed: int
    in_review: int
    review_reasons: dict[str, int]
    states: dict[str, int]
    flagged: int
    """Items that waited for a person at least once."""
    corrections: int
    attempts: int
    retried: int
    """Items of which an attempt ended with a system exception and was followed by another."""
    orphaned: int
    """Attempts whose worker died."""
    doubts: tuple[Doubt, ...]
    straight_through: Proportion
    first_pass_yield: Proportion
    quality: Quality
    """By truth where it is given, else by review."""
    reviewed: Quality
    """By review, always."""
    time: Spread
    steps: tuple[StepTime, ...]
    hours_saved: float | None
    """None where the definition declares no `time.manual`."""


@dataclass(frozen=True)
class TargetCheck:
    """One indicator against its baseline, benchmark and target."""

    name: str
    figure: str
    """Which figure is held against it."""
    measured: Proportion
    lower_is_better: bool
    target: Target
    status: Literal["proven", "met", "missed", "no data"]
    """proven: the whole interval is on the target's good side; met: the measured value is."""


@dataclass(frozen=True)
class Group:
    """The figures of one workflow, day (UTC) or run."""

    key: str
    figures: Figures


@dataclass(frozen=True)
class RunReport:
    """One run."""

    run: RunRow
    figures: Figures
    targets: tuple[TargetCheck, ...]
    audit: AuditFigures
    rejected: int
    conflicts: int
    breakers: int


@dataclass(frozen=True)
class Report:
    """All runs of a scope: in all, by workflow, by day and by run."""

    figures: Figures
    by_workflow: tuple[Group, ...]
    by_day: tuple[Group, ...]
    by_run: tuple[Group, ...]
    targets: dict[str, tuple[TargetCheck, ...]]
    audit: AuditFigures
    rejected: int
    conflicts: int
    breakers: int


def read_truth(path: Path) -> Truth:
    """Read what is known to be wrong: JSON of reference to a list of {field, …}, or of field names.

    Raises:
        UserError: the file cannot be read or has another shape.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return {key: tuple(p if isinstance(p, str) else str(p["field"]) for p in parts) for key, parts in raw.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(
            f'{path}: no truth file ({error}); it looks like {{"reference": [{{"field": "iban"}}]}}'
        ) from None


def run_report(facts: Facts, workflow: Workflow, truth: Truth | None = None) -> RunReport:
    """Compute the report of the one run in `facts`.

    Raises:
        ValueError: `facts` are not those of exactly one run.
    """
    (run,) = facts.runs
    figures = figures_of(facts.items, {run.definition_hash: workflow}, truth)
    return RunReport(
        run=run,
        figures=figures,
        targets=check_targets(figures, workflow.targets),
        audit=_audit(facts.runs),
        rejected=len(facts.rejected),
        conflicts=len(facts.conflicts),
        breakers=len(facts.breakers),
    )


def report(facts: Facts, definition: Callable[[str], Workflow], truth: Truth | None = None) -> Report:
    """Compute the report of all runs in `facts`; `definition` returns the workflow that a hash pinned."""
    workflows = {run.definition_hash: definition(run.definition_hash) for run in facts.runs}

    def groups(key: Callable[[ItemFacts], str | None]) -> tuple[Group, ...]:
        members: dict[str, list[ItemFacts]] = defaultdict(list)
        for item in facts.items:
            if (name := key(item)) is not None:
                members[name].append(item)
        return tuple(Group(name, figures_of(some, workflows, truth)) for name, some in members.items())

    by_workflow = groups(lambda facts: facts.item.workflow)
    newest = {run.workflow: workflows[run.definition_hash] for run in facts.runs}
    return Report(
        figures=figures_of(facts.items, workflows, truth),
        by_workflow=by_workflow,
        by_day=tuple(sorted(groups(_day), key=lambda group: group.key)),
        by_run=groups(lambda facts: str(facts.item.run_id)),
        targets={group.key: check_targets(group.figures, newest[group.key].targets) for group in by_workflow},
        audit=_audit(facts.runs),
        rejected=len(facts.rejected),
        conflicts=len(facts.conflicts),
        breakers=len(facts.breakers),
    )


def figures_of(items: Sequence[ItemFacts], workflows: Mapping[str, Workflow], truth: Truth | None = None) -> Figures:
    """Compute the figures of some items; `workflows` are their definitions by hash."""
    entries = [facts for facts in items if facts.item.corrects_item_id is None]
    ended = [facts for facts in entries if facts.item.state not in OPEN]
    states = Counter(facts.item.state for facts in entries)
    reviewed = by_review(ended)
    return Figures(
        items=len(entries),
        ended=len(ended),
        passed=states["passed"],
        in_review=states["review"],
        review_reasons=_by_size(Counter(f.item.reason or "review" for f in ended if f.item.state == "review")),
        states=_by_size(states),
        flagged=sum(map(was_flagged, entries)),
        corrections=len(items) - len(entries),
        attempts=sum(len(facts.attempts) for facts in entries),
        retried=sum(any(attempt.outcome == "retry" for attempt in facts.attempts) for facts in entries),
        orphaned=sum(attempt.outcome == "orphaned" for facts in entries for attempt in facts.attempts),
        doubts=tuple(doubt for facts in entries if (doubt := doubt_of(facts)) is not None),
        straight_through=share([is_straight_through(facts) for facts in ended]),
        first_pass_yield=share([is_first_pass(facts) for facts in ended]),
        quality=by_truth(ended, truth) if truth is not None else reviewed,
        reviewed=reviewed,
        time=item_time(ended, workflows),
        steps=step_times(entries),
        hours_saved=_hours_saved(ended, workflows),
    )


def was_flagged(facts: ItemFacts) -> bool:
    """Say whether the item ever waited for a person because something was in doubt."""
    return any(verdict.decision == "review" for verdict in facts.verdicts)


def is_straight_through(facts: ItemFacts) -> bool:
    """Say whether the item ended well without a person; being looked at in the audit sample is no touch."""
    return facts.item.state in KEPT and not was_flagged(facts) and not facts.reopened


def is_first_pass(facts: ItemFacts) -> bool:
    """Say whether the item passed at its first attempt and stands."""
    return facts.item.state in KEPT and bool(facts.attempts) and facts.attempts[0].outcome == "passed"


def doubt_of(facts: ItemFacts) -> Doubt | None:
    """Return what became of a commit that nobody had confirmed when its attempt ended; None if there was none."""
    attempts = {attempt.fence: attempt for attempt in facts.attempts}
    unclear = [i for i in facts.intents if _was_unknown(attempts.get(i.fence), i.outcome, i.decided_at)]
    if not unclear:
        return None
    return Doubt(facts.item.id, facts.item.reference, unclear[-1].outcome or "unknown", facts.item.state)


def _was_unknown(attempt: AttemptRow | None, outcome: str | None, decided_at: object) -> bool:
    if attempt is None or attempt.ended_at is None:
        return False
    if outcome is None:
        return True
    unclean = attempt.outcome in {"in_doubt", "orphaned", "released"}
    return decided_at > attempt.ended_at or (unclean and decided_at == attempt.ended_at)  # type: ignore[operator]


def check_targets(figures: Figures, targets: Mapping[str, Target]) -> tuple[TargetCheck, ...]:
    """Hold the figures against the definition's targets; a name that no figure has is `no data`."""
    return tuple(_check(name, target, figures) for name, target in targets.items())


def rate(figures: Figures, name: str) -> Proportion:
    """Return the share with this name; empty if there is none."""
    if name == "over_standard":
        return figures.time.over_standard
    found = getattr(figures, name, None) or getattr(figures.quality, name, None)
    return found if isinstance(found, Proportion) else proportion(0, 0)


def _check(name: str, target: Target, figures: Figures) -> TargetCheck:
    figure = TARGET_OF.get(name, name)
    measured = rate(figures, figure)
    lower = figure in LOWER_IS_BETTER
    status: Literal["proven", "met", "missed", "no data"] = "no data"
    if (
        target.target is not None
        and measured.value is not None
        and measured.low is not None
        and measured.high is not None
    ):
        edge = measured.high if lower else measured.low
        good = _reaches(measured.value, target.target, lower=lower)
        status = "proven" if _reaches(edge, target.target, lower=lower) else "met" if good else "missed"
    return TargetCheck(name, figure, measured, lower, target, status)


def _reaches(value: float, target: float, *, lower: bool) -> bool:
    return value <= target if lower else value >= target


def _day(facts: ItemFacts) -> str | None:
    return facts.item.closed_at.date().isoformat() if facts.item.closed_at else None


def _by_size(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _audit(runs: Iterable[RunRow]) -> AuditFigures:
    runs = list(runs)
    made = [run.audit for run in runs if run.audit is not None]
    return AuditFigures(
        runs=len(made),
        pending=len(runs) - len(made),
        keys=sum(audit["keys"] for audit in made),
        as_expected=sum(audit["as_expected"] for audit in made),
        missing=tuple(reference for audit in made for reference in audit["missing"]),
        duplicates=tuple(reference for audit in made for reference in audit["duplicates"]),
    )


def _hours_saved(ended: Iterable[ItemFacts], workflows: Mapping[str, Workflow]) -> float | None:
    straight = [workflows[facts.definition_hash].time.manual for facts in ended if is_straight_through(facts)]
    declared = any(workflow.time.manual is not None for workflow in workflows.values())
    saved = sum((manual for manual in straight if manual is not None), timedelta())
    return saved.total_seconds() / 3600 if declared else None
