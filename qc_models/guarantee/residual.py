"""How many of the records processed so far are still wrong at most, reviewers' own mistakes included.

residual = coverage x rate among passed + (1 - coverage) x rate after review, counted in records:

- *escaped*: wrong ones that passed, less those that audits found and people corrected;
- *missed*: wrong ones that were reviewed and not noticed;
- *broken*: right ones that reviewers spoilt; never more than they called wrong without a second person's confirmation.

Each is bounded at all times together, with its declared part of delta. What is random is the audit draw, and whether a
reviewer notices; nothing is assumed of the errors, which may drift and come in clusters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from qc_models.guarantee.evidence import count_upper, happened_upper
from qc_models.guarantee.reviewers import Canaries, SecondReviews, canaries_needed, false_corrections, sensitivity


@dataclass(frozen=True)
class Split:
    """How delta is shared out, declared beforehand; the parts add up to 1."""

    escaped: float = 0.7
    sensitivity: float = 0.1
    missed: float = 0.1
    broken: float = 0.1
    """Half of it for the rate of false corrections, half for how many there were."""


@dataclass(frozen=True)
class Window:
    """What happened to the records of a window: all of them, since it began."""

    passed: int
    """Closed on the model's word, those that were audited afterwards included."""
    flagged: int
    """Sent to review because of doubt, and reviewed."""
    floor: float
    """The lowest audit rate of passed records in the window."""
    found: int = 0
    """Wrong ones among the passed with a draw under the floor."""
    found_else: int = 0
    """Wrong ones among the passed that were found by a top-up or otherwise."""
    audited: int = 0
    """Passed ones that were looked at."""
    flagged_wrong: int = 0
    """Flagged ones that reviewers called wrong."""
    confirmed: int = 0
    """Those called wrong, flagged or passed, which a second person or the source confirmed: they were not broken."""

    @property
    def records(self) -> int:
        """Return how many records there are."""
        return self.passed + self.flagged


@dataclass(frozen=True)
class Residual:
    """At most so many records are wrong now, at confidence 1 - delta; None of a window without records."""

    delta: float
    records: int
    coverage: float | None
    """Share that passed without review."""
    escaped: int
    missed: int
    broken: int
    sensitivity: float
    pass_rate: float | None
    """Upper bound on the share of wrong ones among the passed, corrections not counted."""
    review_rate: float | None
    """Upper bound on the share of wrong ones among the reviewed, after review."""
    missing: tuple[str, ...]
    """What would have to be known for a better bound."""

    @property
    def wrong(self) -> int:
        """Return how many records are wrong at most."""
        return min(self.records, self.escaped + self.missed + self.broken)

    @property
    def rho(self) -> float | None:
        """Return the upper bound on the residual error rate; None without records, 1 where nothing is known."""
        return self.wrong / self.records if self.records else None


def residual(
    window: Window,
    canaries: Canaries,
    pairs: SecondReviews | None = None,
    *,
    delta: float,
    split: Split | None = None,
) -> Residual:
    """Bound the wrong records that are left in a window; may be asked at any time and as often as one likes.

    Raises:
        ValueError: the parts of delta do not add up to 1, or counts contradict each other.
    """
    share = split or Split()
    _check(window, share)
    part = sensitivity(canaries, pairs, delta=delta * share.sensitivity, any_time=True)
    false = false_corrections(canaries, delta=delta * share.broken / 2, any_time=True)
    wrong = count_upper(window.found, window.floor * part.lower, window.passed, delta * share.escaped)
    flagged = count_upper(window.flagged_wrong, part.lower, window.flagged, delta * share.missed)
    looked_at = window.flagged + window.audited
    unconfirmed = window.flagged_wrong + window.found + window.found_else - window.confirmed
    broken = min(unconfirmed, happened_upper(false, looked_at, delta * share.broken / 2))
    missed = flagged - window.flagged_wrong
    return Residual(
        delta=delta,
        records=window.records,
        coverage=window.passed / window.records if window.records else None,
        # what reviewers called wrong by mistake among the top-up's finds was no escape that got corrected
        escaped=max(0, wrong - window.found - max(0, window.found_else - broken)),
        missed=missed,
        broken=broken,
        sensitivity=part.lower,
        pass_rate=wrong / window.passed if window.passed else None,
        review_rate=min(1.0, (missed + broken) / window.flagged) if window.flagged else None,
        missing=_missing(window, canaries),
    )


@dataclass(frozen=True)
class Budget:
    """The error budget of a window: `allowed` wrong records by the promise, `used` of them at most."""

    allowed: int
    used: int

    @property
    def left(self) -> int:
        """Return how many may still be let through; 0 once the promise cannot be shown to hold."""
        return max(0, self.allowed - self.used)

    def __str__(self) -> str:
        if self.used > self.allowed:
            return f"not shown to be kept: up to {self.used} records may be wrong, {self.allowed} are allowed"
        return f"you may still let {self.left} of {self.allowed} wrong records through"


def budget(now: Residual, alpha: float, planned: int | None = None) -> Budget:
    """Hold the bound against alpha of the records; `planned`: of the whole window, such as 100,000 a month."""
    return Budget(math.floor(alpha * (planned or now.records) + 1e-9), now.wrong)


def _check(window: Window, share: Split) -> None:
    parts = share.escaped + share.sensitivity + share.missed + share.broken
    if not math.isclose(parts, 1) or min(share.escaped, share.sensitivity, share.missed, share.broken) <= 0:
        raise ValueError(f"the parts of delta must be positive and add up to 1: {share}")
    if window.found + window.found_else > window.audited or window.audited > window.passed:
        raise ValueError(f"more found than audited, or more audited than passed: {window}")
    if window.flagged_wrong > window.flagged:
        raise ValueError(f"more wrong than flagged: {window}")
    if window.confirmed > window.flagged_wrong + window.found + window.found_else:
        raise ValueError(f"more confirmed than called wrong: {window}")


def _missing(window: Window, canaries: Canaries) -> tuple[str, ...]:
    wanted = []
    if window.passed and window.floor <= 0:
        wanted.append("passed records are not audited: nothing is known of them")
    if not canaries.planted:
        least = canaries_needed(0.995, 0.05)
        wanted.append(f"no canary was reviewed: plant {least} wrong ones to show that reviewers find 99.5 %")
    if not canaries.decoys and window.confirmed < window.flagged_wrong + window.found + window.found_else:
        wanted.append(
            "no decoy was reviewed, and not all corrections were confirmed: right records may have been spoilt"
        )
    return tuple(wanted)
