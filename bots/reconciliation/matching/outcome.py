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
from bots.reconciliation.matching.view import in_order, once

Floats = NDArray[np.float64]

Members = tuple[Ints, NDArray[np.int8], Ints]
"""Columns match, side, line."""
KIND: Final = {kind: number for number, kind in enumerate(KINDS)}
KIND_TYPE: Final = pd.CategoricalDtype(pd.Index(list(KINDS)))


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
    weighed = _weighed(pool, np.r_[won, lost], solution.margin)
    chosen = {name: column[: len(won)] for name, column in weighed.items()}
    chosen["runner_up"] = _runner_up(pool, won, lost)
    behind = {name: column[len(won) :] for name, column in weighed.items()}
    behind["runner_up"] = np.full(len(lost), -1)
    members = _joined([_of_pairs(sure), _of(pool, won, sum(len(one.bank) for one in sure))])
    matches = _table([*map(_sure, sure), chosen], closing)
    return Matched(matches, members, _table([behind], frozenset()), _joined([_of(pool, lost, 0)]))


def _sure(one: Taken) -> dict[str, Any]:
    """Return the columns of what was taken before anything was weighed: nothing rivals it."""
    return {
        "kind": KIND[one.kind],
        "difference": one.difference,
        "days": one.days,
        "score": one.score,
        "margin": np.inf,
        "rivals": 0,
        "alternatives": 0,
        "runner_up": -1,
    }


def _weighed(pool: Pool, chosen: Ints, margin: Floats) -> dict[str, NDArray[Any]]:
    """Return the columns of candidates of the pool."""
    rivals = np.bincount(pool.candidate, weights=pool.wants[pool.line] - 1, minlength=len(pool.score))
    strength = np.minimum(pool.score, margin)[chosen]
    weaker = len(ODDS) - np.searchsorted(np.sort(np.log(ODDS)), strength, "right")
    return {
        "kind": pool.base[chosen] + weaker,
        "difference": pool.difference[chosen],
        "days": pool.days[chosen],
        "score": pool.score[chosen],
        "margin": margin[chosen],
        "rivals": rivals[chosen],
        "alternatives": pool.alternatives[chosen],
    }


def _table(parts: list[dict[str, Any]], closing: frozenset[str]) -> pd.DataFrame:
    """Return parts, one after the other, as MATCH has their columns; a column may be one value for its whole part."""
    sizes = [len(part["score"]) for part in parts]
    closes = np.isin(list(KINDS), list(closing))
    made: dict[str, Any] = {}
    for name, kind in MATCH.items():
        column = np.empty(sum(sizes), np.int16 if name == "kind" else kind)
        start = 0
        for part, size in zip(parts, sizes, strict=True):
            column[start : start + size] = closes[part["kind"]] if name == "closed" else part[name]
            start += size
        made[name] = column
    made["kind"] = pd.Categorical.from_codes(made["kind"], dtype=KIND_TYPE)
    return pd.DataFrame(made, copy=False)


def _of_pairs(sure: Sequence[Taken]) -> Members:
    """Return the members of pairs: (match, side, line)."""
    line = np.empty((sum(len(one.bank) for one in sure), 2), np.int64)
    line[:, 0] = np.concatenate([one.bank for one in sure])
    line[:, 1] = np.concatenate([one.book for one in sure])
    return np.repeat(np.arange(len(line)), 2), np.tile(np.array([BANK, BOOK], np.int8), len(line)), line.ravel()


def _joined(parts: list[Members]) -> pd.DataFrame:
    columns = (np.concatenate(column) for column in zip(*parts, strict=True))
    return pd.DataFrame(dict(zip(("match", "side", "line"), columns, strict=True)), copy=False)


def _of(pool: Pool, chosen: Ints, first: int) -> Members:
    """Return the members of candidates of the pool, numbered in the order in which they are chosen."""
    place = np.full(len(pool.score), -1)
    place[chosen] = np.arange(len(chosen)) + first
    member = np.flatnonzero(place[pool.candidate] >= 0)
    order = in_order(place[pool.candidate[member]], pool.line[member])
    line = pool.line[member][order]
    of_book = line >= pool.bank
    return (
        place[pool.candidate[member]][order],
        np.where(of_book, BOOK, BANK).astype(np.int8),
        np.where(of_book, line - pool.bank, line),
    )


def _kept(pool: Pool, lost: Bools) -> Ints:
    """Return the candidates that lost and are among the best KEPT of one of their lines."""
    member = np.flatnonzero(lost[pool.candidate])
    candidate = pool.candidate[member]
    return once(candidate[top(pool.line[member], pool.score[candidate])])


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
