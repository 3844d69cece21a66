"""Match two sides: strong evidence in bulk first, then everything that is left against everything that rivals it."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Final

import duckdb
import numpy as np
import pandas as pd

from bots.reconciliation.matched import Matched
from bots.reconciliation.matching import evidence, names, pairing, rarity, solver
from bots.reconciliation.matching.coding import SPREAD, Bools, Coded, Ints, code, looks
from bots.reconciliation.matching.groups import group_candidates
from bots.reconciliation.matching.outcome import Taken, outcome
from bots.reconciliation.matching.pairing import Pairs
from bots.reconciliation.matching.pool import Pool, of_pairs, with_groups
from bots.reconciliation.matching.remittance import with_references
from bots.reconciliation.policy import Policy

CERTAIN: Final = math.log(1000)
"""Score and margin from which a pair is taken before groups are looked for: odds of a thousand to one."""


def match(bank: pd.DataFrame, book: pd.DataFrame, policy: Policy, closing: frozenset[str]) -> Matched:
    """Match the lines of the bank with those of the books.

    Candidates are pairs that share a reference or an amount within the window of days. Each is weighed against what
    would fit by chance (Fellegi and Sunter 1969, `rarity.py`), and the best set of which no two want the same line is
    taken (`solver.py`). Pairs whose reference and amount no other line has are taken before that, in bulk.

    Args:
        bank: Lines of the bank, columns of SIDE, index 0 to n - 1.
        book: Lines of the books, the same.
        policy: What counts as possible.
        closing: Kinds of evidence (`kinds.KINDS`) that close a match on their own; the others make suggestions.

    Returns:
        The same for the same input, to the byte.
    """
    with duckdb.connect() as connection:
        connection.register("bank", bank)
        connection.register("book", book)
        run = _Run(connection, (bank, book), policy)
        run.sure()
        run.numbered()
        pool, solution = run.pooled()
        run.allow(pool, solution)
    return outcome(run.taken, pool, solution, closing)


def match_as_read(bank: pd.DataFrame, book: pd.DataFrame, policy: Policy, closing: frozenset[str]) -> Matched:
    """Match lines as files give them: each goes by the reference that the other side knows (`remittance.py`)."""
    return match(*with_references(bank, book), policy, closing)


class _Run:
    """One matching: what is still open, and what is taken."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, frames: tuple[pd.DataFrame, pd.DataFrame], policy: Policy
    ) -> None:
        self.connection, self.frames, self.asked, self.policy = connection, frames, policy, policy.watched()
        self.bank, self.book, spelled = code(connection, frames, policy.calendar)
        self.names = names.Names.of(spelled)
        self.still = (np.ones(len(frames[0]), bool), np.ones(len(frames[1]), bool))
        self.taken: list[Taken] = []
        self.rest: Pairs
        self.world: evidence.World

    def _take(self, kind: str, pairs: Pairs) -> None:
        self.still[0][pairs.bank] = False
        self.still[1][pairs.book] = False
        days = self.bank.day[pairs.bank] - self.book.day[pairs.book]
        inside = (days >= self.asked.earliest) & (days <= self.asked.latest)
        pairs, days = pairs.where(inside), days[inside]
        difference = self.bank.amount[pairs.bank] - self.book.amount[pairs.book]
        score = evidence.by_reference(days, self.world)
        self.taken.append(Taken(kind, pairs.bank, pairs.book, days, difference, score))

    def sure(self) -> None:
        """Take the pairs of one reference and amount: the only ones, then the first of several."""
        found = pairing.exact(self.connection, self.bank, self.book)
        name = self._graded(found)
        days = self.bank.day[found.bank] - self.book.day[found.book]
        inside = (days >= self.policy.earliest) & (days <= self.policy.latest)
        fitting = inside & (name != names.OTHER)
        only = self._only(found)
        usual = rarity.usual_days(days[only & fitting], self.policy.earliest, self.policy.latest)
        self.world = evidence.World(self.bank, self.book, self.names, self.policy, np.sort(self.book.amount), usual)
        self._take("reference", found.where(only & fitting))
        several = found.where(~only & fitting)
        nth, repeated = _nth_with_nth(several, self.bank, self.book)
        self._take("reference_first", several.where(nth & ~repeated))
        self._take("reference_nth", several.where(nth & repeated))
        self.rest = self._open(found.where(inside & ~fitting))

    def numbered(self) -> None:
        """Take the pairs of one amount whose references are the same once spelling is set aside."""
        pairing.open_lines(self.connection, self.frames, (self.bank, self.book), self.still)
        found = pairing.by_number(self.connection, self.policy)
        same = (found.reference != pairing.SLIPPED) & (self.bank.amount[found.bank] == self.book.amount[found.book])
        clear = self._only(found) & same & (self._graded(found) != names.OTHER)
        self._take("normalised", found.where(clear))
        self.rest = self._open(pairing.joined(self.rest, found.where(~clear)))

    def pooled(self) -> tuple[Pool, solver.Solution]:
        """Weigh pairs and take the certain ones; then all of the rest and groups together."""
        pairs = pairing.joined(self.rest, pairing.by_amount(self.connection, self.policy, self.still))
        sides = zip(self.frames, (self.bank, self.book), strict=True)
        look = tuple(partial(looks, self.connection, frame, coded) for frame, coded in sides)
        lines = (len(self.frames[0]), len(self.frames[1]))
        pool = of_pairs(evidence.weigh(pairs, self.world, self.still[1]), (look[0], look[1]), lines)
        graph = pool.graph()
        solution = solver.Solution.of(graph)
        solver.take_clear(graph, solution, CERTAIN, self._whole(pool))
        pairing.forget(self.connection)
        used = np.zeros(pool.lines, bool)
        used[pool.line[solution.taken[pool.candidate]]] = True
        free = np.flatnonzero(~used & np.concatenate(self.still))
        groups = group_candidates(
            *self.frames, free[free < pool.bank], free[free >= pool.bank] - pool.bank, self.policy
        )
        pairs_only, pool = len(pool.score), with_groups(pool, groups)
        solution = solution.grown(pool.graph())
        solver.take_clear(pool.graph(), solution, CERTAIN)
        pool = self._relieved(pool, pairs_only, solution)
        graph = pool.graph()
        solution.again(graph)
        solver.take_clear(graph, solution, solver.CLEAR)
        solver.take_rest(graph, solution)
        return pool, solution

    def allow(self, pool: Pool, solution: solver.Solution) -> None:
        """Take back what is outside the window that was asked for: its lines are each other's, and stay open."""
        if self.asked == self.policy:
            return
        member = np.flatnonzero(solution.taken[pool.candidate] & ~pool.by_rule()[pool.candidate])
        owner, line = pool.candidate[member], pool.line[member]
        day = np.r_[self.bank.day, self.book.day][line]
        most = np.iinfo(np.int64).max // 4
        ends = np.full((4, len(pool.score)), most)  # first of the bank, minus the last, the same of the books
        for side, of in enumerate((line < pool.bank, line >= pool.bank)):
            np.minimum.at(ends[2 * side], owner[of], day[of])
            np.minimum.at(ends[2 * side + 1], owner[of], -day[of])
        both = (ends < most).all(axis=0)
        early = ends[0] + ends[3] < self.asked.earliest
        late = -ends[1] - ends[2] > self.asked.latest
        solution.taken &= ~(both & (early | late))

    def _relieved(self, pool: Pool, pairs: int, solution: solver.Solution) -> Pool:
        """Weigh the first candidates, which are pairs, again, against the lines that are left."""
        used = np.zeros(pool.lines, bool)
        used[pool.line[solution.taken[pool.candidate]]] = True
        left = np.concatenate(self.still) & ~used
        lines = pool.line[: 2 * pairs].reshape(-1, 2)
        score = pool.score.copy()
        score[:pairs] = evidence.relieved(
            score[:pairs],
            pool.difference[:pairs],
            (lines[:, 0], lines[:, 1] - pool.bank),
            self.still,
            (left[: pool.bank], left[pool.bank :]),
            self.world,
        )
        score[solution.taken] = pool.score[solution.taken]
        return replace(pool, score=score)

    def _whole(self, pool: Pool) -> Bools:
        """Say which pairs need no further line: of one amount, or a fee apart and no line is missing.

        Something could, if another open line has the reference, or if one has just the amount that is missing.
        """
        pairs = pool.line.reshape(-1, 2)
        bank, book = pairs[:, 0], pairs[:, 1] - pool.bank
        alone = pairing.alone(self.connection, self.still)
        rest = np.flatnonzero(pool.difference != 0)
        missing = []
        for side, still, sign in ((self.bank, self.still[0], -1), (self.book, self.still[1], 1)):
            has = side.pot[still] + side.amount[still].astype(np.uint64) * SPREAD
            amount = (sign * pool.difference[rest]).astype(np.uint64)
            missing.append(pd.Series(self.bank.pot[bank[rest]] + amount * SPREAD).isin(has).to_numpy())
        whole = pool.difference == 0
        whole[rest] = alone[0][bank[rest]] & alone[1][book[rest]] & ~missing[0] & ~missing[1]
        return np.asarray(whole)

    def _graded(self, pairs: Pairs) -> Ints:
        return self.names.graded(self.bank.name[pairs.bank], self.book.name[pairs.book])

    def _open(self, pairs: Pairs) -> Pairs:
        return pairs.where(self.still[0][pairs.bank] & self.still[1][pairs.book])

    def _only(self, pairs: Pairs) -> Bools:
        """Say which pairs are the only ones of both their lines."""
        bank = np.bincount(pairs.bank, minlength=len(self.frames[0]))
        book = np.bincount(pairs.book, minlength=len(self.frames[1]))
        return np.asarray((bank[pairs.bank] == 1) & (book[pairs.book] == 1))


def _nth_with_nth(pairs: Pairs, bank: Coded, book: Coded) -> tuple[Bools, Bools]:
    """Say which pairs are n-th with n-th among the lines of one reference and amount, by day; and which key repeats.

    A line that comes a second time is the copy, so the first one is the one that has a partner.
    """
    place, many = [], []
    for side, line in ((bank, pairs.bank), (book, pairs.book)):
        distinct, where = np.unique(line, return_inverse=True)
        key = side.exact[distinct]
        by = np.lexsort((distinct, side.date[distinct], key))
        start = np.r_[True, key[by][1:] != key[by][:-1]]
        rank = np.empty(len(distinct), np.int64)
        rank[by] = np.arange(len(by)) - np.maximum.accumulate(np.where(start, np.arange(len(by)), 0))
        place.append(rank[where])
        _, inverse, count = np.unique(key, return_inverse=True, return_counts=True)
        many.append(count[inverse][where])
    return place[0] == place[1], (many[0] > 1) & (many[1] > 1)
