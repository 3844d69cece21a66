"""What rows about the same entity say against each other, every source weighted by how often it is right.

Truth discovery after Dong, Berti-Equille and Srivastava (Integrating conflicting data: the role of source dependence,
2009, ACCU without copying): a source of accuracy r votes with log(n r / (1 - r)), the values of a group share their
probability by these votes, and the accuracies follow from the probabilities, some rounds long. Labels vote too: a value
that a person called right or wrong in one row counts for all rows of the entity.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from qc_models.tables.columns import Column, Floats, Ints
from qc_models.tables.dependencies import Dependency
from qc_models.tables.entities import Entity, find_entity

NAMES = ("vote_speaks", "vote_own", "vote_rival", "vote_weight", "vote_source")
_ROUNDS = 5
_FALSE_VALUES = 4.0
_PRIOR_ROWS = 5.0
_LABEL = 30.0
_KNOWN = 100.0
_DRAWN = 20.0
_WEIGHTS = (0.1, 4.0)
_SURE = 0.8


@dataclass(frozen=True)
class Votes:
    """The votes of the groups of one column on the values of another.

    `pair`: for each row its (group, value) pair, -1 where it has no value; `group`: its group, -1 where it has none;
    `owner`: the group of each pair, ascending; `source`: each row's source (all 0: unknown), `voice` its weight among
    those that copy each other.
    """

    pair: Ints
    group: Ints
    owner: Ints
    source: Ints
    voice: Floats

    @cached_property
    def valid(self) -> NDArray[np.bool_]:
        """Return which rows vote."""
        return self.pair >= 0

    def own(self, weight: Floats, bonus: Floats) -> Floats:
        """Return by row the probability of its value by all votes and labels but its own."""
        return self.without_own(self.scores(weight + bonus), weight + bonus)[0]

    def scores(self, vote: Floats) -> Floats:
        """Return the sum of the votes of each pair."""
        return _sums(self.pair[self.valid], vote[self.valid], len(self.owner))

    def settled(self, bonus: Floats) -> Floats:
        """Return how much each row's agreement says about its source: more where a label settled the value."""
        if not len(self.owner):
            return np.zeros(len(self.pair))
        known = self.scores(bonus)
        right = np.bincount(self.owner, weights=known > 0) > 0
        sure = right[self.owner] | (known < 0)
        return np.where(self.valid, np.where(sure[self.pair], _KNOWN, 1.0), 0.0)

    def without_own(self, scores: Floats, vote: Floats) -> tuple[Floats, Floats]:
        """Return by row the probability of its value and of its best rival, its own vote left out."""
        valid = self.valid
        starts = np.searchsorted(self.owner, np.arange(int(self.group.max()) + 1))
        peak = np.maximum(np.maximum.reduceat(scores, starts), 0.0)
        mass = np.exp(scores - peak[self.owner])
        total = np.add.reduceat(mass, starts) + np.exp(-peak)
        best = np.maximum.reduceat(mass, starts)
        is_best = mass == best[self.owner]
        first = np.minimum.reduceat(np.where(is_best, np.arange(len(mass)), len(mass)), starts)
        rest = mass.copy()
        rest[first] = 0.0
        second = np.maximum.reduceat(rest, starts)
        group, pair = np.maximum(self.group, 0), np.maximum(self.pair, 0)
        with_own = np.where(valid, mass[pair], 0.0)
        without = np.where(valid, np.exp(np.minimum(scores[pair] - vote - peak[group], 50.0)), 0.0)
        whole = total[group] - with_own + without
        rival = np.where(valid & (first[group] == pair), second[group], best[group])
        return without / whole, rival / whole


def hear(all_votes: Sequence[Votes], labels: Sequence[Mapping[int, bool]]) -> list[Floats]:
    """Return for each of some votes that share their sources one row of `NAMES` for each row of the table.

    `labels` say for each of the votes of which rows a person found the value wrong (True) or right (False). A row's own
    vote and its own label do not vote on it; the label still counts in its source's accuracy, which is
    estimated over all votes first; each vote's own estimate starts there and is drawn to it.
    """
    bonuses = [_bonus(votes, given) for votes, given in zip(all_votes, labels, strict=True)]
    worths = [votes.settled(bonus) for votes, bonus in zip(all_votes, bonuses, strict=True)]
    sources = max((int(votes.source.max(initial=0)) + 1 for votes in all_votes), default=1)
    weights = [votes.voice.copy() for votes in all_votes]
    accuracy: list[Floats] = [np.full(sources, 0.5)] * len(all_votes)
    for turn in range(2 * _ROUNDS):
        tallies = [
            _tally(votes, weight, bonus, worth, sources)
            for votes, weight, bonus, worth in zip(all_votes, weights, bonuses, worths, strict=True)
        ]
        right, rows = np.sum([tally[0] for tally in tallies], axis=0), np.sum([tally[1] for tally in tallies], axis=0)
        mean = float(right.sum() / max(rows.sum(), 1.0))
        pooled = (right + _PRIOR_ROWS * mean) / (rows + _PRIOR_ROWS)
        for at, (own_right, own_rows) in enumerate(tallies):
            accuracy[at] = pooled if turn < _ROUNDS else (own_right + _DRAWN * pooled) / (own_rows + _DRAWN)
            chance = np.clip(accuracy[at], 0.01, 0.99)
            worth = np.clip(np.log(_FALSE_VALUES * chance / (1 - chance)), *_WEIGHTS)
            weights[at] = worth[all_votes[at].source] * all_votes[at].voice
    return [
        _features(votes, weight, bonus, one[votes.source])
        for votes, weight, bonus, one in zip(all_votes, weights, bonuses, accuracy, strict=True)
    ]


def _bonus(votes: Votes, labels: Mapping[int, bool]) -> Floats:
    bonus = np.zeros(len(votes.pair))
    for row, wrong in labels.items():
        bonus[row] = -_LABEL if wrong else _LABEL
    return bonus


def _tally(votes: Votes, weight: Floats, bonus: Floats, worth: Floats, sources: int) -> tuple[Floats, Floats]:
    """Return by source how much of what it said is right, and how much it said."""
    if not len(votes.owner):
        return np.zeros(sources), np.zeros(sources)
    own = votes.own(weight, bonus)
    return _sums(votes.source, own * worth, sources), _sums(votes.source, worth, sources)


def _sums(code: Ints, weights: Floats, size: int) -> Floats:
    return np.asarray(np.bincount(code, weights=weights, minlength=size), dtype=float)


def _features(votes: Votes, weight: Floats, bonus: Floats, accuracy: Floats) -> Floats:
    result = np.zeros((len(votes.pair), len(NAMES)))
    if not len(votes.owner):
        return result
    told = votes.group >= 0
    own, rival = votes.without_own(votes.scores(weight + bonus), weight + bonus)
    spoken = np.where(votes.valid, weight, 0.0)
    mass = np.bincount(votes.owner[votes.pair[votes.valid]], weights=weight[votes.valid])
    others = np.where(told, mass[votes.group], 0.0) - spoken
    result[:, 0] = told & (others > _WEIGHTS[0] / 2)
    result[:, 1] = np.where(told, own, 0.0)
    result[:, 2] = np.where(told, rival, 0.0)
    result[:, 3] = np.log1p(np.maximum(others, 0.0))
    result[:, 4] = accuracy
    return result


def votes_of(columns: Sequence[Column], dependency: Dependency, entity: Entity | None = None) -> Votes:
    """Return the votes of a dependency's groups; with the table's entity and its sources the sources are weighted."""
    left, right = columns[dependency.source], columns[dependency.target]
    there = ~left.missing[left.codes]
    valid = there & ~right.missing[right.codes]
    wide = len(right.distinct) + 1
    keys, position = np.unique(left.codes[valid] * wide + right.codes[valid], return_inverse=True)
    spoken, owner = np.unique(keys // wide, return_inverse=True)
    place = np.full(len(left.distinct), -1)
    place[spoken] = np.arange(len(spoken))
    pair = np.full(left.size, -1)
    pair[valid] = position
    group = np.where(there, place[left.codes], -1)
    if entity is None or entity.entity != dependency.source:
        return Votes(pair, group, owner, np.zeros(left.size, dtype=np.int64), np.ones(left.size))
    return Votes(pair, group, owner, columns[entity.source].codes, entity.voice)


@dataclass(frozen=True)
class Chamber:
    """All votes of a table: one group for what the sources of its entity say, one for each other dependency."""

    rows: int
    columns: int
    benches: tuple[tuple[tuple[int, ...], tuple[Votes, ...], bool], ...]
    """Targets, their votes, whether labels are heard: not by a dependency that may not hold."""

    def matrix(self, labels: Mapping[int, Collection[int]]) -> NDArray[np.float32]:
        """Return `NAMES` for every cell, given the wrong columns of labelled rows: rows x columns x names."""
        result = np.zeros((self.rows, self.columns, len(NAMES)), dtype=np.float32)
        for targets, votes, heard in self.benches:
            given = [{row: target in wrong for row, wrong in labels.items()} if heard else {} for target in targets]
            for target, said in zip(targets, hear(votes, given), strict=True):
                result[:, target] = said
        return result


def chamber_of(columns: Sequence[Column], dependencies: Sequence[Dependency]) -> Chamber:
    """Return the votes of a table: by its entity where it has sources, else by each column's strongest dependency."""
    entity = find_entity(columns, dependencies)
    about = [one for one in dependencies if entity and one.source == entity.entity and one.target != entity.source]
    benches = []
    if about:
        benches.append(
            (tuple(one.target for one in about), tuple(votes_of(columns, one, entity) for one in about), True)
        )
    done = {one.target for one in about}
    for one in dependencies:
        if one.target not in done:
            done.add(one.target)
            benches.append(((one.target,), (votes_of(columns, one),), one.lift >= _SURE))
    return Chamber(columns[0].size if columns else 0, len(columns), tuple(benches))
