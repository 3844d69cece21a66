"""From what was taken to the tables of a solution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bots.reconciliation.kinds import KINDS, ODDS
from bots.reconciliation.matched import BANK, BOOK, MATCH, Matched
from bots.reconciliation.matching.coding import Bools, Ints
from bots.reconciliation.matching.pool import Pool, top
from bots.reconciliation.matching.solver import Solution

Floats = NDArray[np.float64]

KIND: Final = {kind: number for number, kind in enumerate(KINDS)}


@dataclass(frozen=True)
class Taken:
    """Pairs that were taken before anything was weighed."""

    kind: str
    bank: Ints
    book: Ints
    days: Ints
    difference: Ints
    score: Floats


def outcome(sure: Sequence[Taken], pool: Pool, solution: Solution, closing: frozenset[str]) -> Matched:
    """Put all together; `closing` are the kinds that close on their own."""
    won, lost = np.flatnonzero(solution.taken), _kept(pool, ~solution.taken)
    runner_up = _runner_up(pool, won, lost)
    weighed = _weighed(pool, np.r_[won, lost], solution.margin)
    chosen = {name: column[: len(won)] for name, column in weighed.items()} | {"runner_up": runner_up}
    behind = {name: column[len(won) :] for name, column in weighed.items()}
    before = _sure(sure)
    matches = {name: np.concatenate([before[name], chosen[name]]) for name in MATCH if name != "closed"}
    beaten = behind | {"runner_up": np.full(len(lost), -1)}
    count = len(before["kind"])
    pairs = _members(
        np.repeat(np.arange(count), 2),
        np.stack(
            [np.concatenate([one.bank for one in sure]), np.concatenate([one.book for one in sure]) + pool.bank], 1
        ).ravel(),
        pool.bank,
    )
    members = pd.concat([pairs, _of(pool, won, count)], ignore_index=True)
    return Matched(_table(matches, closing), members, _table(beaten, frozenset()), _of(pool, lost, 0))


def _sure(sure: Sequence[Taken]) -> dict[str, NDArray[Any]]:
    """Return the columns of what was taken before anything was weighed: nothing rivals it."""
    sizes = [len(one.bank) for one in sure]
    total = sum(sizes)
    return {
        "kind": np.repeat([KIND[one.kind] for one in sure], sizes).astype(np.int64),
        "difference": np.concatenate([one.difference for one in sure]),
        "days": np.concatenate([one.days for one in sure]),
        "score": np.concatenate([one.score for one in sure]),
        "margin": np.full(total, np.inf),
        "rivals": np.zeros(total, np.int64),
        "alternatives": np.zeros(total, np.int64),
        "runner_up": np.full(total, -1),
    }


def _weighed(pool: Pool, chosen: Ints, margin: Floats) -> dict[str, NDArray[Any]]:
    """Return the columns of candidates of the pool."""
    rivals = np.bincount(pool.candidate, weights=pool.wants[pool.line] - 1, minlength=len(pool.score))
    strength = np.minimum(pool.score, margin)[chosen]
    weaker = len(ODDS) - np.searchsorted(np.sort(np.log(ODDS)), strength, "right")
    base = pool.base[chosen]
    return {
        "kind": base + weaker,
        "difference": pool.difference[chosen],
        "days": pool.days[chosen],
        "score": pool.score[chosen],
        "margin": margin[chosen],
        "rivals": rivals[chosen].astype(np.int64),
        "alternatives": pool.alternatives[chosen],
    }


def _table(columns: dict[str, NDArray[Any]], closing: frozenset[str]) -> pd.DataFrame:
    """Return columns as MATCH has them."""
    kind = columns["kind"]
    closed = np.isin(list(KINDS), list(closing))[kind] if len(kind) else np.zeros(0, bool)
    made = {
        name: pd.Categorical.from_codes(kind, categories=pd.Index(list(KINDS)))
        if name == "kind"
        else (closed if name == "closed" else columns[name]).astype(dtype)
        for name, dtype in MATCH.items()
    }
    return pd.DataFrame(made)


def _members(match: Ints, line: Ints, bank: int) -> pd.DataFrame:
    """Return members from line numbers of both sides."""
    of_book = line >= bank
    side = np.where(of_book, BOOK, BANK).astype(np.int8)
    return pd.DataFrame({"match": match, "side": side, "line": np.where(of_book, line - bank, line)})


def _of(pool: Pool, chosen: Ints, first: int) -> pd.DataFrame:
    """Return the members of candidates of the pool, numbered in the order in which they are chosen."""
    place = np.full(len(pool.score), -1)
    place[chosen] = np.arange(len(chosen)) + first
    member = np.flatnonzero(place[pool.candidate] >= 0)
    order = np.lexsort((pool.line[member], place[pool.candidate[member]]))
    return _members(place[pool.candidate[member]][order], pool.line[member][order], pool.bank)


def _kept(pool: Pool, lost: Bools) -> Ints:
    """Return the candidates that lost and are among the best KEPT of one of their lines."""
    member = np.flatnonzero(lost[pool.candidate])
    candidate = pool.candidate[member]
    return np.unique(candidate[top(pool.line[member], pool.score[candidate])])


def _runner_up(pool: Pool, won: Ints, lost: Ints) -> Ints:
    """Return for each match the number, in `lost`, of the best candidate that wanted one of its lines; -1 for none."""
    order = np.lexsort((lost, -pool.score[lost]))
    rank = np.full(len(pool.score), len(lost))
    rank[lost[order]] = np.arange(len(lost))
    best = np.full(pool.lines, len(lost))
    np.minimum.at(best, pool.line, rank[pool.candidate])
    of_match = np.full(len(pool.score), len(lost))
    np.minimum.at(of_match, pool.candidate, best[pool.line])
    return np.asarray(np.append(order, -1)[of_match[won]])
