"""One yes-or-no sign watched over records: an alarm if it has become materially more frequent, and only then.

An e-detector (J. Shin, A. Ramdas, A. Rinaldo, "E-detectors: a nonparametric framework for sequential change
detection", New England Journal of Statistics in Data Science 2 (2024)): likelihood ratios against the usual rate,
restarted at every record (E. S. Page's CUSUM, Biometrika 41 (1954)), averaged over alternatives. With no change the
expected number of records until an alarm at A is at least A, however often one looks and however many there are. The
usual rate is not the observed one but its exact upper bound plus an effect: a change that does not matter raises no
alarm, whatever its p-value. Windows are counted in records, never in time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache

from engine.intervals import clopper_pearson

WINDOW = 80
"""Records that "lately" means."""
LEAST = 100
"""Records of the reference before anything is tested."""
MOST = 2_000
"""Records after which the reference stands."""
EFFECT = 0.02
"""Increase of the rate that is no drift."""
_QUIET = math.log(20)
"""Evidence over which records do not enter the reference: they may be the change."""
ALTERNATIVES = (0.1, 0.3, 0.6, 0.95)
"""Rates that are tested, as shares of the way from the usual one to 1."""
_CONFIDENCE = 0.998


@lru_cache(maxsize=4096)
def usual_rate(k: int, n: int) -> float:
    """Return the largest rate that counts as usual after k of n."""
    _, high = clopper_pearson(k, n, _CONFIDENCE) or (0.0, 1.0)
    return min(high + EFFECT, 0.99)


@dataclass
class Monitor:
    """The state of one sign: JSON-able, a few hundred bytes."""

    k: int = 0
    n: int = 0
    """The reference: how often it was seen in how many records."""
    logs: list[float] = field(default_factory=lambda: [0.0] * len(ALTERNATIVES))
    window: str = ""
    """The last records, oldest first: 1 where the sign was seen."""
    rise: int = 0
    """Records since the evidence last stood at its start: where the change probably began."""
    on: bool = False
    since: int = 0
    """Records since the alarm."""

    def see(self, sign: bool, limit: float, witnesses: int = 0) -> None:
        """Take note of one record.

        Args:
            sign: whether the record shows it.
            limit: ln of the evidence at which the alarm is raised.
            witnesses: records of the window that must show it too, where records come in batches that are alike.
        """
        if self.n < LEAST:
            self.n, self.k = self.n + 1, self.k + sign
            return
        usual = usual_rate(self.k, self.n)
        for index, way in enumerate(ALTERNATIVES):
            rate = usual + (1 - usual) * way
            step = math.log(rate / usual) if sign else math.log((1 - rate) / (1 - usual))
            self.logs[index] = max(self.logs[index], 0.0) + step
        self.rise = self.rise + 1 if max(self.logs) > 0 else 0
        self._shift(sign)
        if self.on:
            self.since += 1
            self.on = self.since < WINDOW or self.share > usual
            if not self.on:
                self.logs, self.since = [0.0] * len(ALTERNATIVES), 0
        elif max(self.logs) >= limit and self.evidence >= limit and self.seen >= witnesses:
            self.on, self.since = True, 0

    def _shift(self, sign: bool) -> None:
        self.window += "1" if sign else "0"
        if len(self.window) > WINDOW:
            gone, self.window = self.window[0], self.window[1:]
            if self.n < MOST and not self.on and self.quiet:
                self.n, self.k = self.n + 1, self.k + (gone == "1")

    @property
    def evidence(self) -> float:
        """Return ln of the evidence for a change."""
        top = max(self.logs)
        return top + math.log(sum(math.exp(one - top) for one in self.logs) / len(self.logs))

    @property
    def quiet(self) -> bool:
        """Say whether nothing speaks for a change."""
        return max(self.logs) < _QUIET or self.evidence < _QUIET

    @property
    def seen(self) -> int:
        """Return in how many of the last records the sign was seen."""
        return self.window.count("1")

    @property
    def share(self) -> float:
        """Return the share of the last records with the sign."""
        return self.seen / len(self.window) if self.window else 0.0

    @property
    def told(self) -> str:
        """Say how often, lately and before."""
        return f"in {self.seen} of the last {len(self.window)} records, {self.k:,} of {self.n:,} before"
