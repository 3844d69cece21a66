"""What a changed definition would do to the same lines: which closed matches go, come, or close no longer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat
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
    kind, kinds = (one.matches["kind"].astype("str").to_numpy(object) for one in (before, after))
    met = np.zeros(len(after.matches), bool)
    met[then[then >= 0]] = True
    both = np.flatnonzero(then >= 0)
    other = then[both]
    turned, renamed = closed[both] != closes[other], closed[both] & closes[other] & (kind[both] != kinds[other])
    known = set(confirmed), set(rejected)
    touched = [*_only("goes", before, (then < 0) & closed, known)]
    ways: dict[Change, NDArray[np.bool_]]
    ways = {"opens": turned & closed[both], "closes": turned & ~closed[both], "kind": renamed}
    for change, mine in ways.items():
        touched += _kept(change, before, both[mine], other[mine], known)
    found = [*sorted(touched, key=lambda one: one.before or 0), *_only("comes", after, ~met & closes, known)]
    if not any(known):
        return found
    people = [*_only("lost", before, (then < 0) & ~closed, known), *_only("found", after, ~met & ~closes, known)]
    return found + [one for one in people if one.confirmed or one.rejected]


Known = tuple[set[Lines], set[Lines]]
"""What people confirmed, and what they rejected."""


def _only(change: Change, of: Matched, mine: NDArray[np.bool_], known: Known) -> Iterator[Changed]:
    """Yield matches of one solution that are not in the other."""
    numbers = np.flatnonzero(mine)
    for number, lines in zip(numbers.tolist(), _if_known(of, numbers, known), strict=True):
        before, after = (None, number) if change in {"comes", "found"} else (number, None)
        yield Changed(change, before, after, confirmed=lines in known[0], rejected=lines in known[1])


def _kept(
    change: Change, before: Matched, numbers: NDArray[np.int64], others: NDArray[np.int64], known: Known
) -> Iterator[Changed]:
    """Yield matches that both solutions hold."""
    told = zip(numbers.tolist(), others.tolist(), _if_known(before, numbers, known), strict=True)
    for number, other, lines in told:
        yield Changed(change, number, other, confirmed=lines in known[0], rejected=lines in known[1])


def _if_known(of: Matched, numbers: NDArray[np.int64], known: Known) -> Iterable[Lines]:
    """Return the lines of matches; nothing of them where people decided nothing."""
    return lines_of(of, numbers) if any(known) else repeat(frozenset(), len(numbers))


def lines_of(matched: Matched, numbers: Iterable[int]) -> Iterator[Lines]:
    """Yield side and line of each member of some matches."""
    match, side, line = (matched.members[name].to_numpy() for name in ("match", "side", "line"))
    asked = np.asarray(list(numbers), np.int64)
    firsts, lasts = np.searchsorted(match, asked), np.searchsorted(match, asked + 1)
    for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
        yield frozenset(zip(side[first:last].tolist(), line[first:last].tolist(), strict=True))


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
    whole = Counter(one.change for one in found)
    confirmed = Counter(one.change for one in found if one.confirmed)
    rejected = Counter(one.change for one in found if one.rejected)
    rows = [(change, whole[change], confirmed[change], rejected[change]) for change in CHANGES]
    return pd.DataFrame(rows, columns=["change", "matches", "confirmed", "rejected"])
