"""Items as a table for spreadsheets; what would run there as a formula is made text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.ledger.rows import Facts, ItemFacts

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings that spreadsheets take for a formula (OWASP, CSV injection)."""


def export_items(facts: Facts, path: Path) -> int:
    """Write one line an item as CSV (UTF-8 with a mark, so that spreadsheets read Chinese names); return how many.

    Raises:
        UserError: the file cannot be written.
    """
    import pandas as pd  # noqa: PLC0415 - half a second that only an export should pay

    table = pd.DataFrame([_row(one) for one in facts.items])
    text = table.select_dtypes(exclude="number").columns
    table[text] = table[text].map(_inert)
    try:
        table.to_csv(path, index=False, encoding="utf-8-sig", lineterminator="\r\n")
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error
    return len(table)


def _inert(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _row(facts: ItemFacts) -> dict[str, Any]:
    item = facts.item
    verdict = facts.verdicts[-1] if facts.verdicts else None
    findings = verdict.findings if verdict else ()
    review = facts.reviews[-1] if facts.reviews else None
    return {
        "item": item.id,
        "run": item.run_id,
        "workflow": item.workflow,
        "reference": item.reference,
        "state": item.state,
        "reason": item.reason or "",
        "attempts": len(facts.attempts),
        "seconds": sum(attempt.seconds or 0.0 for attempt in facts.attempts),
        "probability_wrong": verdict.probability if verdict else None,
        "fields": ", ".join(dict.fromkeys(finding.field for finding in findings if finding.field)),
        "why": "; ".join(finding.message for finding in findings),
        "decision": review.decision if review else "",
        "reviewer": review.reviewer if review else "",
        "record": item.record_url or "",
        "closed_at": item.closed_at.isoformat() if item.closed_at else "",
    }
