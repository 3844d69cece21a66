"""How many mistakes do the reviewers themselves miss or make: planted canaries, and blind second reviews.

Canaries are records whose truth is known, planted into the queue as ordinary ones: wrong ones measure sensitivity,
right ones (decoys) false corrections. They decide, provided that they are like the real ones. Blind second reviews of
real records check that: capture and recapture (D. G. Chapman, 1951) says how many wrong ones both missed *if the two
miss independently*. They do not where a mistake is hard for everybody, so second reviews alone never raise a bound.
What holds without independence is an upper bound: wrong ones that only the second look found were missed by the
first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from qc_models.guarantee import bounds
from qc_models.guarantee.evidence import rate_upper


@dataclass(frozen=True)
class Canaries:
    """Records with known truth that reviewers decided on without knowing which they are."""

    planted: int = 0
    """Wrong ones that were reviewed."""
    found: int = 0
    decoys: int = 0
    """Right ones that were reviewed."""
    broken: int = 0
    """Right ones that were called wrong."""


@dataclass(frozen=True)
class SecondReviews:
    """Records that two people decided on, the second without seeing the first."""

    both: int = 0
    """Called wrong by both."""
    first_only: int = 0
    second_only: int = 0
    neither: int = 0

    @property
    def kappa(self) -> float | None:
        """Return agreement beyond chance (J. Cohen, 1960); None while there is nothing, or no variety, to agree on."""
        n = self.both + self.first_only + self.second_only + self.neither
        if not n:
            return None
        first, second = (self.both + self.first_only) / n, (self.both + self.second_only) / n
        chance = first * second + (1 - first) * (1 - second)
        return None if chance == 1 else ((self.both + self.neither) / n - chance) / (1 - chance)

    @property
    def missed_by_both(self) -> float | None:
        """Estimate how many wrong ones neither saw (Chapman), if both miss independently; None: no common find."""
        if not self.both:
            return None
        total = (self.both + self.first_only + 1) * (self.both + self.second_only + 1) / (self.both + 1) - 1
        return max(0.0, total - self.both - self.first_only - self.second_only)


@dataclass(frozen=True)
class Sensitivity:
    """Share of wrong records that a reviewer notices."""

    lower: float
    """Lower bound at confidence 1 - delta; 0 while nothing is known."""
    estimate: float | None
    upper: float
    source: Literal["canaries", "second reviews", "nothing"]
    reason: str


def sensitivity(
    canaries: Canaries, pairs: SecondReviews | None = None, *, delta: float, any_time: bool = False
) -> Sensitivity:
    """Return how many wrong records reviewers notice, with a lower bound.

    Canaries decide. If second reviews refute them (real mistakes are missed more often than any independence could
    excuse: the canaries were too easy), the second reviews' own lower bound is taken, which assumes independence.

    Args:
        canaries: Of one reviewer, or of all, in the proportions in which they work.
        pairs: Blind second reviews of real records.
        delta: The chance of being wrong that is spent on the lower bound.
        any_time: Whether the bound must hold at all times together, instead of once.
    """
    k, n = canaries.found, canaries.planted
    if pairs is None:
        return _planted(k, n, delta, any_time=any_time)
    planted = _planted(k, n, delta / 2, any_time=any_time)
    seen, real = pairs.both + pairs.first_only, pairs.both + pairs.first_only + pairs.second_only
    at_most = _high(seen, real, delta / 2, any_time=any_time)
    if at_most >= planted.lower:
        return planted
    common = pairs.both + pairs.second_only
    least = min(planted.lower, 1 - _high(pairs.second_only, common, delta / 2, any_time=any_time))
    reason = (
        f"canaries are too easy: they say {planted.lower:.1%} at least, but of {real} real mistakes the first look "
        f"found {seen}; taken is what second reviews show, if both miss independently"
    )
    return Sensitivity(least, pairs.both / common if common else None, at_most, "second reviews", reason)


def _planted(k: int, n: int, delta: float, *, any_time: bool) -> Sensitivity:
    if not n:
        return Sensitivity(0.0, None, 1.0, "nothing", "no canary was reviewed, so reviewers may miss everything")
    low, high = 1 - _high(n - k, n, delta, any_time=any_time), _high(k, n, delta, any_time=any_time)
    return Sensitivity(low, k / n, high, "canaries", f"{k} of {n} canaries were found")


def false_corrections(canaries: Canaries, *, delta: float, any_time: bool = False) -> float:
    """Return an upper bound on the share of right records that reviewers call wrong; 1 while no decoy was reviewed."""
    return _high(canaries.broken, canaries.decoys, delta, any_time=any_time)


def _high(k: int, n: int, delta: float, *, any_time: bool) -> float:
    return rate_upper(k, n, delta) if any_time else bounds.upper(k, n, delta)


def canaries_needed(least: float, delta: float, missed: int = 0) -> int:
    """Return how many canaries, `missed` of them missed, prove a sensitivity of `least`: 598 for 0.995, none missed.

    Raises:
        UserError: `least` or delta is not in (0, 1).
    """
    return bounds.audits_needed(1 - least, delta, missed)
