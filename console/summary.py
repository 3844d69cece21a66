"""What a run prints while it goes on and when it ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from console.desk import Desk, plain
from console.tables import STATE_STYLE, table
from console.wording import STATUS, goals, interval, percent, rates, seconds
from engine.ledger import reads
from engine.ledger.proof import Proof
from engine.ledger.protocol import Settlement
from engine.ledger.queue import Claim
from engine.ledger.tables import OPEN
from engine.metrics import AuditFigures, Figures, Report, RunReport, TargetCheck
from engine.metrics import Group as Figured

_STATUS_STYLE = {"proven": "green", "met": "green", "missed": "red", "no data": "dim"}
_FEW = 5


class Progress:
    """A progress bar over the given runs, or over whatever comes if none are given; use as a context manager."""

    def __init__(self, desk: Desk, run_ids: list[int] | None = None) -> None:
        self._desk = desk
        self._run_ids = run_ids
        self._ended: Counter[str] = Counter()
        self._bar = Bar(
            TextColumn("[bold]items[/]"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[told]}"),
            console=desk.errors,
            disable=not desk.errors.is_terminal,
        )
        self._started = desk.database.clock.monotonic()

    def __enter__(self) -> Self:
        """Count what is open and show the bar."""
        total = None
        if self._run_ids is not None:
            runs = [reads.run(self._desk.database, run_id) for run_id in self._run_ids]
            total = sum(run.items.get(state, 0) for run in runs for state in OPEN)
        self._task = self._bar.add_task("items", total=total, rate="", told="")
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Leave the bar as it stands."""
        self._bar.stop()

    def settled(self, claimed: Claim, end: Settlement) -> None:
        """Take note of a settlement; fits `engine.worker.Worker.on_settled`."""
        del claimed
        self._ended[end.outcome] += 1
        done = self._ended["passed"] + self._ended["review"]
        passed = max(self._desk.database.clock.monotonic() - self._started, 1e-9)
        self._bar.update(self._task, completed=done, rate=f"{60 * done / passed:.1f}/min", told=self.told)

    @property
    def told(self) -> str:
        """Return the outcomes so far in words."""
        return ", ".join(f"{count} {outcome}" for outcome, count in self._ended.items())


def summary_table(report: RunReport, html: Path | None = None, stands: Proof | None = None) -> RenderableType:
    """Say how a run went: counts, rates with their intervals, what is proven, time, the run audit, the HTML report."""
    run = report.run
    head = Text.assemble((f"run {run.id}  ", "bold"), plain(run.workflow, "bold"), plain(f"  {run.state}"))
    parts: list[RenderableType] = [head, counts_line(report.figures), rates_table(report.figures, report.targets)]
    parts += proof_lines(stands)
    parts.append(time_line(report.figures))
    parts.append(audit_line(report.audit))
    parts += [plain(line, "yellow") for line in _remarks(report.rejected, report.conflicts, report.breakers)]
    parts += doubt_lines(report.figures)
    if html is not None:
        parts.append(Text.assemble("report  ", plain(html, "bold")))
    return Group(*parts)


def report_tables(report: Report, stands: Mapping[str, Proof | None] | None = None) -> RenderableType:
    """Say how all runs of a scope went, by workflow, by day and by run; what is proven, by workflow."""
    parts: list[RenderableType] = [counts_line(report.figures)]
    for workflow in report.by_workflow:
        parts += ["", plain(workflow.key, "bold"), rates_table(workflow.figures, report.targets[workflow.key])]
        parts += proof_lines((stands or {}).get(workflow.key))
    parts += [time_line(report.figures), audit_line(report.audit), *doubt_lines(report.figures)]
    parts += [plain(line, "yellow") for line in _remarks(report.rejected, report.conflicts, report.breakers)]
    parts += ["", _groups("day", report.by_day), "", _groups("run", report.by_run)]
    return Group(*parts)


def counts_line(figures: Figures) -> Text:
    """Write how many items there are, by state."""
    line = Text(f"{figures.items} item(s)", style="bold")
    for state, count in figures.states.items():
        line.append(f"  {count} {state}", style=STATE_STYLE.get(state, ""))
    if figures.corrections:
        line.append(f"  + {figures.corrections} correction(s)", style="cyan")
    if figures.review_reasons:
        reasons = ", ".join(f"{count} {reason}" for reason, count in figures.review_reasons.items())
        line.append("\nin review: ").append_text(plain(reasons, "yellow"))
    return line


def rates_table(figures: Figures, targets: tuple[TargetCheck, ...]) -> Table:
    """Write every share with its interval and, where there is one, against its target."""
    made = table("figure", "value", "95 % interval", "against")
    checks = {check.figure: check for check in targets}
    for name, label, share, of in rates(figures):
        check = checks.get(name)
        against = Text(of, style="dim")
        if check is not None:
            against = Text(f"{STATUS[check.status]}: {goals(check)}", style=_STATUS_STYLE[check.status])
        made.add_row(label, percent(share.value), interval(share), against)
    return made


def proof_lines(stands: Proof | None) -> list[Text]:
    """Write whether the residual error is proven, by what, or how many audits are missing."""
    if stands is None:
        return []
    return [Text("residual       ").append_text(plain(stands.sentence, "green" if stands.proven else "yellow"))]


def time_line(figures: Figures) -> Text:
    """Write how long an item took, against its standard, and the hours that nobody had to spend."""
    time = figures.time
    line = f"time per item  median {seconds(time.median)}, p95 {seconds(time.p95)}"
    if time.standard is not None:
        line += f", standard {seconds(time.standard)}, {time.over_standard.k} of {time.over_standard.n} over it"
    if figures.hours_saved is not None:
        line += f"; {figures.hours_saved:.1f} h of manual work saved"
    return Text(line)


def audit_line(audit: AuditFigures) -> Text:
    """Write what the run audit saw."""
    if not audit.runs:
        return Text("run audit      not made yet", style="dim")
    good = audit.as_expected == audit.keys
    line = Text("run audit      ").append(
        f"{audit.as_expected} of {audit.keys} keys as expected, {len(audit.missing)} missing, "
        f"{len(audit.duplicates)} duplicate",
        style="green" if good else "bold red",
    )
    for what, references in (("missing", audit.missing), ("duplicate", audit.duplicates)):
        for reference in references[:_FEW]:
            line.append(f"\n{what:>13}  ").append_text(plain(reference, "red"))
    return line


def doubt_lines(figures: Figures) -> list[Text]:
    """Write what was in doubt and how that ended."""
    ends = Counter(doubt.found for doubt in figures.doubts)
    if not ends and not figures.orphaned and not figures.retried:
        return []
    said = f"faults         {figures.retried} item(s) retried, {figures.orphaned} attempt(s) orphaned, "
    said += f"{len(figures.doubts)} commit(s) in doubt"
    known = {"sent": "found saved", "absent": "never arrived", "unknown": "still unknown"}
    if ends:
        said += " (" + ", ".join(f"{count} {known.get(found, found)}" for found, count in ends.items()) + ")"
    return [Text(said)]


def _remarks(rejected: int, conflicts: int, breakers: int) -> list[str]:
    said = [
        (rejected, "source row(s) rejected"),
        (conflicts, "known reference(s) came again with other data"),
        (breakers, "time(s) the application was left alone after repeated failures"),
    ]
    return [f"{count} {what}" for count, what in said if count]


def _groups(title: str, groups: tuple[Figured, ...]) -> Table:
    made = table(title, "n", "passed", "in review", "straight-through", "95 % interval", "median")
    for group in groups:
        some = group.figures
        straight = some.straight_through
        counts = (str(some.items), str(some.passed), str(some.in_review))
        made.add_row(plain(group.key), *counts, percent(straight.value), interval(straight), seconds(some.time.median))
    return made
