"""Everything that is weighed, in one table: pairs and groups alike are candidates over lines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bots.reconciliation.matching import evidence
from bots.reconciliation.matching.coding import Bools, Ints
from bots.reconciliation.matching.evidence import Floats, Weighed
from bots.reconciliation.matching.solver import Graph


@dataclass(frozen=True)
class Pool:
    """Candidates, numbered from 0, and their members; a line of the books has its number plus the bank's lines."""

    base: Ints
    """Number of the kind of evidence; of weighed kinds the first of its strengths, which the margin decides."""
    graded: Bools
    """True where the kind has strengths."""
    difference: Ints
    days: Ints
    score: Floats
    alternatives: Ints
    alike: Ints
    order: Ints
    candidate: Ints
    line: Ints
    bank: int
    lines: int

    def graph(self) -> Graph:
        """Return what the solver needs."""
        return Graph(self.score, self.alike, self.order, self.candidate, self.line, self.bank, self.lines)


def of_pairs(weighed: Weighed, alike: Ints, order: Ints, bank: int, lines: int) -> Pool:
    """Return the pool of weighed pairs."""
    pairs = weighed.pairs
    return Pool(
        evidence.base(weighed),
        np.ones(len(pairs), bool),
        weighed.difference,
        weighed.days,
        weighed.score,
        np.zeros(len(pairs), np.int64),
        alike,
        order,
        np.repeat(np.arange(len(pairs)), 2),
        np.stack([pairs.bank, pairs.book + bank], axis=1).ravel(),
        bank,
        lines,
    )
