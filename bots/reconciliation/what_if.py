"""What a changed definition would do to the same lines: which closed matches go, come, or close no longer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bots.reconciliation.matched import Matched

Change = Literal["goes", "comes", "opens", "closes", "kind", "lost", "found"]
CHANGES: dict[Change, str] = {
    "goes": "closed now, and its lines would no longer be matched with each other",
    "comes": "not matched now, and would close",
    "opens": "closed now, and would only be suggested",
    "closes": "only suggested now, and would close",
    "kind": "closed both times, by another kind of evidence",
    "lost": "decided by a person and suggested now, and would not be suggested",
    "found": "decided by a person and not matched now, and would be suggested",
}
"""What can become of a match whose closing is touched, or which a person decided, in a sentence."""
Lines = frozenset[tuple[int, int]]
"""Side and line of each member of a match."""


@dataclass(frozen=True)
class Changed:
    """One match that a changed definition touches."""

    change: Change
    before: int | None
    """Its number among the matches of now; None where it comes."""
    after: int | None
    confirmed: bool
    """Whether a person had confirmed exactly this match."""
    rejected: bool = False
    """Whether a person had rejected or undone exactly this match; it is not made again, whatever a definition says."""


def changes(
    before: Matched, after: Matched, confirmed: Collection[Lines] = (), rejected: Collection[Lines] = ()
) -> list[Changed]:
    """Compare two solutions over the same lines; suggestions that change are left out, unless a person decided them.

    Args:
        before: the solution of now.
        after: the one under the changed definition.
        confirmed: the lines of each match that a person confirmed.
        rejected: the lines of each match that a person rejected or undid.

    Returns:
        Matches that close in either solution and not in the same way in both, those of now first, in their order; then
        suggestions that a person decided and that are in one solution only.
    """
    then = _same(before, after)
    closed, closes = (one.matches["closed"].to_numpy(bool) for one in (before, after))
    kind, kinds = (one.matches["kind"].astype("str").to_numpy() for one in (before, after))
    known = set(confirmed), set(rejected)
    found = [_changed("goes", before, int(number), None, known) for number in np.flatnonzero((then < 0) & closed)]
    for number in np.flatnonzero(then >= 0):
        other = int(then[number])
        if closed[number] != closes[other]:
            change: Change = "opens" if closed[number] else "closes"
            found.append(_changed(change, before, int(number), other, known))
        elif closed[number] and kind[number] != kinds[other]:
            found.append(_changed("kind", before, int(number), other, known))
    found.sort(key=lambda one: one.before or 0)
    met = np.zeros(len(after.matches), bool)
    met[then[then >= 0]] = True
    found += [_changed("comes", after, None, int(number), known) for number in np.flatnonzero(~met & closes)]
    if not any(known):
        return found
    gone = [_changed("lost", before, int(number), None, known) for number in np.flatnonzero((then < 0) & ~closed)]
    come = [_changed("found", after, None, int(number), known) for number in np.flatnonzero(~met & ~closes)]
    return found + [one for one in (*gone, *come) if one.confirmed or one.rejected]


def _changed(
    change: Change, of: Matched, before: int | None, after: int | None, known: tuple[set[Lines], set[Lines]]
) -> Changed:
    if not any(known):
        return Changed(change, before, after, confirmed=False)
    lines = lines_of(of, (before if before is not None else after) or 0)
    return Changed(change, before, after, confirmed=lines in known[0], rejected=lines in known[1])


def lines_of(matched: Matched, number: int) -> Lines:
    """Return side and line of each member of a match."""
    first, last = np.searchsorted(matched.members["match"].to_numpy(), [number, number + 1])
    mine = matched.members.iloc[first:last]
    return frozenset(zip(mine["side"].tolist(), mine["line"].tolist(), strict=True))


def _same(before: Matched, after: Matched) -> NDArray[np.int64]:
    """Return for each match of `before` the match of `after` with the same lines, -1 where there is none."""
    both = before.members.merge(after.members, on=["side", "line"], suffixes=("_before", "_after"))
    shared = both.groupby(["match_before", "match_after"], as_index=False).size()
    sizes = [one.members.groupby("match").size() for one in (before, after)]
    whole = (shared["size"].to_numpy() == sizes[0].reindex(shared["match_before"]).to_numpy()) & (
        shared["size"].to_numpy() == sizes[1].reindex(shared["match_after"]).to_numpy()
    )
    found = np.full(len(before.matches), -1, np.int64)
    found[shared["match_before"].to_numpy()[whole]] = shared["match_after"].to_numpy()[whole]
    return found


def counted(found: list[Changed]) -> pd.DataFrame:
    """Return how many matches change in which way, and how many of those a person had confirmed, or rejected."""
    rows = [
        (
            change,
            sum(one.change == change for one in found),
            sum(one.change == change and one.confirmed for one in found),
            sum(one.change == change and one.rejected for one in found),
        )
        for change in CHANGES
    ]
    return pd.DataFrame(rows, columns=["change", "matches", "confirmed", "rejected"])
