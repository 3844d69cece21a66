"""The port to a judge of matches: how likely each suggestion is wrong, in the eyes of whoever is wired in.

Nothing closes by a judge; it ranks what people look at. `qc_models.match.frames.FrameJudge` is one, and fits by its
shape alone: neither package knows the other.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bots.reconciliation.matched import Matched


class Judge(Protocol):
    """Gives candidates a probability."""

    def __call__(
        self,
        bank: pd.DataFrame,
        book: pd.DataFrame,
        candidates: pd.DataFrame,
        members: pd.DataFrame,
        rivals: pd.DataFrame,
        rival_members: pd.DataFrame,
    ) -> NDArray[np.float64]:
        """Return P(wrong) of each candidate, shape (candidates,); NaN where it has no opinion.

        Args:
            bank: columns of `matched.SIDE`.
            book: the same.
            candidates: columns of `matched.MATCH`, numbered from 0.
            members: columns match, side, line.
            rivals: candidates that want one of the same lines, as `candidates`.
            rival_members: their lines, as `members`.
        """
        ...


def suggestions(bank: pd.DataFrame, book: pd.DataFrame, matched: Matched, judge: Judge) -> pd.Series:
    """Return P(wrong) of each suggestion, indexed by match; what closed is not asked about.

    The rivals of a suggestion are the lost candidates that want one of its lines.
    """
    asked = np.flatnonzero(~matched.matches["closed"].to_numpy(bool))
    candidates, members = _chosen(matched.matches, matched.members, asked)
    wanted = members[["side", "line"]].drop_duplicates()
    near = np.sort(matched.lost_members.merge(wanted, on=["side", "line"])["match"].unique())
    rivals, rival_members = _chosen(matched.lost, matched.lost_members, near.astype(np.int64))
    found = judge(bank, book, candidates, members, rivals, rival_members)
    return pd.Series(found, index=matched.matches.index[asked], name="probability_wrong", dtype="float64")


def _chosen(
    matches: pd.DataFrame, members: pd.DataFrame, chosen: NDArray[np.int64]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the chosen matches and their members, numbered from 0."""
    place = np.full(len(matches), -1)
    place[chosen] = np.arange(len(chosen))
    kept = members[place[members["match"].to_numpy()] >= 0]
    kept = kept.assign(match=place[kept["match"].to_numpy()])
    ordered = kept.sort_values(["match", "side", "line"], ignore_index=True)
    return matches.iloc[chosen].reset_index(drop=True), ordered
