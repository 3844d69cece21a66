"""Running numbers: what a party's next document number should look like on a given day.

A party's numbers grow with time; how fast, and how surely that is known, follows from its own records and, where these
are few, from how fast the other parties' numbers grow (a precision-weighted mean, as in any normal-normal model).
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from math import inf, sqrt
from statistics import median
from typing import TypeVar

import numpy as np

K = TypeVar("K")
Point = tuple[str, date | None]
_RUNS = re.compile(r"\d+")
_FEWEST = 4
_MOST = 80
_LOCAL = 5
_NARROWEST = 0.5
_TRUSTED = 6.0


@dataclass(frozen=True)
class Parsed:
    """A document number taken apart; a year that agrees with the record's own date is written {Y}."""

    frame: str
    number: int
    digits: int
    yearly: bool


@dataclass(frozen=True)
class Pace:
    """How fast numbers grow over all parties: units a day, how parties differ, how far single numbers stray."""

    slope: float
    error: float
    scale: float


@dataclass
class Line:
    """How the numbers of one party grow with time."""

    frames: Counter[str] = field(default_factory=Counter)
    strip: bool = False
    slope: float = 0.0
    slope_error: float = inf
    """Infinite while nothing is known of the growth: then no number is out of line."""
    start: float = 0.0
    middle: float = 0.0
    scale: float = 1.0
    count: int = 0
    latest: deque[float] = field(default_factory=lambda: deque(maxlen=_LOCAL))
    previous: tuple[float, int] | None = None
    """Moment and number of the newest record that was in line."""

    def residual(self, parsed: Parsed, day: date) -> float:
        """Return how far a number is from where this party's numbers should stand on a day."""
        local = median(self.latest) if self.latest else 0.0
        return self._raw(parsed, day) - local

    def width(self, parsed: Parsed, day: date) -> float:
        """Return how far a right number may well be off: wider the longer ago the known ones are."""
        return sqrt(self.scale**2 + (self.slope_error * (moment(parsed, day) - self.middle)) ** 2)

    def step(self, parsed: Parsed, day: date) -> float | None:
        """Return how many numbers lie between the newest record in line and this one; None if there is no such."""
        if self.previous is None or moment(parsed, day) < self.previous[0]:
            return None  # another year, or an older record: order says nothing
        return float(parsed.number - self.previous[1])

    def expected(self, parsed: Parsed, day: date) -> int:
        """Return the number that would have been expected."""
        return round(parsed.number - self.residual(parsed, day))

    def observe(self, parsed: Parsed, day: date) -> None:
        """Let a further number shift what is expected next."""
        known = parsed.frame in self.frames
        self.frames[parsed.frame] += 1
        if not known or self.slope_error == inf:
            return
        if abs(self.residual(parsed, day)) <= _TRUSTED * self.width(parsed, day):
            self.previous = moment(parsed, day), parsed.number
        if self.count >= _FEWEST:
            self.latest.append(self._raw(parsed, day))

    def _raw(self, parsed: Parsed, day: date) -> float:
        return parsed.number - (self.start + self.slope * moment(parsed, day))


def parse(text: str, day: date | None, *, strip: bool = False) -> Parsed | None:
    """Take a number apart: its longest run of digits counts, the rest is the frame. None without digits."""
    runs = list(_RUNS.finditer(text))
    if not runs:
        return None
    run = max(runs, key=lambda match: (len(match[0]), match.start()))
    digits, yearly = run[0], False
    before, after = text[: run.start()], text[run.end() :]
    if day is not None:
        marked = re.sub(rf"(?<!\d)({day.year}|{day:%y})(?!\d)", "{Y}", before)
        yearly, before = marked != before, marked
        if strip and digits.startswith(f"{day:%y}") and len(digits) > 4:  # noqa: PLR2004 - a year and a number
            before, digits, yearly = before + "{Y}", digits[2:], True
    return Parsed(f"{before}#{len(digits)}{after}", int(digits[-15:]), len(digits), yearly)


def moment(parsed: Parsed, day: date) -> float:
    """Return the time that a number grows with: days in the year if it starts anew each year, else all days."""
    return float(day.timetuple().tm_yday if parsed.yearly else day.toordinal() - 730_000)


def fit_all(points: Mapping[K, Sequence[Point]]) -> dict[K, Line]:
    """Fit the growth of every party's numbers; parties with few records lean on the pace of the others."""
    rough = {key: fit(found) for key, found in points.items()}
    known = [line for line in rough.values() if line.count >= _FEWEST and line.slope > 0]
    if len(known) < _FEWEST:
        return rough
    slopes = np.array([line.slope for line in known])
    low, middle, high = np.quantile(slopes, [0.16, 0.5, 0.84])
    pace = Pace(float(middle), float(max(high - low, middle)), median(line.scale for line in known))
    return {key: line if line.count >= _FEWEST else fit(points[key], pace) for key, line in rough.items()}


def fit(points: Iterable[Point], pace: Pace | None = None) -> Line:
    """Fit the growth of one party's numbers, robustly (Theil-Sen: the median of pairwise slopes)."""
    known = [(text, day) for text, day in points if text]
    line = Line(strip=_starts_with_year(known))
    parsed = [(found, day) for text, day in known if (found := parse(text, day, strip=line.strip))]
    line.frames = Counter(found.frame for found, _ in parsed)
    usual = line.frames.most_common(1)[0][0] if line.frames else ""
    dated = [(moment(found, day), found, day) for found, day in parsed if day and found.frame == usual]
    dated = sorted(dated, key=lambda row: row[2])[-_MOST:]
    line.count = len(dated)
    if not dated or (line.count < _FEWEST and pace is None):
        return line
    times = np.array([time for time, _, _ in dated])
    numbers = np.array([float(found.number) for _, found, _ in dated])
    line.slope, line.slope_error = _slope(times, numbers, pace)
    line.middle = float(times.mean())
    line.start = float(np.median(numbers - line.slope * times))
    residuals = numbers - line.start - line.slope * times
    if line.count >= _FEWEST:
        line.scale = max(_NARROWEST, 1.4826 * float(np.median(np.abs(residuals))))
        line.slope_error = line.scale / max(1e-9, float(times.std()) * sqrt(line.count))
        line.latest.extend(float(value) for value in residuals[-_LOCAL:])
    elif pace is not None:
        line.scale = max(pace.scale, _NARROWEST)
    line.previous = float(times[-1]), dated[-1][1].number
    return line


def _slope(times: np.ndarray, numbers: np.ndarray, pace: Pace | None) -> tuple[float, float]:
    """Return the slope and its standard error: of the points alone, or drawn to the pace of the other parties."""
    left, right = np.triu_indices(len(times), 1)
    apart = np.abs(times[left] - times[right]) > 0.5  # noqa: PLR2004 - not the same day
    own = 0.0
    if apart.any():
        own = float(np.median(((numbers[left] - numbers[right])[apart]) / ((times[left] - times[right])[apart])))
    if pace is None or len(times) >= _FEWEST:
        return own, 0.0
    trust = float(times.std()) ** 2 * len(times) / pace.scale**2 if apart.any() else 0.0
    prior = 1 / pace.error**2
    return (own * trust + pace.slope * prior) / (trust + prior), 1 / sqrt(trust + prior)


def _starts_with_year(points: list[Point]) -> bool:
    dated = [(text, day) for text, day in points if day]
    runs = [(max(found, key=len), day) for text, day in dated if (found := _RUNS.findall(text))]
    fits = [len(run) > 4 and run.startswith(f"{day:%y}") for run, day in runs]  # noqa: PLR2004
    return len(fits) >= _FEWEST and sum(fits) / len(fits) >= 0.9  # noqa: PLR2004
