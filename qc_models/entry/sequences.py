"""Running numbers: what a party's next document number should look like on a given day."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from statistics import median

import numpy as np

_RUNS = re.compile(r"\d+")
_FEWEST = 4
_MOST = 80
_LOCAL = 5


@dataclass(frozen=True)
class Parsed:
    """A document number taken apart; a year that agrees with the record's own date is written {Y}."""

    frame: str
    number: int
    digits: int
    yearly: bool


@dataclass
class Line:
    """How the numbers of one party grow with time."""

    frames: Counter[str] = field(default_factory=Counter)
    strip: bool = False
    slope: float = 0.0
    start: float = 0.0
    scale: float = 1.0
    count: int = 0
    latest: deque[float] = field(default_factory=lambda: deque(maxlen=_LOCAL))

    def residual(self, parsed: Parsed, day: date) -> float:
        """Return how far a number is from where this party's numbers should stand on a day."""
        local = median(self.latest) if self.latest else 0.0
        return self._raw(parsed, day) - local

    def expected(self, parsed: Parsed, day: date) -> int:
        """Return the number that would have been expected."""
        return round(parsed.number - self.residual(parsed, day))

    def observe(self, parsed: Parsed, day: date) -> None:
        """Let a further number shift what is expected next."""
        self.frames[parsed.frame] += 1
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


def fit(points: Iterable[tuple[str, date | None]]) -> Line:
    """Fit the growth of one party's numbers, robustly (median of pairwise slopes)."""
    known = [(text, day) for text, day in points if text]
    line = Line(strip=_starts_with_year(known))
    parsed = [(found, day) for text, day in known if (found := parse(text, day, strip=line.strip))]
    line.frames = Counter(found.frame for found, _ in parsed)
    dated = sorted(((moment(found, day), found, day) for found, day in parsed if day), key=lambda row: row[2])[-_MOST:]
    line.count = len(dated)
    if line.count < _FEWEST:
        return line
    times = np.array([time for time, _, _ in dated])
    numbers = np.array([float(found.number) for _, found, _ in dated])
    left, right = np.triu_indices(len(dated), 1)
    apart = np.abs(times[left] - times[right]) > 0.5  # noqa: PLR2004 - not the same day
    if apart.any():
        line.slope = float(np.median(((numbers[left] - numbers[right])[apart]) / ((times[left] - times[right])[apart])))
    line.start = float(np.median(numbers - line.slope * times))
    residuals = numbers - line.start - line.slope * times
    line.scale = max(0.5, 1.4826 * float(np.median(np.abs(residuals))))
    line.latest.extend(float(value) for value in residuals[-_LOCAL:])
    return line


def _starts_with_year(points: list[tuple[str, date | None]]) -> bool:
    dated = [(text, day) for text, day in points if day]
    runs = [(max(found, key=len), day) for text, day in dated if (found := _RUNS.findall(text))]
    fits = [len(run) > 4 and run.startswith(f"{day:%y}") for run, day in runs]  # noqa: PLR2004
    years = {day.year for _, day in runs}
    return len(fits) >= _FEWEST and len(years) > 1 and sum(fits) / len(fits) >= 0.9  # noqa: PLR2004
