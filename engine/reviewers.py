"""How well people review: what they miss, what they break, and how far two of them agree. Pure functions over results.

Sensitivity is the share of planted errors that were caught; its interval is exact (`engine.intervals`). Agreement by
chance is taken out of the agreement of two people by Cohen's kappa: J. Cohen, "A coefficient of agreement for nominal
scales", Educational and Psychological Measurement 20 (1960), 37-46.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.intervals import Proportion, share
from engine.ledger.reviewer_results import CanaryResult, SecondResult


@dataclass(frozen=True)
class ReviewerFigures:
    """What is known of one reviewer, or of all together (`reviewer` is None)."""

    reviewer: str | None
    sensitivity: Proportion
    """Planted errors caught / planted errors decided."""
    wrong_field: int
    """Of the errors that were not caught: corrected elsewhere, the error left in."""
    by_error: dict[str, Proportion]
    """Sensitivity by kind of planted error."""
    false_corrections: Proportion
    """Controls that were corrected or rejected / controls decided."""
    agreement: Proportion
    """Second looks that said what the first decision did / second looks made, on either side."""
    kappa: float | None
    """Cohen's, of right against wrong; None while there is nothing to agree on, or everybody always said the same."""
    disputed: int
    """Disagreements that wait for a third person."""
    overruled: int
    """Decisions of this person, made first, that a third person decided otherwise."""
    median_seconds: float | None
    """Between two decisions of one sitting; None where no two are known."""


def figures(
    canaries: Sequence[CanaryResult], seconds: Sequence[SecondResult], times: Mapping[str, Sequence[float]]
) -> list[ReviewerFigures]:
    """Return the figures of all reviewers together, then of each by name.

    Args:
        canaries: what was decided about canaries.
        seconds: what was said at second looks.
        times: seconds between decisions, by reviewer.
    """
    people = {one.reviewer for one in canaries} | {who for one in seconds for who in _people(one)} | set(times)
    everybody = _figures(None, canaries, seconds, [gap for gaps in times.values() for gap in gaps])
    return [
        everybody,
        *(
            _figures(
                who,
                [one for one in canaries if one.reviewer == who],
                [one for one in seconds if who in _people(one)],
                times.get(who, ()),
            )
            for who in sorted(people)
        ),
    ]


def kappa(pairs: Sequence[tuple[bool, bool]]) -> float | None:
    """Return Cohen's kappa of two raters' answers; None without pairs, or where chance alone explains all agreement."""
    n = len(pairs)
    if not n:
        return None
    observed = sum(left == right for left, right in pairs) / n
    left, right = sum(one for one, _ in pairs) / n, sum(other for _, other in pairs) / n
    chance = left * right + (1 - left) * (1 - right)
    return None if chance == 1 else (observed - chance) / (1 - chance)


def _people(one: SecondResult) -> tuple[str, str]:
    return one.first.reviewer, one.second.reviewer


def _figures(
    who: str | None, canaries: Sequence[CanaryResult], seconds: Sequence[SecondResult], gaps: Sequence[float]
) -> ReviewerFigures:
    kinds: dict[str, list[bool]] = defaultdict(list)
    for one in canaries:
        if one.error is not None:
            kinds[one.error].append(one.good)
    # a reviewer's own answer stands first in the pair, so that kappa compares this person with the others
    pairs = [(one.first.wrong, one.second.wrong) for one in seconds]
    if who is not None:
        pairs = [pair if one.first.reviewer == who else pair[::-1] for one, pair in zip(seconds, pairs, strict=True)]
    return ReviewerFigures(
        reviewer=who,
        sensitivity=share([one.good for one in canaries if not one.control]),
        wrong_field=sum(one.outcome == "wrong field" for one in canaries),
        by_error={kind: share(kinds[kind]) for kind in sorted(kinds)},
        false_corrections=share([not one.good for one in canaries if one.control]),
        agreement=share([one.agreed for one in seconds]),
        kappa=kappa(pairs),
        disputed=sum(one.disputed for one in seconds),
        overruled=sum(one.overruled and who in {None, one.first.reviewer} for one in seconds),
        median_seconds=statistics.median(gaps) if gaps else None,
    )
