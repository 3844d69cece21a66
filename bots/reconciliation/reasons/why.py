"""Each match in words: what ties it, and its best rival and why that one lost."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from bots.reconciliation.matched import Matched
from bots.reconciliation.policy import Policy
from bots.reconciliation.reasons.matches import facts, lacks, ties
from bots.reconciliation.reasons.stacked import Ints, Stacked

WHY: Final = {"evidence": "str", "margin": "float64", "runner_up": "str", "lost": "str"}


def explained(
    lines: Stacked, currency: Ints, names: list[str], matched: Matched, chosen: Ints, policy: Policy
) -> pd.DataFrame:
    """Return columns of WHY for the chosen matches; `names` are the currencies by the codes of `currency`."""
    members = _renumbered(matched.members, chosen)
    found = facts(lines, members, len(chosen), policy)
    first = members.drop_duplicates("match")
    money = currency[lines.at(first["side"].to_numpy(np.int64), first["line"].to_numpy(np.int64))]
    rows = [dict(zip(found.columns, values, strict=True)) for values in found.itertuples(index=False, name=None)]
    evidence = [ties(row, names[code]) for row, code in zip(rows, money, strict=True)]
    picked = matched.matches.iloc[chosen]
    rivals = picked["runner_up"].to_numpy(np.int64)
    known = np.unique(rivals[rivals >= 0])
    theirs = _renumbered(matched.lost_members, known)
    other = facts(lines, theirs, len(known), policy)
    ours = [dict(zip(other.columns, values, strict=True)) for values in other.itertuples(index=False, name=None)]
    held, wanted = _sets(members, len(chosen)), _sets(theirs, len(known))
    place = {int(rival): number for number, rival in enumerate(known)}
    said, lost = [], []
    for number, (rival, margin) in enumerate(zip(rivals, picked["margin"], strict=True)):
        if rival < 0:
            said.append("")
            lost.append("no other candidate wants one of its lines")
            continue
        at = place[int(rival)]
        said.append(_instead(held[number], wanted[at]))
        lost.append(_reason(lacks(ours[at], rows[number]), float(margin)))
    return pd.DataFrame(
        {"evidence": evidence, "margin": picked["margin"].to_numpy(), "runner_up": said, "lost": lost},
        index=picked.index,
    ).astype(WHY)


def _renumbered(members: pd.DataFrame, chosen: Ints) -> pd.DataFrame:
    """Return the members of the chosen matches, numbered from 0 in their order."""
    place = pd.Series(np.arange(len(chosen)), index=chosen)
    kept = members[members["match"].isin(chosen)]
    kept = kept.assign(match=place.reindex(kept["match"]).to_numpy())
    return kept.sort_values(["match", "side", "line"], ignore_index=True).astype("int64")


def _sets(members: pd.DataFrame, count: int) -> list[frozenset[tuple[int, int]]]:
    sets: list[set[tuple[int, int]]] = [set() for _ in range(count)]
    for match, side, line in zip(*(members[name].tolist() for name in ("match", "side", "line")), strict=True):
        sets[match].add((side, line))
    return [frozenset(one) for one in sets]


def _instead(ours: frozenset[tuple[int, int]], theirs: frozenset[tuple[int, int]]) -> str:
    """Name what a rival has in place of what: only the lines in which the two differ."""
    other, own = _named(theirs - ours), _named(ours - theirs)
    if not own and not other:
        return "the same lines, without the rule"
    if not own:
        return f"with {other} besides"
    return f"{other} instead of {own}" if other else f"without {own}"


def _named(lines: frozenset[tuple[int, int]]) -> str:
    return ", ".join(f"{('bank', 'books')[side]} line {line}" for side, line in sorted(lines))


def _reason(lacking: str, margin: float) -> str:
    if lacking:
        return lacking
    if margin > 0:
        return "line for line it looks as good; the lines it wants are worth more where they are"
    return "nothing tells the two apart"
