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
    words = _words(texts)
    if words.empty:
        return []
    total, item = _pairs(totals, items, words, references)
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
    """Return (row, word) of the texts that have at least two words with numbers; words are plain, and have a digit."""
    found = [pd.DataFrame({"row": np.zeros(0, dtype=np.int64), "word": pd.Series([], dtype="str")})]
    for column in texts:
        array = pa.array(column, type=pa.large_string())
        row = np.flatnonzero(pc.match_substring_regex(array, _SEVERAL).to_numpy(zero_copy_only=False))
        if len(row):
            split = pc.split_pattern_regex(array.take(pa.array(row)), _GAP)
            word = plain(pd.Series(pc.list_flatten(split).to_numpy(zero_copy_only=False)))
            said = pd.DataFrame({"row": row[pc.list_parent_indices(split).to_numpy()], "word": word})
            found.append(said[said["word"].str.contains(r"\d", regex=True)])
    return pd.concat(found, ignore_index=True)


def _pairs(totals: View, items: View, words: pd.DataFrame, references: pd.Series) -> tuple[Ints, Ints]:
    """Return (row of the totals, row of the items that it lists), each once."""
    bare = words["word"].str.fullmatch(r"\d+")
    number = words.assign(word=words["word"].str.lstrip("0"))[bare & (words["word"].str.len() >= _SHORTEST)]
    said = pa.array(plain(references), type=pa.large_string())
    tail = pc.replace_substring_regex(said, r"^.*?0*(\p{N}*)$", r"\1")
    known = pd.concat([_known(said, words["word"]), _known(tail, number["word"])], ignore_index=True)
    known["purse"] = items.purse[known["item"].to_numpy()]
    known = known.drop_duplicates()
    known = known[~known.duplicated(["word", "purse"], keep=False)]
    asked = pd.concat([words, number], ignore_index=True)
    asked["purse"] = totals.purse[asked["row"].to_numpy()]
    found = asked.merge(known, on=["word", "purse"])[["row", "item"]].drop_duplicates().sort_values(["row", "item"])
    return found["row"].to_numpy(dtype=np.int64), found["item"].to_numpy(dtype=np.int64)


def _known(texts: pa.Array, words: pd.Series) -> pd.DataFrame:
    """Return (word, item) of the items whose text is one of the words."""
    wanted = pa.array(words.unique(), type=pa.large_string())
    item = np.flatnonzero(pc.is_in(texts, value_set=wanted).to_numpy(zero_copy_only=False))
    word = pd.Series(texts.take(pa.array(item)).to_numpy(zero_copy_only=False), dtype="str")
    return pd.DataFrame({"word": word, "item": item})
