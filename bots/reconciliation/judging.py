"""The port to a judge of matches: how likely each suggestion is wrong, in the eyes of whoever is wired in.

Nothing closes by a probability; it ranks what people look at. `qc_models.match.frames.FrameJudge` is a judge, and fits
by its shape alone: neither package knows the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bots.reconciliation.matched import Matched

_LEAST: Final = 1e-6
"""No opinion is surer than that."""


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


def suggestions(
    bank: pd.DataFrame,
    book: pd.DataFrame,
    matched: Matched,
    judge: Judge | None = None,
    chosen: Sequence[int] | None = None,
) -> pd.Series:
    """Return P(wrong) of suggestions, indexed by match.

    The matcher's own odds are the first witness: the smaller of score and margin. A judge is the second, and the two
    are pooled with equal weights in log-odds (logarithmic opinion pool; C. Genest and J. V. Zidek, "Combining
    probability distributions: a critique and an annotated bibliography", Statistical Science 1 (1986), 114-148).
    Without a judge, or where it has no opinion, the matcher's stands alone.

    Args:
        bank: columns of `matched.SIDE`.
        book: the same.
        matched: the solution over both.
        judge: whoever is wired in; it is shown the lost candidates that want one of the same lines too.
        chosen: the matches that are asked about; None for all that did not close.
    """
    waiting = np.flatnonzero(~matched.matches["closed"].to_numpy(bool))
    asked = waiting if chosen is None else np.asarray(chosen, dtype=np.int64)
    candidates, members = _chosen(matched.matches, matched.members, asked)
    against = -candidates[["score", "margin"]].min(axis=1).to_numpy(np.float64)
    if judge is not None and len(candidates):
        said = judge(bank, book, candidates, members, *_rivals(matched, members))
        second = np.log(np.clip(said, _LEAST, 1)) - np.log(np.clip(1 - said, _LEAST, 1))
        against = np.where(np.isnan(said), against, (against + second) / 2)
    found = 1 / (1 + np.exp(-np.clip(against, np.log(_LEAST), -np.log(_LEAST))))
    return pd.Series(found, index=matched.matches.index[asked], name="probability_wrong", dtype="float64")


def _rivals(matched: Matched, members: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the lost candidates that want one of these lines, and their members."""
    wanted = members[["side", "line"]].drop_duplicates()
    near = np.unique(matched.lost_members.merge(wanted, on=["side", "line"])["match"].to_numpy(np.int64))
    return _chosen(matched.lost, matched.lost_members, near)


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
