"""What the HTML report of a run shows, worked out from the ledger's rows; the template only places it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from markupsafe import Markup

from console import charts
from console.pictures import Picture
from console.wording import at, goals, interval, percent, rates, seconds
from engine.definition import Workflow
from engine.durations import work_seconds
from engine.ledger.rows import AttemptRow, Facts, ItemFacts
from engine.metrics import Figures, RunReport, TargetCheck, was_flagged
from engine.ports import Finding
from engine.values import FieldSpec

MAX_FLAGGED = 200
MAX_LANES = 80
_NOTHING = Markup("")
HIDDEN = "hidden (personal data)"


@dataclass(frozen=True)
class Card:
    """One figure: value, interval, and how it stands against its targets."""

    label: str
    value: str
    detail: str
    note: str = ""
    status: str = ""
    goals: str = ""
    strip: Markup = _NOTHING


@dataclass(frozen=True)
class FindingView:
    """One reason to doubt, without personal data."""

    field: str
    check: str
    message: str
    expected: str
    observed: str


@dataclass(frozen=True)
class FlaggedView:
    """One item that was in doubt: why, what it looked like, and what a person decided."""

    item_id: int
    reference: str
    state: str
    reason: str
    url: str | None
    probability: str
    findings: tuple[FindingView, ...]
    reviews: tuple[str, ...]
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class StepView:
    """How long one action of one step took."""

    step: str
    action: str
    n: int
    median: str
    p95: str
    standard: str
    over: str


@dataclass(frozen=True)
class FaultView:
    """One thing that went wrong in the world and how it ended."""

    reference: str
    what: str
    end: str
    state: str


@dataclass(frozen=True)
class RunView:
    """Everything on the page."""

    report: RunReport
    workflow: Workflow
    headline: str
    waiting: int
    sampled: int
    cards: tuple[Card, ...]
    outcomes: Markup
    times: Markup
    attempts: Markup
    lanes: Markup
    lanes_left_out: int
    steps: tuple[StepView, ...]
    flagged: tuple[FlaggedView, ...]
    flagged_left_out: int
    faults: tuple[FaultView, ...]
    rejected: tuple[tuple[str, str, str], ...]
    started: str
    ended: str
    took: str
    written: str
    judge: str


def flagged_items(facts: Facts) -> list[ItemFacts]:
    """Return the items that were in doubt, those that still are first."""
    entries = [item for item in facts.items if item.item.corrects_item_id is None]
    return sorted(filter(was_flagged, entries), key=lambda facts: (facts.item.state != "review", facts.item.id))


def view(
    facts: Facts,
    report: RunReport,
    workflow: Workflow,
    pictures: Mapping[int, Sequence[Picture]],
    now: datetime,
) -> RunView:
    """Work out the page of the one run in `facts`."""
    entries = [item for item in facts.items if item.item.corrects_item_id is None]
    flagged = flagged_items(facts)
    sampled = sum(f.item.state == "passed" and f.item.audited for f in entries)
    ended_at = max((a.ended_at for f in facts.items for a in f.attempts if a.ended_at), default=None)
    lanes = _lanes(entries, now)
    last = ended_at or now
    figures = report.figures
    return RunView(
        report=report,
        workflow=workflow,
        headline=_headline(figures),
        waiting=figures.in_review,
        sampled=sampled,
        cards=tuple(_cards(report)),
        outcomes=charts.outcome_bar(figures.states),
        times=charts.histogram(_times(entries), workflow.time.standard.total_seconds()),
        attempts=charts.columns(_attempt_counts(entries)),
        lanes=charts.timeline(lanes[:MAX_LANES], report.run.created_at, last),
        lanes_left_out=max(len(lanes) - MAX_LANES, 0),
        steps=tuple(_steps(figures)),
        flagged=tuple(_flagged(item, workflow.fields, pictures) for item in flagged[:MAX_FLAGGED]),
        flagged_left_out=max(len(flagged) - MAX_FLAGGED, 0),
        faults=tuple(_faults(entries, facts, figures)),
        rejected=tuple(_rejected(facts)),
        started=at(report.run.created_at),
        ended=at(ended_at),
        took=seconds((last - report.run.created_at).total_seconds()),
        written=at(now),
        judge="a truth file" if figures.quality.judge == "truth" else "people's reviews",
    )


def _headline(figures: Figures) -> str:
    straight, open_ = figures.straight_through, figures.items - figures.ended
    if not figures.items:
        return "Nothing was enqueued."
    said = f"{straight.k} of {figures.ended} ended items needed nobody."
    said += (
        f" {figures.in_review} wait{'s' if figures.in_review == 1 else ''} for a person." if figures.in_review else ""
    )
    return said + (f" {open_} still open." if open_ else "")


def _cards(report: RunReport) -> list[Card]:
    checks = {check.figure: check for check in report.targets}
    cards = []
    for name, label, share, of in rates(report.figures):
        check: TargetCheck | None = checks.get(name)
        cards.append(
            Card(
                label=label,
                value=percent(share.value),
                detail=f"95 %: {interval(share)}" if share.n else "nothing to judge by yet (n = 0)",
                note=of,
                status=check.status if check else "",
                goals=goals(check) if check else "",
                strip=charts.interval_strip(share, check.target if check else None),
            )
        )
    time = report.figures.time
    over = time.over_standard
    cards.append(
        Card(
            label="Time per item",
            value=seconds(time.median),
            detail=f"median of {time.n}; p95 {seconds(time.p95)}",
            note=f"{percent(over.value)} over the standard of {seconds(time.standard)} (95 %: {interval(over)})"
            if over.n
            else "",
        )
    )
    if report.figures.hours_saved is not None:
        hours = f"{report.figures.hours_saved:.1f} h"
        cards.append(Card("Manual work saved", hours, "straight-through items x declared manual time"))
    return cards


def _times(entries: Sequence[ItemFacts]) -> list[float]:
    return [taken for facts in entries if (taken := work_seconds(facts)) is not None]


def _attempt_counts(entries: Sequence[ItemFacts]) -> dict[str, int]:
    counted = Counter(len(facts.attempts) for facts in entries)
    return {f"{n} attempt{'' if n == 1 else 's'}": counted[n] for n in sorted(counted)}


def _steps(figures: Figures) -> list[StepView]:
    rows = []
    for step in figures.steps:
        time = step.time
        over = f"{time.over_standard.k} of {time.over_standard.n}" if time.over_standard.n else ""
        standard = seconds(time.standard) if time.standard is not None else ""
        action = "" if step.step.endswith(step.action) else step.action
        rows.append(StepView(step.step, action, time.n, seconds(time.median), seconds(time.p95), standard, over))
    return rows


def _lanes(entries: Sequence[ItemFacts], now: datetime) -> list[charts.Lane]:
    lanes = []
    for facts in entries:
        if facts.attempts:
            stretches = tuple(_stretch(attempt, now) for attempt in facts.attempts)
            lanes.append(charts.Lane(facts.item.reference, stretches))
    return lanes


def _stretch(attempt: AttemptRow, now: datetime) -> charts.Stretch:
    kind = attempt.outcome or "running"
    said = f": {attempt.message}" if attempt.message and kind in {"retry", "in_doubt"} else ""
    title = f"attempt {attempt.fence}, {kind}, {seconds(attempt.seconds)}{said}"
    return charts.Stretch(attempt.started_at, attempt.ended_at or now, kind, title)


def _flagged(
    facts: ItemFacts, fields: Mapping[str, FieldSpec], pictures: Mapping[int, Sequence[Picture]]
) -> FlaggedView:
    item = facts.item
    verdict = next(v for v in reversed(facts.verdicts) if v.decision == "review")
    probability = "" if verdict.probability is None else f"P(wrong) {verdict.probability:.2f}"
    web = item.record_url and urlsplit(item.record_url).scheme in {"http", "https"}
    return FlaggedView(
        item_id=item.id,
        reference=item.reference,
        state=item.state,
        reason=item.reason or (verdict.findings[0].code if verdict.findings else "review"),
        url=item.record_url if web else None,
        probability=probability,
        findings=tuple(_finding(finding, fields) for finding in verdict.findings),
        reviews=tuple(
            f"{at(review.created_at)} {review.reviewer}: {review.decision}"
            + (f" ({review.reason})" if review.reason else "")
            for review in facts.reviews
        ),
        pictures=tuple(pictures.get(item.id, ())),
    )


def _finding(finding: Finding, fields: Mapping[str, FieldSpec]) -> FindingView:
    name = finding.field or (finding.message.split(":", 1)[0] if finding.check == "source" else "")
    spec = fields.get(name.split("[", 1)[0])
    if spec is not None and spec.sensitive:
        return FindingView(name, finding.check, finding.code, HIDDEN, HIDDEN)
    name = finding.field or ""
    return FindingView(name, finding.check, finding.message, finding.expected or "", finding.observed or "")


def _faults(entries: Sequence[ItemFacts], facts: Facts, figures: Figures) -> list[FaultView]:
    known = {
        "sent": "its record was found: not sent again",
        "absent": "it never arrived: entered once more",
        "unknown": "still unknown",
        "rejected": "the application refused it",
        "not_clicked": "it was never sent",
    }
    faults = [
        FaultView(doubt.reference, "commit in doubt", known.get(doubt.found, doubt.found), doubt.state)
        for doubt in figures.doubts
    ]
    for item in entries:
        for attempt in item.attempts:
            what = {"retry": attempt.message or "system exception", "orphaned": "the worker died"}.get(
                attempt.outcome or ""
            )
            if what:
                faults.append(FaultView(item.item.reference, what, f"after attempt {attempt.fence}", item.item.state))
    for event in facts.breakers:
        what = f"{event.data.get('failures')} failures in a row: {event.data.get('reason')}"
        faults.append(FaultView(str(event.data.get("app")), what, f"left alone from {at(event.at)}", "breaker"))
    return faults


def _rejected(facts: Facts) -> list[tuple[str, str, str]]:
    rows = [
        (str(event.data.get("origin", "")), "; ".join(map(str, event.data.get("problems", ()))), "rejected")
        for event in facts.rejected
    ]
    return rows + [
        (str(event.data.get("origin", "")), "known reference, other data", "conflict") for event in facts.conflicts
    ]
