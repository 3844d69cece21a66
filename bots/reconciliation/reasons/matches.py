"""What ties the lines of a match, counted anew from the lines themselves, and what its best rival lacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from bots.reconciliation.matched import BANK
from bots.reconciliation.policy import Policy
from bots.reconciliation.reasons.compare import Compared, compare
from bots.reconciliation.reasons.entries import money
from bots.reconciliation.reasons.fields import AGREES, NEAR, UNLIKE
from bots.reconciliation.reasons.stacked import Bools, Ints, Stacked

FACT: Final = {
    "banks": "int64",
    "books": "int64",
    "bank_sum": "int64",
    "book_sum": "int64",
    "difference": "int64",
    "days": "int64",
    "spread": "int64",
    "referenced": "int64",
    "damaged": "int64",
    "unlike": "int64",
    "named": "int64",
    "misnamed": "int64",
    "accounts": "int64",
    "foreign": "bool",
    "pairs": "int64",
}
"""Columns of facts, one row a match.

banks, books: lines of each side. bank_sum, book_sum: minor units. difference: bank minus books; the sum of all for a
match of one side. days: business days from the books' day to the bank's, the farthest of a group; of one side its
spread. spread: business days between its first and last line. referenced, damaged, unlike: of the lines of its larger
side, how many share a reference with a line of the other, have a damaged one, or another one. named, misnamed: the same
of names. accounts: how many of our accounts it spans. foreign: in more than one currency. pairs: lines of its larger
side.
"""


@dataclass(frozen=True)
class _Group:
    """Members in the order of their matches."""

    match: Ints
    place: Ints
    bank: Bools


def facts(lines: Stacked, members: pd.DataFrame, count: int, policy: Policy) -> pd.DataFrame:
    """Return what the lines of matches have in common; columns of FACT, one row a match.

    Args:
        lines: both sides.
        members: columns match (0 to count - 1), side, line.
        count: how many matches there are.
        policy: the one that they were found under.
    """
    side = members["side"].to_numpy(np.int64)
    group = _Group(
        members["match"].to_numpy(np.int64), lines.at(side, members["line"].to_numpy(np.int64)), side == BANK
    )
    owner, found = _pairs(lines, group, count, policy)
    frame = pd.DataFrame(index=pd.RangeIndex(count))
    for name, held in (("bank", group.bank), ("book", ~group.bank)):
        frame[f"{name}s"] = np.bincount(group.match[held], minlength=count)
        sums = np.zeros(count, np.int64)
        np.add.at(sums, group.match[held], lines.amount[group.place[held]])
        frame[f"{name}_sum"] = sums
    one_sided = (frame["banks"] == 0) | (frame["books"] == 0)
    frame["difference"] = np.where(
        one_sided, frame["bank_sum"] + frame["book_sum"], frame["bank_sum"] - frame["book_sum"]
    )
    by_match = pd.DataFrame({"match": group.match, "work": lines.work[group.place]}).groupby("match")["work"]
    frame["spread"] = (by_match.max() - by_match.min()).reindex(frame.index, fill_value=0)
    farthest = pd.DataFrame({"owner": owner, "days": found.days, "far": np.abs(found.days)})
    farthest = farthest.sort_values(["owner", "far", "days"], kind="stable").drop_duplicates("owner", keep="last")
    apart = farthest.set_index("owner")["days"].reindex(frame.index, fill_value=0)
    frame["days"] = np.where(one_sided, frame["spread"], apart)
    for name, states, value in (
        ("referenced", found.reference, AGREES),
        ("damaged", found.reference, NEAR),
        ("unlike", found.reference, UNLIKE),
        ("named", found.name, AGREES),
        ("misnamed", found.name, UNLIKE),
    ):
        frame[name] = _lines_with(owner, found.one, states, value, count)
    frame["accounts"] = _distinct(group.match, lines.account[group.place], count)
    frame["foreign"] = _distinct(group.match, lines.currency[group.place], count) > 1
    frame["pairs"] = np.bincount(pd.DataFrame({"o": owner, "l": found.one}).drop_duplicates()["o"], minlength=count)
    return frame.astype(FACT)


def _pairs(lines: Stacked, group: _Group, count: int, policy: Policy) -> tuple[Ints, Compared]:
    """Compare each line of a match's larger side with each of its other side; of one side, the first with the rest."""
    frame = pd.DataFrame({"match": group.match, "place": group.place, "bank": group.bank})
    sizes = [np.bincount(group.match[held], minlength=count) for held in (group.bank, ~group.bank)]
    alone = (sizes[0] == 0) | (sizes[1] == 0)
    many_banks = sizes[0] >= sizes[1]
    first = ~frame.duplicated("match")
    left = np.where(alone[group.match], ~first, group.bank == many_banks[group.match])
    both = frame[left].merge(frame[~left], on="match", suffixes=("", "_other"))
    none = np.zeros(len(lines), bool)
    found = compare(lines, both["place"].to_numpy(np.int64), both["place_other"].to_numpy(np.int64), none, policy)
    return both["match"].to_numpy(np.int64), found


def _lines_with(owner: Ints, line: Ints, states: Ints, value: int, count: int) -> Ints:
    """Return how many lines of each match have this as their best state: agreeing before damaged before unlike."""
    ranks = np.where(states == 0, UNLIKE + 1, states)
    best = pd.DataFrame({"owner": owner, "line": line, "rank": ranks}).groupby(["owner", "line"])["rank"].min()
    held = best.index.get_level_values("owner").to_numpy()[best.to_numpy() == value]
    return np.bincount(held, minlength=count)


def _distinct(match: Ints, codes: Ints, count: int) -> Ints:
    pairs = pd.DataFrame({"match": match, "code": codes}).drop_duplicates()
    return np.bincount(pairs["match"], minlength=count)


def ties(fact: dict[str, int], currency: str) -> str:
    """Say in words what ties the lines of one match: a row of facts."""
    pairs = fact["pairs"]
    parts = [_amounts(fact, currency), _reference(fact, pairs), _name(fact, pairs), _days(fact)]
    if fact["accounts"] > 1:
        parts.append(f"over {fact['accounts']} accounts")
    return "; ".join(part for part in parts if part)


def lacks(rival: dict[str, int], fact: dict[str, int]) -> str:
    """Say in words what a rival has less of than the match that won: two rows of facts."""
    found = []
    share, theirs = fact["referenced"] / fact["pairs"], rival["referenced"] / rival["pairs"]
    if theirs < share:
        kind = "damaged" if rival["damaged"] else "another one" if rival["unlike"] else "not shared"
        found.append(f"its reference is {kind}")
    if rival["named"] / rival["pairs"] < fact["named"] / fact["pairs"]:
        found.append("its name is another" if rival["misnamed"] else "its name does not speak for it")
    if abs(rival["difference"]) > abs(fact["difference"]):
        found.append("its amounts differ by more")
    if abs(rival["days"]) > abs(fact["days"]):
        found.append(f"its days are farther apart ({abs(rival['days'])} against {abs(fact['days'])})")
    if rival["accounts"] > fact["accounts"]:
        found.append("it is in another account")
    if rival["pairs"] > fact["pairs"]:
        found.append("it needs more lines")
    return ", ".join(found)


def _amounts(fact: dict[str, int], currency: str) -> str:
    if not fact["banks"] or not fact["books"]:
        side = "bank" if fact["banks"] else "books"
        return (
            f"{fact['banks'] + fact['books']} lines of the {side} that add up to {money(fact['difference'], currency)}"
        )
    lines = [f"{n} {'line' if n == 1 else 'lines'}" for n in (fact["banks"], fact["books"])]
    shape = "" if fact["banks"] == fact["books"] == 1 else f" ({lines[0]} of the bank, {lines[1]} of the books)"
    if fact["foreign"]:
        return f"amounts in two currencies{shape}"
    if fact["difference"]:
        off = money(abs(fact["difference"]), currency)
        return f"amounts equal but for {off}, {money(fact['bank_sum'], currency)} at the bank{shape}"
    return f"amounts equal, {money(fact['bank_sum'], currency)}{shape}"


def _reference(fact: dict[str, int], pairs: int) -> str:
    if fact["referenced"]:
        return (
            "reference shared"
            if fact["referenced"] == pairs
            else f"reference shared by {fact['referenced']} of {pairs} lines"
        )
    if fact["damaged"]:
        return "reference damaged: one or two signs off"
    return "references differ" if fact["unlike"] else "no reference in common"


def _name(fact: dict[str, int], pairs: int) -> str:
    if fact["named"]:
        return "name agrees" if fact["named"] == pairs else f"name agrees on {fact['named']} of {pairs} lines"
    return "names differ" if fact["misnamed"] else ""


def _days(fact: dict[str, int]) -> str:
    if not fact["banks"] or not fact["books"]:
        return f"within {fact['spread']} business days"
    if not fact["days"]:
        return "same business day"
    later = "later" if fact["days"] > 0 else "earlier"
    days = abs(fact["days"])
    return f"bank {days} business {'day' if days == 1 else 'days'} {later}"
