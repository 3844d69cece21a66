"""Error rate, accuracy, precision and recall of a window, unbiased and with bounds that hold at all times together.

D. G. Horvitz and D. J. Thompson, "A generalization of sampling without replacement from a finite universe", JASA 47
(1952): each wrong record that was found stands for 1 / (its probability of being looked at) wrong ones. The figures are
those of the records that exist, so nothing is assumed of drift or clusters; only the audit draws are random. Flagged
records are all looked at, so all four figures follow from one unknown: how many wrong ones passed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from engine.errors import UserError
from qc_models.guarantee.evidence import count_lower, count_upper
from qc_models.guarantee.sample import Audit, one_each


@dataclass(frozen=True)
class Interval:
    """An estimate between its bounds; the estimate is None where there is nothing to divide by."""

    value: float | None
    low: float
    high: float


@dataclass(frozen=True)
class Figures:
    """The quality of a window's verdicts, each with an interval; all of them together hold at confidence 1 - delta."""

    records: int
    looked_at: int
    wrong_passed: Interval
    """How many wrong records passed."""
    error_rate: Interval
    accuracy: Interval
    precision: Interval
    recall: Interval


def wrong_among(
    probabilities: Sequence[float], size: int, *, floor: float, delta: float, sensitivity: float = 1.0
) -> Interval:
    """Estimate how many of `size` records are wrong from those that were found so.

    Args:
        probabilities: For each wrong one that was found: with which probability it was to be looked at.
        size: Records that could have been found.
        floor: The lowest of their probabilities of being looked at, found or not.
        delta: The chance of being wrong that is spent, half on each side.
        sensitivity: Lower bound on the share of wrong records that a look notices. The estimate is not corrected by it.
    """
    if floor >= 1 and sensitivity >= 1:
        return Interval(float(len(probabilities)), len(probabilities), len(probabilities))
    seen = math.fsum(floor / p for p in probabilities)
    low = max(len(probabilities), count_lower(seen, floor, delta / 2))
    high = max(low, count_upper(seen, floor * sensitivity, size, delta / 2))
    return Interval(min(float(size), math.fsum(1 / p for p in probabilities)), low, min(size, high))


def figures(
    records: Iterable[Audit],
    *,
    passed: int,
    flagged: int,
    floor: float,
    delta: float,
    sensitivity: float = 1.0,
) -> Figures:
    """Estimate the figures of a window.

    Args:
        records: Those of the window that were looked at; each once, others may be among them. Records that nobody drew
            (`draw` None) are left out, flagged ones have probability 1.
        passed: Records of the window that passed.
        flagged: Records of the window that were flagged, all of them reviewed.
        floor: The lowest audit rate of the window.
        delta: The chance of being wrong that is spent on all figures together.
        sensitivity: Lower bound on the share of wrong records that a look notices.

    Raises:
        UserError: a record that was to be looked at has no outcome yet, or one has a probability under the floor.
    """
    looked = [one for one in one_each(records) if one.flagged or (one.draw is not None and one.draw < one.probability)]
    unknown = [one for one in looked if one.wrong is None]
    if unknown:
        raise UserError(
            f"{len(unknown)} records are not reviewed yet (one is {unknown[0].key}); take an earlier window"
        )
    audited = [one for one in looked if not one.flagged]
    if any(one.probability < floor for one in audited):
        raise UserError(f"a record was drawn with less than the floor of {floor:g}; give the lowest rate of the window")
    caught_k = sum(bool(one.wrong) for one in looked if one.flagged)
    exact = sensitivity >= 1
    part = delta if exact else delta / 2
    caught = (
        Interval(caught_k, caught_k, caught_k)
        if exact
        else wrong_among([1.0] * caught_k, flagged, floor=1.0, delta=part, sensitivity=sensitivity)
    )
    found = [one.probability for one in audited if one.wrong]
    escaped = wrong_among(found, passed, floor=floor, delta=part, sensitivity=sensitivity)
    return _figures(caught, escaped, passed, flagged, len(looked))


def _figures(caught: Interval, escaped: Interval, passed: int, flagged: int, looked_at: int) -> Figures:
    n, a, b = passed + flagged, caught.value or 0.0, escaped.value or 0.0
    return Figures(
        records=n,
        looked_at=looked_at,
        wrong_passed=escaped,
        error_rate=_ratio(a + b, n, caught.low + escaped.low, caught.high + escaped.high, n),
        accuracy=_ratio(a + passed - b, n, caught.low + passed - escaped.high, caught.high + passed - escaped.low, n),
        precision=_ratio(a, flagged, caught.low, caught.high, flagged),
        recall=Interval(
            a / (a + b) if a + b else None, _recall(caught.low, escaped.high, 0), _recall(caught.high, escaped.low, 1)
        ),
    )


def _ratio(value: float, of: int, low: float, high: float, n: int) -> Interval:
    return Interval(value / of if of else None, low / n if n else 0.0, min(1.0, high / n) if n else 1.0)


def _recall(caught: float, escaped: float, otherwise: float) -> float:
    return caught / (caught + escaped) if caught + escaped else otherwise
