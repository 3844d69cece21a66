"""A line whose remittance lists several documents of the other side: their sum is the payment."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bots.reconciliation.matched import BANK
from bots.reconciliation.matching import odds
from bots.reconciliation.matching.candidates import Part, farthest, members, within
from bots.reconciliation.matching.fees import plausible
from bots.reconciliation.matching.view import Ints, View, plain
from bots.reconciliation.policy import Policy

_GAP = r"[\s,;+&|]+"
_SEVERAL = r"\p{N}{3}[^\s,;+&|]*[\s,;+&|](.*[\s,;+&|])?[^\s,;+&|]*\p{N}{3}"
"""Two words with a number of three digits or more."""
_SHORTEST = 4


def listed(
    totals: View, items: View, texts: list[pd.Series], references: pd.Series, side: int, policy: Policy
) -> list[Part]:
    """Return the lines whose text lists at least two open lines of the other side, with the lines that it lists.

    Args:
        totals: lines whose texts are read.
        items: lines that may be listed.
        texts: columns of text of the totals, one value a row of `totals`.
        references: the items' references.
        side: side of the totals.
        policy: window, bounds, fees.

    A word lists a line if it is its reference, or a bare number of four digits or more that ends it, and no other open
    line of the purse has that. The sum must be the total, or miss it by a fee.
    """
    total, item = _pairs(totals, items, _words(texts), references)
    count = np.bincount(total, minlength=len(totals))
    several = (count[total] > 1) & (count[total] <= policy.group)
    rows, owner = np.unique(total[several], return_inverse=True)
    item = item[several]
    apart = (totals.day[rows[owner]] - items.day[item]) * (1 if side == BANK else -1)
    late = np.zeros(len(rows), dtype=bool)
    late[owner[~within(apart, policy.earliest, policy.latest)]] = True
    summed = np.zeros(len(rows), dtype=np.int64)
    np.add.at(summed, owner, items.amount[item])
    amount = totals.amount[rows]
    off, books = (amount - summed, summed) if side == BANK else (summed - amount, amount)
    days = farthest(owner, apart, len(rows))
    none = np.zeros(len(rows), dtype=np.int64)
    single, many = (np.arange(len(rows)), rows), (owner, item)
    views, held = ((totals, items), (single, many)) if side == BANK else ((items, totals), (many, single))
    whole = Part("", off, days, odds.of(odds.KEY, none, days), none, *members(*views, *held))
    exact = whole.only((off == 0) & ~late, "listed_in_remittance")
    return [exact, whole.only(plausible(off, books, policy) & ~late, "listed_less_fee")]


def _words(texts: list[pd.Series]) -> pd.DataFrame:
    """Return (row, word) of the texts that have at least two words with numbers; words are plain."""
    found = [pd.DataFrame({"row": np.zeros(0, dtype=np.int64), "word": pd.Series([], dtype="str")})]
    for column in texts:
        array = pa.array(column, type=pa.large_string())
        row = np.flatnonzero(pc.match_substring_regex(array, _SEVERAL).to_numpy(zero_copy_only=False))
        if len(row):
            split = pc.split_pattern_regex(array.take(pa.array(row)), _GAP)
            word = plain(pd.Series(pc.list_flatten(split).to_numpy(zero_copy_only=False)))
            found.append(pd.DataFrame({"row": row[pc.list_parent_indices(split).to_numpy()], "word": word}))
    return pd.concat(found, ignore_index=True)


def _pairs(totals: View, items: View, words: pd.DataFrame, references: pd.Series) -> tuple[Ints, Ints]:
    """Return (row of the totals, row of the items that it lists), each once."""
    if words.empty:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    said = plain(references).to_numpy(dtype=object)
    given = np.flatnonzero((items.reference >= 0) & (said != ""))
    whole = pd.DataFrame({"word": pd.Series(said[given], dtype="str"), "item": given})
    tail = whole.assign(word=whole["word"].str.extract(r"(\d+)$", expand=False).str.lstrip("0"))
    known = pd.concat([whole, tail[tail["word"].str.len() >= _SHORTEST]], ignore_index=True)
    known["purse"] = items.purse[known["item"].to_numpy()]
    known = known.drop_duplicates(["word", "purse", "item"])
    known = known[~known.duplicated(["word", "purse"], keep=False)]
    bare = words["word"].str.fullmatch(r"\d+")
    asked = words.assign(word=words["word"].where(~bare, words["word"].str.lstrip("0")))
    asked = pd.concat([words, asked], ignore_index=True)
    asked["purse"] = totals.purse[asked["row"].to_numpy()]
    found = asked.merge(known, on=["word", "purse"])[["row", "item"]].drop_duplicates().sort_values(["row", "item"])
    return found["row"].to_numpy(dtype=np.int64), found["item"].to_numpy(dtype=np.int64)
