"""One item's story for a terminal: attempts, steps, commit marks, verdicts, reviews and evidence, in order."""

from __future__ import annotations

from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from console.desk import plain
from console.tables import STATE_STYLE, findings_table, table
from console.wording import at, seconds
from engine.ledger.queue import Intent
from engine.ledger.rows import AttemptRow, EventRow, ItemDetail, ReviewRow, SecondReviewRow, VerdictRow

_OUTCOME_STYLE = {"passed": "green", "review": "yellow", "retry": "yellow", "in_doubt": "magenta", "orphaned": "red"}
Moment = AttemptRow | VerdictRow | ReviewRow | SecondReviewRow | EventRow
_OWN_EVENTS = frozenset({"review.accept", "review.correct", "review.reject"})
"""Events that only repeat what a row of their own says."""


def timeline(detail: ItemDetail) -> RenderableType:
    """Tell everything that happened to an item, oldest first."""
    return Group(_head(detail), *(_shown(detail, when, moment) for when, moment in moments(detail)))


def _head(detail: ItemDetail) -> RenderableType:
    item = detail.item
    head = Text.assemble(
        (f"item {item.id}  ", "bold"),
        plain(item.reference, "bold"),
        "  ",
        plain(item.state, STATE_STYLE.get(item.state, "")),
        plain(f" ({item.reason})" if item.reason else ""),
    )
    facts = [f"run {item.run_id} of {item.workflow}", f"definition {detail.definition_hash[:12]}"]
    facts += [f"from {detail.origin}"] if detail.origin else []
    facts += [f"corrects item {item.corrects_item_id}"] if item.corrects_item_id else []
    facts += [f"record {item.app_id or ''} {item.record_url}"] if item.record_url else []
    return Group(head, plain(", ".join(facts), "dim"), "")


def moments(detail: ItemDetail) -> list[tuple[datetime, Moment]]:
    """Return what happened to an item, oldest first; verdicts on an attempt belong to it and are left out."""
    found: list[tuple[datetime, Moment]] = [(one.started_at, one) for one in detail.attempts]
    found += [(one.created_at, one) for one in detail.verdicts if one.attempt_id is None]
    found += [(one.created_at, one) for one in detail.reviews]
    found += [(one.decided_at or one.created_at, one) for one in detail.second_reviews]
    found += [(one.at, one) for one in detail.events if one.kind not in _OWN_EVENTS]
    return sorted(found, key=lambda moment: moment[0])


def _shown(detail: ItemDetail, when: datetime, moment: Moment) -> RenderableType:
    match moment:
        case AttemptRow():
            return _attempt(detail, moment)
        case VerdictRow():
            return _verdict(moment)
        case ReviewRow():
            kind, said = "review", f"{moment.reviewer}: {moment.decision}"
        case SecondReviewRow():
            kind = "third opinion" if moment.kind == "adjudication" else "second look"
            waits = "taken back" if moment.decided_at else "waits"
            said = f"{moment.reviewer}: {moment.decision}" if moment.decision else waits
        case EventRow():
            reason = moment.data.get("reason")
            said = f"{moment.kind} by {moment.actor}" + (f' "{reason}"' if reason else "")
            return Text.assemble((f"{at(when)}  event  ", "bold"), plain(said))
    said += f' "{moment.reason}"' if moment.reason else ""
    said += f", changes {moment.changes}" if moment.changes else ""
    corrected = moment.correction_item_id if isinstance(moment, ReviewRow) else None
    said += f", correction is item {corrected}" if corrected else ""
    return Text.assemble((f"{at(when)}  {kind}  ", "bold cyan"), plain(said))


def _attempt(detail: ItemDetail, attempt: AttemptRow) -> RenderableType:
    outcome = attempt.outcome or "running"
    head = Text.assemble(
        (f"{at(attempt.started_at)}  attempt {attempt.fence}  ", "bold"),
        (outcome, _OUTCOME_STYLE.get(outcome, "")),
        f"  {seconds(attempt.seconds)}" if attempt.seconds is not None else "",
        plain(f"  on {attempt.worker}", "dim"),
    )
    tree = Tree(head, guide_style="dim")
    if attempt.message:
        tree.add(plain(f"{attempt.error_code or ''} {attempt.message}".strip(), _OUTCOME_STYLE.get(outcome, "")))
    if attempt.steps:
        tree.add(_steps(attempt))
    for intent in detail.intents:
        if intent.fence == attempt.fence:
            tree.add(_commit(intent))
    for verdict in detail.verdicts:
        if verdict.attempt_id == attempt.id:
            tree.add(_verdict(verdict))
    files = [file for file in detail.evidence if file.attempt_id == attempt.id]
    if files:
        listed = table("evidence", "SHA-256")
        for file in files:
            gone = f" (pruned {at(file.pruned_at)})" if file.pruned_at else ""
            listed.add_row(plain(f"{file.path}{gone}"), file.sha256)
        tree.add(listed)
    return tree


def _steps(attempt: AttemptRow) -> RenderableType:
    listed = table("step", "took", "standard")
    for step in attempt.steps or ():
        standard = step.get("standard")
        over = standard is not None and step["seconds"] > standard
        label = step["step"] if step["step"].endswith(step["action"]) else f"{step['step']}: {step['action']}"
        took = Text(seconds(step["seconds"]), style="yellow" if over else "")
        listed.add_row(plain(label), took, seconds(standard) if standard is not None else "")
    return listed


def _commit(intent: Intent) -> RenderableType:
    known = {None: "unknown", "sent": "sent", "absent": "never arrived", "not_clicked": "not sent"}
    outcome = known.get(intent.outcome, intent.outcome or "")
    style = {"sent": "green", None: "magenta"}.get(intent.outcome, "yellow")
    where = f"  {intent.app_id or ''} {intent.url or ''}".rstrip()
    return Text.assemble(
        (f"commit {intent.segment + 1}.{intent.gate + 1}  ", "bold"),
        f"gate {intent.at:%H:%M:%S}, ",
        (outcome, style),
        f" {intent.decided_at:%H:%M:%S}" if intent.decided_at else "",
        plain(where, "dim"),
    )


def _verdict(verdict: VerdictRow) -> RenderableType:
    head = Text.assemble(("verdict  ", "bold"), (verdict.decision, "green" if verdict.decision == "pass" else "yellow"))
    if verdict.attempt_id is None:
        head = Text.assemble((f"{at(verdict.created_at)}  ", "bold"), head)
    if verdict.probability is not None:
        head.append(f"  P(wrong) {verdict.probability:.3f}, review from {verdict.threshold or 0:.3f}")
        head.append_text(plain(f"  {verdict.model} {verdict.model_version}", "dim"))
    return Group(head, findings_table(verdict.findings)) if verdict.findings else head
