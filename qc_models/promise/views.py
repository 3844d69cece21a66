"""How the `quality` verbs write on a terminal."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from qc_models.guarantee.dial import Point
from qc_models.guarantee.estimate import Interval
from qc_models.promise.costs import Costs, revoked, written
from qc_models.promise.gauge import Gauge
from qc_models.promise.promised import percent

_ROWS = 12
"""Points of the dial that are shown; all are in the JSON."""


def status(seen: Gauge) -> list[Any]:
    """Write the gauge."""
    left = seen.residual
    head = Text.assemble((f"{seen.workflow}  ", "bold"), f"promise {seen.promise}")
    stands = Text(seen.proof.sentence, style="green" if seen.proof.proven else "yellow")
    found = (
        f"they find {percent(round(left.sensitivity, 4))} at least"
        if left.sensitivity
        else "what they find is not proven"
    )
    lines = [
        *_budget(seen),
        Text(f"reviewers {seen.sensitivity}; {found}"),
        Text(f"sampling  {seen.plan.level}, {percent(seen.plan.floor)} of what passes; {seen.plan.reason}"),
        Text(f"audits    {seen.there:,} there, {seen.missing:,} missing until the next look"),
    ]
    lines += [Text(f"          {one}", style="dim") for one in left.missing]
    return [head, stands, *lines, _figures(seen), _history(seen)]


def _budget(seen: Gauge) -> list[Text]:
    left = seen.residual
    if not left.records:
        return [Text(f"budget    nothing counts yet{_next(seen)}")]
    residual = "not known" if left.rho is None else f"{percent(round(left.rho, 6))} or less"
    parts = f"escaped {left.escaped}, missed by reviewers {left.missed}, spoilt by them {left.broken} at most"
    return [
        Text(f"budget    {seen.budget}; residual {residual} of {left.records:,} records{_next(seen)}"),
        Text("          under this model, contract and application"),
        Text(f"          {parts}"),
    ]


def _next(seen: Gauge) -> str:
    if seen.until is None:
        return ""
    return f"; what counts ends at item {seen.waits} ({seen.until:%Y-%m-%d %H:%M} UTC), which waits: decide it first"


def _figures(seen: Gauge) -> Table | Text:
    if seen.figures is None:
        return Text("no figures: nothing that passed is audited, or nothing was decided yet", style="dim")
    made = Table("figure", "estimate", f"bounds at {percent(seen.promise.confidence)}, at all times together")
    names = ("error_rate", "accuracy", "precision", "recall")
    for name in names:
        one: Interval = getattr(seen.figures, name)
        value = "?" if one.value is None else percent(round(one.value, 6))
        made.add_row(name.replace("_", " "), value, f"{percent(round(one.low, 6))} .. {percent(round(one.high, 6))}")
    coverage = seen.residual.coverage
    made.add_row("coverage", "?" if coverage is None else percent(round(coverage, 6)), "counted")
    return made


def _history(seen: Gauge) -> Table:
    made = Table("certificate", "look", "review at", "issued", "stands")
    for one in seen.history:
        stands = "in force" if one.holds else one.revoked_reason or "nothing was proven"
        at = "everything" if one.threshold is None else f"{one.threshold:.4g}"
        made.add_row(str(one.id), str(one.recalibration), at, f"{one.issued_at:%Y-%m-%d %H:%M}", Text(stands))
    return made


def receipt(told: dict[str, Any], out: Path | None) -> list[Any]:
    """Write a receipt."""
    made = Table("receipt", "")
    made.add_row("item", Text(f"{told['item_id']}  {told['reference']}"))
    made.add_row("inspected", f"{told['inspected_at']} by {told['model']} {told['model_version']}")
    if told["probability"] is not None:
        made.add_row("P(wrong)", f"{told['probability']:.6g}, review at {told['threshold']:.6g}")
    if told["proven"]:
        behind = told["behind"]
        made.add_row("certificate", f"{told['certificate_id']}  {told['certificate_sha256']}")
        audits = f"{behind['wrong']} wrong of {behind['audits']:,} that would pass, of {behind['sample']:,} drawn"
        made.add_row("audits", f"{audits}; p = {behind['p_value']:.3g}")
        made.add_row("assumes", Text(told["assumes"]))
    gone = told.get("revoked")
    made.add_row("stands", Text(told["reason"], style="green" if told["proven"] and not gone else "yellow"))
    if gone:
        made.add_row("revoked", Text(f"since then: {gone}", style="yellow"))
    return (
        [made] if out is None else [made, Text(f"written to {out}; `runner.py quality verify` or verify.py checks it")]
    )


def verified(problems: list[str]) -> list[Any]:
    """Write what a check of a receipt found."""
    if not problems:
        return [Text("ok: hashes, p-values and threshold come out as the receipt says", style="green")]
    return [Text(f"FAILED: {problem}", style="red") for problem in problems]


def dial(found: Costs) -> list[Any]:
    """Write the curve from strict to loose, some points of it."""
    points = found.curve.points
    kept = sorted({round(n * (len(points) - 1) / max(1, _ROWS - 1)) for n in range(_ROWS)}) if points else []
    promise = found.receipt["promise"]
    made = Table("review at", "passes", "minutes per 1,000", "of 1,000 to look at", "error rate of passes", "proven")
    for point in (points[n] for n in kept):
        low, value, high = point.residual
        shown = "?" if math.isnan(value) else percent(round(value, 6))
        band = f"{shown} ({percent(round(low, 6))} .. {percent(round(high, 6))})"
        queue = f"{point.queue[1]:.0f} ({point.queue[0]:.0f} .. {point.queue[2]:.0f})"
        proven = Text("yes", style="green") if point.certifiable else Text("no", style="dim")
        row = (written(math.nextafter(point.threshold, math.inf)), f"{point.coverage:.1%}", f"{point.minutes:.0f}")
        made.add_row(*row, queue, band, proven)
    how = "as measured" if found.measured else "as given"
    said = f"{found.minutes:.2f} minutes a review, {how}; promise {percent(promise['alpha'])}"
    gone = revoked(found.look)
    stands = Text(found.receipt["reason"]) if gone is None else Text(gone, style="red")
    return [made, Text(f"{said}; look {found.receipt['look']}", style="dim"), stands]


def dial_dict(found: Costs) -> dict[str, Any]:
    """Return the curve for JSON."""
    return {
        "look": found.receipt["look"],
        "reason": found.receipt["reason"],
        "revoked": revoked(found.look),
        "minutes_per_review": found.minutes,
        "measured": found.measured,
        "points": [_point(point) for point in found.curve.points],
    }


def _point(point: Point) -> dict[str, Any]:
    residual = [None if math.isnan(value) else value for value in point.residual]
    return {**asdict(point), "review_at": math.nextafter(point.threshold, math.inf), "residual": residual}
