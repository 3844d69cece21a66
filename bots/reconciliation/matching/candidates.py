"""What a generator of candidates returns, and how the candidates of several become one table without twins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bots.reconciliation.matched import BANK, BOOK
from bots.reconciliation.matching.view import Flags, Ints, View

Reals = NDArray[np.float64]

HOPELESS: Final = log(1 / 100)
"""Odds under which a candidate is an accident and nothing else."""
MOST_RIVALS: Final = 4
"""A pair that more than this many others rival is no candidate: nothing would ever decide for it."""
ROWS: Final = {"kind": "category", "difference": "int64", "days": "int32", "score": "float64", "alternatives": "int32"}
MEMBERS: Final = {"candidate": "int64", "side": "int8", "line": "int64"}
CUT: Final = {"kind": "str", "side": "int8", "line": "int64", "candidates": "int64", "looked": "int64"}


@dataclass(frozen=True)
class Candidates:
    """Possible matches, each set of lines once."""

    rows: pd.DataFrame
    """Columns of ROWS, meaning as in `matched.MATCH`; the index numbers the candidates from 0."""
    members: pd.DataFrame
    """Columns of MEMBERS, sorted by all three."""
    cut: pd.DataFrame
    """Columns of CUT: the lines whose sum was sought among fewer candidates than there were, because a bound was hit.

    What was found for them says at least one alternative, because nobody knows that there is none.
    """


@dataclass(frozen=True)
class Part:
    """Candidates of one kind from one generator: C rows, and M members that name their row."""

    kind: str
    difference: Ints
    days: Ints
    score: Reals
    alternatives: Ints
    owner: Ints
    side: Ints
    line: Ints

    def only(self, chosen: Flags, kind: str) -> Part:
        """Return some of the candidates, as a kind of their own."""
        number = np.cumsum(chosen) - 1
        held = chosen[self.owner]
        return Part(
            kind,
            self.difference[chosen],
            self.days[chosen],
            self.score[chosen],
            self.alternatives[chosen],
            number[self.owner[held]],
            self.side[held],
            self.line[held],
        )


def members(
    bank: View, book: View, from_bank: tuple[Ints, Ints], from_book: tuple[Ints, Ints]
) -> tuple[Ints, Ints, Ints]:
    """Return (owner, side, line) of members given as (owner, row of the view)."""
    owner = np.concatenate((from_bank[0], from_book[0]))
    side = np.concatenate((np.full(len(from_bank[0]), BANK), np.full(len(from_book[0]), BOOK)))
    line = np.concatenate((bank.line[from_bank[1]], book.line[from_book[1]]))
    return owner, side, line


def farthest(owner: Ints, apart: Ints, count: int) -> Ints:
    """Return for each of `count` candidates the difference in days that is farthest from 0."""
    low, high = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    np.minimum.at(low, owner, apart)
    np.maximum.at(high, owner, apart)
    return np.where(high >= -low, high, low)


def assemble(parts: Sequence[Part], cut: Sequence[pd.DataFrame]) -> Candidates:
    """Put candidates together; of those with the same lines the best score stays, then the earlier part."""
    parts = [part.only(part.score >= HOPELESS, part.kind) for part in parts]
    kinds = sorted({part.kind for part in parts})
    codes = _joined([np.full(len(part.score), kinds.index(part.kind)) for part in parts])
    starts = np.cumsum([0, *(len(part.score) for part in parts)])
    rows = pd.DataFrame(
        {
            "kind": pd.Categorical.from_codes(codes, pd.Index(kinds)),
            "difference": _joined([part.difference for part in parts]),
            "days": _joined([part.days for part in parts]),
            "score": np.concatenate([np.zeros(0), *(part.score for part in parts)]),
            "alternatives": np.minimum(_joined([part.alternatives for part in parts]), np.iinfo(np.int32).max),
        }
    )
    held = pd.DataFrame(
        {
            "candidate": _joined([part.owner + start for part, start in zip(parts, starts[:-1], strict=True)]),
            "side": _joined([part.side for part in parts]),
            "line": _joined([part.line for part in parts]),
        }
    )
    rows, held = _each_once(rows, held)
    gone = pd.concat([pd.DataFrame(columns=list(CUT)), *cut], ignore_index=True).astype(CUT)
    gone = gone.drop_duplicates(["kind", "side", "line"]).sort_values(list(CUT), ignore_index=True)
    return Candidates(rows.astype({k: v for k, v in ROWS.items() if k != "kind"}), held.astype(MEMBERS), gone)


def _each_once(rows: pd.DataFrame, held: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keep one candidate of each set of lines, in the order of their first lines."""
    if rows.empty:
        return rows, held
    held = held.sort_values(["candidate", "side", "line"], ignore_index=True)
    code = pd.util.hash_array((held["side"].to_numpy() << 56) + held["line"].to_numpy())
    first = np.flatnonzero(np.diff(held["candidate"].to_numpy(), prepend=-1))
    sets = np.stack((np.add.reduceat(code, first), np.diff(np.append(first, len(held))).astype(np.uint64)))
    lead = held.iloc[first]
    order = np.lexsort((np.arange(len(rows)), -rows["score"].to_numpy(), sets[1], sets[0], lead["line"], lead["side"]))
    ordered = sets[:, order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (ordered[:, 1:] != ordered[:, :-1]).any(axis=0)
    return _renumbered(rows, held, order[new])


def _renumbered(rows: pd.DataFrame, held: pd.DataFrame, kept: Ints) -> tuple[pd.DataFrame, pd.DataFrame]:
    number = np.full(len(rows), -1, dtype=np.int64)
    number[kept] = np.arange(len(kept))
    held = held.assign(candidate=number[held["candidate"].to_numpy()])
    held = held[held["candidate"] >= 0].sort_values(["candidate", "side", "line"], ignore_index=True)
    return rows.iloc[kept].reset_index(drop=True), held


def within(apart: Ints, earliest: int, latest: int) -> Flags:
    """Say which differences in business days are within the policy's window."""
    return (apart >= earliest) & (apart <= latest)


def _joined(arrays: Sequence[Ints]) -> Ints:
    return np.concatenate([np.zeros(0, dtype=np.int64), *arrays])
