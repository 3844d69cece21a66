"""Everything that is weighed, in one table: pairs and groups alike are candidates over lines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bots.reconciliation.kinds import KINDS, STRENGTHS
from bots.reconciliation.matched import BOOK
from bots.reconciliation.matching import evidence
from bots.reconciliation.matching.candidates import Candidates
from bots.reconciliation.matching.coding import Ints
from bots.reconciliation.matching.evidence import Floats, Weighed
from bots.reconciliation.matching.solver import Graph


@dataclass(frozen=True)
class Pool:
    """Candidates, numbered from 0, and their members; a line of the books has its number plus the bank's lines."""

    base: Ints
    """Number of the kind of evidence in KINDS at its full strength; the margin decides how strong it is."""
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


def with_groups(pool: Pool, found: Candidates) -> Pool:
    """Return the pool with candidates of many lines; a pair that is in the pool already is not taken twice."""
    line = found.members["line"].to_numpy() + np.where(found.members["side"].to_numpy() == BOOK, pool.bank, 0)
    candidate = found.members["candidate"].to_numpy()
    new = ~_known(pool, candidate, line, len(found.rows))
    place = np.cumsum(new) - 1 + len(pool.score)
    kept = new[candidate]
    order = np.argsort(candidate[kept], kind="stable")
    rows = found.rows[new]
    number = [list(KINDS).index(f"{kind}_{next(iter(STRENGTHS))}") for kind in rows["kind"].cat.categories]
    count = len(rows)
    return Pool(
        np.r_[pool.base, np.asarray(number, np.int64)[rows["kind"].cat.codes.to_numpy()]],
        np.r_[pool.difference, rows["difference"].to_numpy()],
        np.r_[pool.days, rows["days"].to_numpy()],
        np.r_[pool.score, rows["score"].to_numpy()],
        np.r_[pool.alternatives, rows["alternatives"].to_numpy()],
        np.r_[pool.alike, np.arange(count) + (pool.alike.max(initial=-1) + 1)],
        np.r_[pool.order, np.zeros(count, np.int64)],
        np.r_[pool.candidate, place[candidate[kept]][order]],
        np.r_[pool.line, line[kept][order]],
        pool.bank,
        pool.lines,
    )


def _known(pool: Pool, candidate: Ints, line: Ints, count: int) -> NDArray[np.bool_]:
    """Say which candidates are pairs that the pool has."""
    size = np.bincount(candidate, minlength=count)
    low, high = np.full(count, pool.lines), np.full(count, -1)
    np.minimum.at(low, candidate, line)
    np.maximum.at(high, candidate, line)
    return np.asarray((size == 2) & np.isin(low * pool.lines + high, pool.line[::2] * pool.lines + pool.line[1::2]))  # noqa: PLR2004
