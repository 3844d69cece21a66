"""What is known of the process that entered a record: how the attempt went, and how its party fared in reviews."""

from __future__ import annotations

from collections.abc import Mapping
from math import log

from qc_models.entry.schema import AT, SIGNALS

_PRIOR = 2.0
"""Records' worth of `as expected` that a party starts with, so that one review says little."""


class Reliability:
    """Wrong records of each party beside how many the model expected among those that were reviewed.

    Observed over expected, shrunk to 1, as epidemiology compares hospitals (the standardised ratio of a gamma-Poisson
    model): who is reviewed depends on the model's score, so that a plain error rate would blame whoever is looked at.
    """

    def __init__(self, tallies: Mapping[str, tuple[float, float]] | None = None) -> None:
        """Begin with what is known: wrong and expected, by party."""
        self.tallies = dict(tallies or {})

    def note(self, party: str, probability: float, *, wrong: bool) -> None:
        """Count one reviewed record of a party, that the model had given this probability of being wrong."""
        seen, expected = self.tallies.get(party, (0.0, 0.0))
        self.tallies[party] = seen + wrong, expected + probability

    def feature(self, party: str) -> float:
        """Return the logarithm of observed over expected errors; NaN while no record was ever reviewed."""
        if not self.tallies:
            return float("nan")
        seen, expected = self.tallies.get(party, (0.0, 0.0))
        return log((seen + _PRIOR) / (expected + _PRIOR))


def fill(cells: list[list[float]], signals: Mapping[str, float], party_errors: float) -> None:
    """Write what a case says of its process into every cell of its record."""
    known = [(AT[f"process_{name}"], signals[name]) for name in SIGNALS if name in signals]
    known.append((AT["party_errors"], party_errors))
    for cell in cells:
        for position, value in known:
            cell[position] = value
