"""The best set of candidates of which no two want the same line, and by how much each one is the best.

Candidates are worth their score, lines left alone nothing. A candidate that is worth more than the best rivals of all
its lines together belongs to every best solution: taking it out frees its lines, and what they could take instead is
worth less. Such candidates are taken first, in bulk; what they leave is taken apart into connected components, and each
is solved exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, linear_sum_assignment, milp
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CLEAR: Final = 1.0
"""Margin and score (ln of odds) from which a candidate is taken without looking at its component."""

Solver = Callable[[int], tuple[list[int], float]]
"""Given the set to leave out (-1: none), the best choice and its worth."""

MOST_PROOFS: Final = 40
"""Pairs of one assignment up to which each one's margin is worked out."""
MOST_SEARCHED: Final = 16
"""Sets of one component up to which all choices are gone through."""
MOST_SETS: Final = 60
"""Sets of one component up to which it is solved exactly where it holds more than pairs."""


@dataclass(frozen=True)
class Graph:
    """Candidates over lines; candidates are numbered from 0, lines of both sides together from 0."""

    score: Floats
    """Of each candidate: ln of the odds that its lines belong together."""
    alike: Ints
    """Of each candidate: those of one number differ only in lines that look the same, and are no rivals."""
    order: Ints
    """Of each candidate: which of those of one number comes first."""
    candidate: Ints
    """Of each member: its candidate. Sorted."""
    line: Ints
    """Of each member: its line."""
    bank: int
    """Lines of the bank: numbers under this are the bank's."""
    lines: int


@dataclass
class Solution:
    """What is taken so far."""

    taken: Bools
    """Of each candidate."""
    margin: Floats
    """Of each candidate that is taken: score of the best solution minus that of the best one without it (bounded from
    below where it was clear), infinite where nothing rivals it; of others -inf."""
    live: Bools
    """Of each candidate: neither taken nor beaten, and better than nothing."""
    cap: Floats
    """Of each line: the most that a margin of its candidates can be, since rivals of theirs were beaten by others."""

    @classmethod
    def of(cls, graph: Graph) -> Solution:
        """Return the solution that holds nothing yet."""
        none = np.zeros(len(graph.score), bool)
        return cls(none, np.full(len(none), -np.inf), graph.score > 0, np.full(graph.lines, np.inf))

    def grown(self, graph: Graph) -> Solution:
        """Return the same with further candidates, as far as their lines are free."""
        more = Solution.of(graph)
        count = len(self.taken)
        more.taken[:count], more.margin[:count] = self.taken, self.margin
        more.live[:count] &= self.live
        more.live[count:] &= ~_touching(graph, more.taken)[count:]
        more.cap = self.cap
        return more

    def again(self, graph: Graph) -> None:
        """Let those live again whose lines are free, by the scores that the graph now has."""
        self.live = (graph.score > 0) & ~_touching(graph, self.taken)


def solve(graph: Graph) -> Solution:
    """Take the best candidates."""
    solution = Solution.of(graph)
    take_clear(graph, solution, CLEAR)
    take_rest(graph, solution)
    return solution


def take_clear(graph: Graph, solution: Solution, least: float, only: Bools | None = None) -> None:
    """Take, in turns, the candidates that are better than all rivals of their lines together by at least `least`.

    `only`: those that may be taken; the others still are rivals.
    """
    live = solution.live
    while live.any():
        bound = _capped(_margins(graph, live), graph, solution.cap)
        clear = live & (np.minimum(bound, graph.score) >= least)
        clear &= True if only is None else only
        if not clear.any():
            return
        solution.taken |= clear
        solution.margin[clear] = bound[clear]
        gone = live & _touching(graph, clear)
        _lower(graph, solution.cap, gone & ~clear, clear, bound)
        live &= ~gone


def take_rest(graph: Graph, solution: Solution) -> None:
    """Solve what is left, component by component."""
    if solution.live.any():
        _components(graph, solution.live, solution.taken, solution.margin)
        solution.margin = _capped(solution.margin, graph, solution.cap)
        solution.live[:] = False


def _least(graph: Graph, of_line: Floats) -> Floats:
    """Return the least value of each candidate's lines."""
    least = np.full(len(graph.score), np.inf)
    np.minimum.at(least, graph.candidate, of_line[graph.line])
    return least


def _capped(margin: Floats, graph: Graph, cap: Floats) -> Floats:
    """Return margins no higher than the caps of the lines; what had rivals is worth no more than itself."""
    least = _least(graph, cap)
    return np.where(least < np.inf, np.minimum(np.minimum(margin, graph.score), least), margin)


def _lower(graph: Graph, cap: Floats, beaten: Bools, clear: Bools, bound: Floats) -> None:
    """Cap the margins of what the beaten candidates rival.

    A rival is out of the way only as long as what beat it stays: without a match either its rivals stay beaten, or one
    takes its place and what beat that one is given up, which costs no less than the margin of the latter.
    """
    of_line = np.full(graph.lines, np.inf)
    member = clear[graph.candidate]
    of_line[graph.line[member]] = bound[graph.candidate[member]]
    least = _least(graph, of_line)
    member = beaten[graph.candidate]
    np.minimum.at(cap, graph.line[member], least[graph.candidate[member]])


def _touching(graph: Graph, chosen: Bools) -> Bools:
    """Say which candidates want a line of the chosen ones, themselves included."""
    used = np.zeros(graph.lines, bool)
    used[graph.line[chosen[graph.candidate]]] = True
    touched = np.zeros(len(graph.score), bool)
    touched[graph.candidate[used[graph.line]]] = True
    return touched


def _margins(graph: Graph, live: Bools) -> Floats:
    """Return of each live candidate its score minus the best rivals of its lines; -inf if one of them is better."""
    member = np.flatnonzero(live[graph.candidate])
    candidate, line = graph.candidate[member], graph.line[member]
    score = graph.score[candidate]
    ranked = np.lexsort((candidate, graph.order[candidate], -score, line))
    start = np.flatnonzero(np.r_[True, np.diff(line[ranked]) != 0])
    size = np.diff(np.r_[start, len(ranked)])
    first = np.repeat(ranked[start], size)
    rival = graph.alike[candidate[ranked]] != graph.alike[candidate[first]]
    place = np.where(rival, np.arange(len(ranked)), len(ranked))
    second = np.repeat(np.minimum.reduceat(place, start), size)
    against = np.zeros(len(member))
    beaten = np.append(score[ranked], 0.0)[second]
    against[ranked] = np.where(ranked == first, beaten, np.inf)
    lost = np.bincount(candidate, weights=against, minlength=len(graph.score))
    bound = np.full(len(graph.score), -np.inf)
    bound[live] = np.where(lost[live] == 0, np.inf, graph.score[live] - lost[live])
    return bound


def _components(graph: Graph, live: Bools, taken: Bools, margin: Floats) -> None:
    """Solve each connected component of the live candidates."""
    member = np.flatnonzero(live[graph.candidate])
    candidate, line = graph.candidate[member], graph.line[member]
    wanted, row = np.unique(line, return_inverse=True)
    chosen, column = np.unique(candidate, return_inverse=True)
    links = coo_matrix((np.ones(len(member)), (row, len(wanted) + column)), shape=(len(wanted) + len(chosen),) * 2)
    label = connected_components(links, directed=False)[1][len(wanted) :]
    by = np.argsort(label, kind="stable")
    bounds = np.flatnonzero(np.r_[True, np.diff(label[by]) != 0, True])
    start = np.searchsorted(candidate, chosen)
    end = np.searchsorted(candidate, chosen, "right")
    for low, high in pairwise(bounds):
        part = by[low:high]
        sets = [line[start[one] : end[one]] for one in part]
        numbers = chosen[part]
        solved, gaps = best(graph.score[numbers], sets, graph.bank)
        taken[numbers[solved]] = True
        margin[numbers[solved]] = gaps


def best(score: Floats, sets: list[Ints], bank: int) -> tuple[Ints, Floats]:
    """Choose sets of lines of which no two share one, so that the sum of their scores is the largest.

    Pairs across the sides are an assignment (Crouse 2016, as in scipy); anything else is a set packing, solved as an
    integer program within MOST_SETS, beyond which the best remaining set is taken in turn.

    Returns:
        The positions chosen, and the margin of each: 0 where it was not proven.
    """
    if all(len(one) == 2 and one[0] < bank <= one[1] for one in sets):  # noqa: PLR2004 (a pair)
        left, row = np.unique([one[0] for one in sets], return_inverse=True)
        right, column = np.unique([one[1] for one in sets], return_inverse=True)
        return _assigned(score, (len(left), len(right)), row, column)
    if len(sets) > MOST_SETS:
        return _in_turn(score, sets)
    return _packed(score, sets)


def _assigned(score: Floats, shape: tuple[int, int], row: Ints, column: Ints) -> tuple[Ints, Floats]:
    """Solve an assignment, and again without each of its pairs."""
    worth = np.zeros(shape)
    worth[row, column] = score
    number = np.full(shape, -1)
    number[row, column] = np.arange(len(score))
    rows, columns = linear_sum_assignment(worth, maximize=True)
    real = worth[rows, columns] > 0
    total = worth[rows, columns].sum()
    rows, columns = rows[real], columns[real]
    gaps = np.zeros(len(rows))
    if len(rows) <= MOST_PROOFS:
        for place, (one, other) in enumerate(zip(rows, columns, strict=True)):
            kept, worth[one, other] = worth[one, other], 0.0
            again = linear_sum_assignment(worth, maximize=True)
            gaps[place] = total - worth[again].sum()
            worth[one, other] = kept
    return np.asarray(number[rows, columns], np.int64), gaps


def _packed(score: Floats, sets: list[Ints]) -> tuple[Ints, Floats]:
    """Solve a set packing, and again without each of its sets."""
    solved = _searched(score, sets) if len(sets) <= MOST_SEARCHED else _programmed(score, sets)
    chosen, total = solved(-1)
    gaps = [total - solved(one)[1] for one in chosen]
    return np.asarray(chosen, np.int64), np.asarray(gaps, np.float64)


def _searched(score: Floats, sets: list[Ints]) -> Solver:
    """Return the search through all choices, better sets first, given up where what is left cannot be enough."""
    order = np.lexsort((np.arange(len(score)), -score)).tolist()
    place = {line: bit for bit, line in enumerate(np.unique(np.concatenate(sets)).tolist())}
    masks = [sum(1 << place[line] for line in sets[one].tolist()) for one in order]
    worth = score[order].tolist()

    def solved(without: int) -> tuple[list[int], float]:
        most, choice = 0.0, 0

        def go(at: int, used: int, total: float, chosen: int, left: float) -> None:
            nonlocal most, choice
            if total > most:
                most, choice = total, chosen
            for number in range(at, len(order)):
                if total + left <= most:
                    return
                left -= worth[number]
                if not used & masks[number] and order[number] != without:
                    go(number + 1, used | masks[number], total + worth[number], chosen | 1 << number, left)

        go(0, 0, 0.0, 0, sum(worth))
        return sorted(order[number] for number in range(len(order)) if choice >> number & 1), most

    return solved


def _programmed(score: Floats, sets: list[Ints]) -> Solver:
    """Return the same as an integer program."""
    used, row = np.unique(np.concatenate(sets), return_inverse=True)
    column = np.repeat(np.arange(len(sets)), [len(one) for one in sets])
    once = coo_matrix((np.ones(len(row)), (row, column)), shape=(len(used), len(sets))).tocsr()

    def solved(without: int) -> tuple[list[int], float]:
        most = (np.arange(len(sets)) != without).astype(float)
        result = milp(-score, constraints=LinearConstraint(once, ub=1), integrality=1, bounds=Bounds(0, most))
        chosen = np.flatnonzero(np.asarray(result.x) > 0.5)  # noqa: PLR2004 (the solver's 0 and 1 are floats)
        return chosen.tolist(), float(score[chosen].sum())

    return solved


def _in_turn(score: Floats, sets: list[Ints]) -> tuple[Ints, Floats]:
    """Take the best set that still fits, again and again; nothing is proven of these."""
    used: set[int] = set()
    chosen = []
    for one in np.lexsort((np.arange(len(score)), -score)):
        if used.isdisjoint(sets[one].tolist()):
            used.update(sets[one].tolist())
            chosen.append(int(one))
    return np.asarray(chosen, np.int64), np.zeros(len(chosen))
