"""Everything that is weighed, in one table: pairs and groups alike are candidates over lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bots.reconciliation.kinds import KINDS, STRENGTHS
from bots.reconciliation.matched import BOOK
from bots.reconciliation.matching import completed, evidence
from bots.reconciliation.matching.candidates import Candidates
from bots.reconciliation.matching.coding import SPREAD, Hashes, Ints
from bots.reconciliation.matching.evidence import Floats, Weighed
from bots.reconciliation.matching.pairing import Pairs
from bots.reconciliation.matching.solver import Graph
from bots.reconciliation.rules import KINDS as OF_RULES
from bots.reconciliation.rules import SEVERAL

RULES: Final = frozenset((*OF_RULES.values(), SEVERAL))
"""Kinds of what accepted rules tie."""
KEPT: Final = 3
"""Candidates that are kept for each line whatever they are worth, best first."""


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
    wants: Ints
    """Of each line: how many candidates want it, those included that were worth too little to be kept."""
    bank: int

    @property
    def lines(self) -> int:
        """Lines of both sides."""
        return len(self.wants)

    def by_rule(self) -> NDArray[np.bool_]:
        """Say which candidates an accepted rule ties; their days are the rule's."""
        return np.isin(self.base, [list(KINDS).index(f"{kind}_{next(iter(STRENGTHS))}") for kind in sorted(RULES)])

    def graph(self) -> Graph:
        """Return what the solver needs."""
        return Graph(self.score, self.alike, self.order, self.candidate, self.line, self.bank, self.lines)


Look = Callable[[Ints], Hashes]
"""Given lines of a side, what can be seen of them, hashed."""


def of_pairs(weighed: Weighed, look: tuple[Look, Look], lines: tuple[int, int]) -> Pool:
    """Return the pool of weighed pairs: those worth something, and the best of each line in any case."""
    first = lines[0]
    wants = np.r_[np.bincount(weighed.pairs.bank, minlength=first), np.bincount(weighed.pairs.book, minlength=lines[1])]
    weighed = weighed.where((weighed.score > 0) | best_of_lines(weighed))
    pairs = weighed.pairs
    alike, order = _looks(pairs, look)
    return Pool(
        evidence.base(weighed),
        weighed.difference,
        weighed.days,
        weighed.score,
        np.zeros(len(pairs), np.int64),
        alike,
        order,
        np.repeat(np.arange(len(pairs)), 2),
        np.stack([pairs.bank, pairs.book + first], axis=1).ravel(),
        wants,
        first,
    )


def best_of_lines(weighed: Weighed) -> NDArray[np.bool_]:
    """Say which pairs are among the best KEPT of one of their lines."""
    kept = np.zeros(len(weighed.score), bool)
    for line in (weighed.pairs.bank, weighed.pairs.book):
        kept[top(line, weighed.score)] = True
    return kept


def top(line: Ints, score: Floats) -> Ints:
    """Return the positions of the best KEPT of each line."""
    crowded = np.bincount(line, minlength=1)[line] > KEPT
    some = np.flatnonzero(crowded)
    by = some[np.lexsort((-score[some], line[some]))]
    start = np.r_[True, np.diff(line[by]) != 0] if len(by) else np.zeros(0, bool)
    place = np.arange(len(by))
    best = by[place - np.maximum.accumulate(np.where(start, place, 0)) < KEPT]
    return np.concatenate((np.flatnonzero(~crowded), best))


def _looks(pairs: Pairs, look: tuple[Look, Look]) -> tuple[Ints, Ints]:
    """Number the pairs by what can be seen of their lines, and order those of one number: the k-th with the k-th."""
    ranks, seen = [], []
    for hashed, line in zip(look, (pairs.bank, pairs.book), strict=True):
        distinct, where = np.unique(line, return_inverse=True)
        looks = hashed(distinct)
        column = pd.Series(looks)
        ranks.append(column.groupby(column, sort=False).cumcount().to_numpy()[where])
        seen.append(looks[where])
    apart = np.abs(ranks[0] - ranks[1])
    alike = pd.factorize(seen[0] * SPREAD + seen[1])[0]
    return np.asarray(alike, np.int64), apart * (ranks[0].max(initial=0) + 1) + ranks[0]


def with_groups(pool: Pool, found: Candidates) -> Pool:
    """Return the pool with candidates of many lines; a pair that is in the pool already is not taken twice.

    Unless it is a pair that a rule ties better: then the pair of the pool is worth nothing.
    """
    line = found.members["line"].to_numpy() + np.where(found.members["side"].to_numpy() == BOOK, pool.bank, 0)
    candidate = found.members["candidate"].to_numpy()
    new = ~_known(pool, candidate, line, len(found.rows))
    better, twin = _ruled(pool, found, candidate, line)
    new[better] = True
    beaten = pool.score.copy()
    unequal = np.flatnonzero(pool.difference != 0)
    pairs = pool.line.reshape(-1, 2)[unequal]
    beaten[unequal] -= completed.against((pairs[:, 0], pairs[:, 1]), pool.lines, found, line)
    beaten[twin] = np.minimum(beaten[twin], 0)
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
        np.r_[beaten, rows["score"].to_numpy()],
        np.r_[pool.alternatives, rows["alternatives"].to_numpy()],
        np.r_[pool.alike, np.arange(count) + (pool.alike.max(initial=-1) + 1)],
        np.r_[pool.order, np.zeros(count, np.int64)],
        np.r_[pool.candidate, place[candidate[kept]][order]],
        np.r_[pool.line, line[kept][order]],
        pool.wants + np.bincount(line[kept], minlength=pool.lines),
        pool.bank,
    )


def _known(pool: Pool, candidate: Ints, line: Ints, count: int) -> NDArray[np.bool_]:
    """Say which candidates are pairs that the pool has."""
    known = np.bincount(candidate, minlength=count) == 2  # noqa: PLR2004 (a pair)
    member = np.flatnonzero(known[candidate])
    member = member[np.lexsort((line[member], candidate[member]))]
    low, high = line[member][::2], line[member][1::2]
    pairs = pd.Series(pool.line[::2] * pool.lines + pool.line[1::2])
    known[known] = pd.Series(low * pool.lines + high).isin(pairs).to_numpy()
    return np.asarray(known)


def _ruled(pool: Pool, found: Candidates, candidate: Ints, line: Ints) -> tuple[Ints, Ints]:
    """Return the candidates of accepted rules that are better than the pair of the pool with the same lines, and that.

    Rules tie pairs, and few: the work follows their number.
    """
    kinds = found.rows["kind"]
    ours = np.flatnonzero(kinds.isin(RULES).to_numpy())
    if not len(ours) or not len(pool.score):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    member = np.flatnonzero(np.isin(candidate, ours))
    member = member[np.lexsort((line[member], candidate[member]))]
    wanted = line[member][::2] * pool.lines + line[member][1::2]
    pairs = pool.line[::2] * pool.lines + pool.line[1::2]
    place = np.flatnonzero(np.isin(pairs, wanted))
    by = place[np.argsort(pairs[place], kind="stable")]
    if not len(by):
        return by, by
    twin = by[np.minimum(np.searchsorted(pairs[by], wanted), len(by) - 1)]
    better = (pairs[twin] == wanted) & (found.rows["score"].to_numpy()[ours] > pool.score[twin])
    return ours[better], twin[better]
