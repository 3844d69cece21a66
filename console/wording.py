"""Figures in words: the same on the terminal and in the HTML report."""

from __future__ import annotations

from datetime import datetime, timedelta

from engine.intervals import Proportion
from engine.metrics import Figures, TargetCheck
from engine.quality import Quality

NOT_KNOWN = "not known yet"
_PERCENT = "\N{NO-BREAK SPACE}%"
STATUS = {
    "proven": "target proven",
    "met": "target met, not yet proven",
    "missed": "target missed",
    "no data": "no data yet",
}


def percent(value: float | None) -> str:
    """Write a share as a percentage; a share that is not 0 or 1 never rounds to it."""
    if value is None:
        return NOT_KNOWN
    shown = 100 * value
    if shown in {0, 100}:
        return f"{shown:.0f}{_PERCENT}"
    for digits in (1, 2, 3, 4):
        text = f"{shown:.{digits}f}"
        if 0 < float(text) < 100:  # noqa: PLR2004 - per cent
            return f"{text}{_PERCENT}"
    return f"< 0.0001{_PERCENT}" if shown < 1 else f"> 99.9999{_PERCENT}"


def interval(share: Proportion) -> str:
    """Write a share's 95 % interval and its n."""
    if share.low is None or share.high is None:
        return "n = 0"
    return f"{percent(share.low).removesuffix(_PERCENT)} to {percent(share.high)}, {share.k} of {share.n}"


def seconds(value: float | None) -> str:
    """Write a duration that a person reads: 0.35 s, 14.2 s, 3 min 5 s, 2 h 10 min."""
    if value is None:
        return NOT_KNOWN
    if value < 60:  # noqa: PLR2004 - a minute
        return "0 s" if value == 0 else f"{value:.2f} s" if value < 1 else f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:  # noqa: PLR2004 - an hour
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:  # noqa: PLR2004 - two days
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} days"


def age(since: datetime, now: datetime) -> str:
    """Write how long ago an instant was, as roughly as a person would say it."""
    passed = max(now - since, timedelta()).total_seconds()
    if passed < 60:  # noqa: PLR2004 - a minute
        return "just now"
    return seconds(passed - passed % 60)


def at(instant: datetime | None) -> str:
    """Write an instant in UTC."""
    return f"{instant:%Y-%m-%d %H:%M:%S}" if instant else "-"


def judged(quality: Quality) -> str:
    """Say by what the figures about rightness were judged."""
    return "against the truth file" if quality.judge == "truth" else "by reviews"


def rates(figures: Figures) -> list[tuple[str, str, Proportion, str]]:
    """Return the shares worth showing: figure name, label, share, and what it is a share of."""
    quality = figures.quality
    how = judged(quality)
    sample = how if quality.judge == "truth" else "by the audit sample"
    return [
        ("straight_through", "Straight-through rate", figures.straight_through, "no person needed / ended"),
        ("first_pass_yield", "First-pass yield", figures.first_pass_yield, "right at the first attempt / ended"),
        ("residual_error_rate", "Residual error rate", quality.residual_error_rate, f"wrong / let through, {sample}"),
        ("error_rate", "Error rate", quality.error_rate, f"wrong / inspected, {how}"),
        ("accuracy", "Accuracy of verdicts", quality.accuracy, f"right verdicts / verdicts, {sample}"),
        ("precision", "Precision of flags", quality.precision, f"wrong / flagged, {how}"),
        ("recall", "Recall of flags", quality.recall, f"flagged / wrong, {how}"),
    ]


def goals(check: TargetCheck) -> str:
    """Write baseline, benchmark and target of an indicator."""
    target = check.target
    named = (("baseline", target.baseline), ("benchmark", target.benchmark), ("target", target.target))
    return ", ".join(f"{name} {percent(value)}" for name, value in named if value is not None)
