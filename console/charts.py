"""Charts as inline SVG, drawn on the server: no script, no request, colours from the page's own style sheet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup
from rich.cells import cell_len, set_cell_size

from console.wording import percent, seconds
from engine.definition import Target
from engine.intervals import Proportion

WIDTH = 360
"""Width of the drawing of a chart in its own units: that of a phone, so that text is never scaled down."""
_BINS = 18


@dataclass(frozen=True)
class Stretch:
    """One attempt on the timeline; `kind` is its outcome."""

    start: datetime
    end: datetime
    kind: str
    title: str


@dataclass(frozen=True)
class Lane:
    """One item's attempts."""

    label: str
    stretches: tuple[Stretch, ...]


def interval_strip(share: Proportion, target: Target | None) -> Markup:
    """Draw a share with its interval on an axis that holds it and its targets."""
    if share.value is None or share.low is None or share.high is None:
        return Markup('<svg class="strip" viewBox="0 0 240 18" role="img" aria-label="no data">{}</svg>').format(
            _axis()
        )
    marks = [] if target is None else [target.baseline, target.benchmark, target.target]
    known = [mark for mark in marks if mark is not None]
    low, high = _window([share.low, share.high, *known])

    def x(value: float) -> float:
        return round(4 + 232 * (value - low) / (high - low), 2)

    parts = [_axis(), _rect(x(share.low), 6, max(x(share.high) - x(share.low), 2), 6, "band", rx=3)]
    names = ("baseline", "benchmark", "target")
    for name, mark in zip(names, marks, strict=False):
        if mark is not None:
            line = Markup('<line class="mark {}" x1="{}" x2="{}" y1="1" y2="17"><title>{} {}</title></line>')
            parts.append(line.format(name, x(mark), x(mark), name, percent(mark)))
    parts.append(Markup('<circle class="point" cx="{}" cy="9" r="4.5"></circle>').format(x(share.value)))
    label = f"{percent(share.value)}, interval {percent(share.low)} to {percent(share.high)}"
    return Markup('<svg class="strip" viewBox="0 0 240 18" role="img" aria-label="{}">{}</svg>').format(
        label, _joined(parts)
    )


def outcome_bar(states: Mapping[str, int]) -> Markup:
    """Draw how many items are in which state, as one stacked bar."""
    total = sum(states.values())
    parts, at = [], 0.0
    for state, count in states.items():
        wide = WIDTH * count / total if total else 0
        parts.append(_rect(at, 0, max(wide - 0.7, 0.7), 26, f"s-{state}", title=f"{count} {state}"))
        at += wide
    label = ", ".join(f"{count} {state}" for state, count in states.items())
    stretched = Markup(
        '<svg class="chart" viewBox="0 0 {} 26" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
    )
    return stretched.format(WIDTH, label, _joined(parts))


def histogram(values: Sequence[float], standard: float | None) -> Markup:
    """Draw how long the items took, in seconds, against the standard time."""
    if not values:
        return Markup("")
    top = max(*values, standard or 0.0, 1e-3)
    width = _nice(top / _BINS)
    if standard:  # the standard is the edge of a column, so that colour parts exactly what is over it
        width = standard / max(round(standard / width), 1)
    bins = [0] * max(math.ceil(top / width - 1e-9), 1)
    for value in values:
        bins[min(max(math.ceil(value / width - 1e-9) - 1, 0), len(bins) - 1)] += 1
    high, base = 110, 130
    step = WIDTH / len(bins)
    parts = []
    for number, count in enumerate(bins):
        tall = high * count / max(bins)
        over = standard is not None and number * width >= standard - 1e-9
        title = f"{count} item(s): {seconds(number * width)} to {seconds((number + 1) * width)}"
        if count:
            parts.append(
                _rect(number * step, base - tall, step - 2, tall, "over" if over else "bar", title=title, rx=2)
            )
    parts.append(Markup('<line class="axis" x1="0" x2="{}" y1="{}" y2="{}"></line>').format(WIDTH, base, base))
    span = width * len(bins)
    for place in range(5):
        anchor = ("start", "middle", "middle", "middle", "end")[place]
        parts.append(_text(WIDTH * place / 4, base + 15, seconds(span * place / 4), "tick", anchor))
    if standard is not None:
        at = WIDTH * standard / span
        parts.append(
            Markup('<line class="standard" x1="{0}" x2="{0}" y1="8" y2="{1}"></line>').format(round(at, 2), base)
        )
        anchor = "end" if at > WIDTH / 2 else "start"
        parts.append(_text(at + (-5 if anchor == "end" else 5), 16, f"standard {seconds(standard)}", "tick", anchor))
    return _svg(base + 20, f"time per item of {len(values)} items, in seconds", parts)


def columns(counts: Mapping[str, int]) -> Markup:
    """Draw a few counts as horizontal bars with their names."""
    most = max(counts.values(), default=1) or 1
    parts = []
    for row, (name, count) in enumerate(counts.items()):
        y = row * 26
        parts.append(_text(0, y + 16, name, "name"))
        parts.append(_rect(110, y + 3, max(200 * count / most, 2), 18, "bar", rx=3))
        parts.append(_text(116 + max(200 * count / most, 2), y + 17, str(count), "count"))
    label = ", ".join(f"{name}: {count}" for name, count in counts.items())
    return _svg(max(26 * len(counts), 1), label, parts)


def timeline(lanes: Sequence[Lane], start: datetime, end: datetime) -> Markup:
    """Draw the attempts of items over time, one lane an item."""
    wide, left, tall = 900, 210, 17
    span = max((end - start).total_seconds(), 1e-3)

    def x(at: datetime) -> float:
        return round(left + (wide - left) * (at - start).total_seconds() / span, 2)

    parts = []
    bottom = tall * len(lanes) + 6
    for place in range(6):
        at = left + (wide - left) * place / 5
        parts.append(
            Markup('<line class="grid" x1="{0}" x2="{0}" y1="0" y2="{1}"></line>').format(round(at, 2), bottom)
        )
        anchor = "end" if place == 5 else "middle" if place else "start"  # noqa: PLR2004 - the last of six
        parts.append(_text(at, bottom + 14, seconds(span * place / 5), "tick", anchor))
    for row, lane in enumerate(lanes):
        y = row * tall + 3
        parts.append(_text(0, y + 10, _fit(lane.label, 31), "lane"))
        for stretch in lane.stretches:
            length = max(x(stretch.end) - x(stretch.start), 2.5)
            parts.append(_rect(x(stretch.start), y, length, tall - 6, f"o-{stretch.kind}", title=stretch.title, rx=2))
    return _svg(bottom + 20, f"attempts of {len(lanes)} items over {seconds(span)}", parts, wide=wide, style="lanes")


def _window(values: Sequence[float]) -> tuple[float, float]:
    """Return the part of the axis to show: from 0 or to 1, whichever end the values are at."""
    low, high = min(values), max(values)
    if low > 0.5:  # noqa: PLR2004 - a half
        return max(0.0, 1 - 1.15 * (1 - low)) if low < 1 else 0.9, 1.0
    if high <= 0.5:  # noqa: PLR2004 - a half
        return 0.0, max(1.15 * high, 1e-6)
    return 0.0, 1.0


def _nice(step: float) -> float:
    magnitude = 10.0 ** math.floor(math.log10(step))
    return next(magnitude * factor for factor in (1, 2, 2.5, 5, 10) if magnitude * factor >= step)


def _fit(text: str, cells: int) -> str:
    """Cut the middle out of a text that is too wide: the ends of a business key tell most."""
    if cell_len(text) <= cells:
        return text
    tail = set_cell_size(text[::-1], cells // 2 - 1)[::-1].strip()
    return set_cell_size(text, cells - cell_len(tail) - 1).rstrip() + "…" + tail


def _axis() -> Markup:
    return Markup('<line class="axis" x1="4" x2="236" y1="9" y2="9"></line>')


def _rect(x: float, y: float, w: float, h: float, style: str, *, title: str = "", rx: float = 0) -> Markup:
    hint = Markup("<title>{}</title>").format(title) if title else ""
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="{}">{}</rect>').format(
        style, round(x, 2), round(y, 2), round(w, 2), round(h, 2), rx, hint
    )


def _text(x: float, y: float, text: str, style: str, anchor: str = "start") -> Markup:
    shape = Markup('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>')
    return shape.format(style, round(x, 2), round(y, 2), anchor, text)


def _svg(height: float, label: str, parts: Sequence[Markup], *, wide: int = WIDTH, style: str = "chart") -> Markup:
    shape = Markup('<svg class="{}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>')
    return shape.format(style, wide, round(height, 2), label, _joined(parts))


def _joined(parts: Sequence[Markup]) -> Markup:
    return Markup("").join(parts)
