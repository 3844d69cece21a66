"""What one item costs a slot, drawn from what was measured: resampled (B. Efron, "Bootstrap methods", 1979).

Each replication first resamples the sample itself, so that how little is known of the mean shows in the spread of the
results too (R. R. Barton and L. W. Schruben, "Resampling methods for input modeling", WSC 2001), and then draws
attempts from that.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class AttemptTime:
    """One ended attempt."""

    seconds: float
    """From claim to settle: how long it held its slot."""
    wait: float | None = None
    """Seconds until the item could be tried again; None if it needed no further attempt."""


@dataclass(frozen=True)
class ServiceTimes:
    """How long the attempts of one workflow hold a slot."""

    workflow: str
    attempts: tuple[AttemptTime, ...]
    """At least one: measured, or the definition's standard time alone."""
    measured: int
    """How many attempts were measured; 0 if `attempts` is the standard time."""
    most: int = 4
    """Attempts of one item in all: the definition's `retry.attempts`."""

    @property
    def mean(self) -> float:
        """Return the mean seconds of one attempt."""
        return statistics.fmean(attempt.seconds for attempt in self.attempts)

    @property
    def per_item(self) -> float:
        """Return the mean number of attempts of an item: 1, and more with every attempt that needed another."""
        return _attempts_of_an_item(self._returning, self.most)[0]

    @property
    def _returning(self) -> float:
        return sum(attempt.wait is not None for attempt in self.attempts) / len(self.attempts)

    def resampled(self, draws: Random) -> ServiceTimes:
        """Return the same with attempts drawn anew, as many, with replacement."""
        attempts = tuple(draws.choices(self.attempts, k=len(self.attempts))) if self.measured else self.attempts
        return ServiceTimes(self.workflow, attempts, self.measured, self.most)

    def items(self, draws: Random, count: int) -> Work:
        """Draw the work of so many items, attempt by attempt."""
        first = draws.choices(self.attempts, k=count)
        again = {n: self._further(draws, one.wait) for n, one in enumerate(first) if one.wait is not None}
        return Work([one.seconds for one in first], {n: further for n, further in again.items() if further})

    def residue(self, draws: Random, elapsed: float) -> tuple[float, Sequence[tuple[float, float]]]:
        """Draw what an attempt that has gone on for `elapsed` seconds still takes, and the item's further attempts."""
        longer = [attempt for attempt in self.attempts if attempt.seconds > elapsed]
        if not longer:  # longer than any before it: as good as over
            return 0.0, ()
        drawn = draws.choice(longer)
        return drawn.seconds - elapsed, self._further(draws, drawn.wait)

    def lumps(self, draws: Random, count: int, weight: float) -> list[float]:
        """Draw the slot time of so many lumps of `weight` items each, by the central limit theorem; waits left out."""
        number, spread = _attempts_of_an_item(self._returning, self.most)
        mean = self.mean * number
        variance = number * statistics.pvariance([attempt.seconds for attempt in self.attempts], self.mean)
        deviation = math.sqrt(weight * (variance + self.mean**2 * spread))
        return [max(0.0, draws.gauss(weight * mean, deviation)) for _ in range(count)]

    def _further(self, draws: Random, wait: float | None) -> Sequence[tuple[float, float]]:
        further: list[tuple[float, float]] = []
        while wait is not None and len(further) + 1 < self.most:
            drawn = draws.choice(self.attempts)
            further.append((wait, drawn.seconds))
            wait = drawn.wait
        return further


@dataclass(frozen=True)
class Work:
    """The drawn work of some items, as `engine.planning.simulation.Batch` takes it."""

    first: list[float]
    again: Mapping[int, Sequence[tuple[float, float]]]


def _attempts_of_an_item(returning: float, most: int) -> tuple[float, float]:
    """Return mean and variance of the number of attempts, if each needs another with the same probability."""
    chances = [returning**n * (1 - returning if n + 1 < most else 1) for n in range(most)]
    mean = sum((n + 1) * chance for n, chance in enumerate(chances))
    return mean, sum((n + 1 - mean) ** 2 * chance for n, chance in enumerate(chances))
