"""The open lines of both sides as arrays that share their codes: what is equal has the same number on both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bots.reconciliation.matching import days
from bots.reconciliation.matching.names import LAST
from bots.reconciliation.policy import Policy

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

KEYS = ("reference", "end_to_end", "batch", "bank_id")
"""Columns that name a booking: equal in any of them, on either side, is a shared key."""
_SHORTEST_KEY = 4
_MOST_KEYED = 100
_SHORTEST_NAME = 5
_MOST_PARTIES = 8
"""A short name that begins more names of the books than this names no one."""
_NO_SIGNS = r"[^\p{L}\p{N}]+"
_DIGIT = r"\p{N}"
_WIDEST = 1 << 62


@dataclass(frozen=True)
class View:
    """Some lines of one side. Arrays of equal length, -1 where a line has no such thing."""

    line: Ints
    """Position in the side."""
    account: Ints
    currency: Ints
    purse: Ints
    """Account and currency together."""
    amount: Ints
    day: Ints
    """Ordinal of the business day (`days.of`)."""
    name: Ints
    counter: Ints
    """The other party's account."""
    reversal: Flags
    reference: Ints
    end_to_end: Ints
    batch: Ints
    bank_id: Ints
    """Keys are numbered together, so that a reference can equal a batch id."""

    def __len__(self) -> int:
        """Return the number of lines."""
        return len(self.line)

    def take(self, rows: Ints | Flags) -> View:
        """Return some of the lines, in the order given."""
        return View(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    @property
    def sign(self) -> Ints:
        """1 where money comes in, 0 where it goes out."""
        return (self.amount > 0).astype(np.int64)

    @property
    def keyless(self) -> Flags:
        """Lines without any reference or end-to-end id."""
        return (self.reference < 0) & (self.end_to_end < 0)

    @cached_property
    def keys(self) -> tuple[Ints, Ints]:
        """(row, key) of every key of every line, once; what too many lines carry names no booking."""
        row = np.tile(np.arange(len(self)), len(KEYS))
        key = np.concatenate([getattr(self, name) for name in KEYS])
        width = 1 + int(key.max(initial=0))
        pairs = once(row[key >= 0] * width + key[key >= 0])
        row, key = pairs // width, pairs % width
        names = np.bincount(key, minlength=width) <= _MOST_KEYED
        return row[names[key]], key[names[key]]


@dataclass(frozen=True)
class Views:
    """Both sides, and the texts behind their codes."""

    bank: View
    book: View
    currencies: tuple[str, ...]
    keys: pd.Index
    names: pd.Index


def plain(texts: pd.Series) -> pd.Series:
    """Return texts in upper case without anything but letters and digits, accents taken off."""
    array = pa.array(texts, type=pa.large_string())
    whole = pc.utf8_upper(pc.utf8_normalize(array, "NFKD"))
    return pd.Series(pc.replace_substring_regex(whole, _NO_SIGNS, ""), index=texts.index, dtype="str")


def _keys(texts: pd.Series) -> pd.Series:
    """Return what keys say, empty where it is too short to name a booking, or holds no digit."""
    said = plain(texts)
    array = pa.array(said, type=pa.large_string())
    good = pc.and_(pc.match_substring_regex(array, _DIGIT), pc.greater_equal(pc.utf8_length(array), _SHORTEST_KEY))
    return said.where(good.to_numpy(zero_copy_only=False), "")


def views(bank: pd.DataFrame, book: pd.DataFrame, policy: Policy) -> Views:
    """Number what the open lines of both sides say; the index of each side names its lines."""
    sides = (bank, book)
    both = pd.concat(sides, ignore_index=True)
    account, _ = pd.factorize(both["account"])
    currency, currencies = pd.factorize(both["currency"])
    codes = {
        "line": np.concatenate([side.index.to_numpy(dtype=np.int64) for side in sides]),
        "account": account,
        "currency": currency,
        "purse": account * len(currencies) + currency,
        "amount": both["amount"].to_numpy(),
        "day": np.concatenate([days.of(side, policy.calendar) for side in sides]),
        "counter": _codes(both["counter_account"], plain)[0],
        "reversal": both["reversal"].to_numpy(dtype=bool),
    }
    codes["name"], names = _codes(both["name"], plain)
    numbered, keys = _codes(pd.concat([both[name] for name in KEYS], ignore_index=True), _keys)
    codes |= dict(zip(KEYS, np.split(numbered, len(KEYS)), strict=True))
    cut = len(bank)
    first, second = (
        View(
            **{
                name: np.asarray(code[part], dtype=bool if name == "reversal" else np.int64)
                for name, code in codes.items()
            }
        )
        for part in (slice(None, cut), slice(cut, None))
    )
    return Views(first, second, tuple(currencies), keys, names)


def parties(both: Views) -> tuple[tuple[Ints, Ints], tuple[Ints, Ints]]:
    """Return (row, party) of the bank's and of the books' lines: whom a line may be from or to.

    The books' names are the parties. A name of the bank's is the party of that name; if there is none, every party
    whose name it begins (banks cut names off), or the longest that begins it, or else a party of its own. The other
    party's account number is one more party, where both sides give it. A line that says neither has the party of the
    lines of the other side that share a key with it.
    """
    known = once(both.book.name[both.book.name >= 0])
    name, party = _links(both.names, once(both.bank.name[both.bank.name >= 0]), known)
    order = np.argsort(name, kind="stable")
    name, party = name[order], party[order]
    low, high = (np.searchsorted(name, both.bank.name, side=side) for side in ("left", "right"))
    rows, places = spread(low, high)
    own = np.flatnonzero(both.book.name >= 0)
    bank = _with_accounts(both.bank, rows, party[places], len(both.names))
    book = _with_accounts(both.book, own, both.book.name[own], len(both.names))
    return _with_keys(both.bank, both.book, bank, book), _with_keys(both.book, both.bank, book, bank)


def _with_accounts(view: View, row: Ints, party: Ints, names: int) -> tuple[Ints, Ints]:
    told = np.flatnonzero(view.counter >= 0)
    return np.concatenate((row, told)), np.concatenate((party, names + view.counter[told]))


def _with_keys(view: View, other: View, own: tuple[Ints, Ints], theirs: tuple[Ints, Ints]) -> tuple[Ints, Ints]:
    """Add the parties of the other side's lines with the same key for the lines that have none."""
    (row, key), (column, other_key) = view.keys, other.keys
    silent = np.ones(len(view), dtype=bool)
    silent[own[0]] = False
    row, key = row[silent[row]], key[silent[row]]
    order = np.argsort(other_key, kind="stable")
    low, high = (np.searchsorted(other_key[order], key, side=side) for side in ("left", "right"))
    place, found = spread(low, high)
    row, column = row[place], column[order][found]
    alike = view.purse[row] == other.purse[column]
    row, column = row[alike], column[alike]
    by_row = np.argsort(theirs[0], kind="stable")
    low, high = (np.searchsorted(theirs[0][by_row], column, side=side) for side in ("left", "right"))
    place, found = spread(low, high)
    width = 1 + int(theirs[1].max(initial=0))
    more = once(row[place] * width + theirs[1][by_row][found])
    return np.concatenate((own[0], more // width)), np.concatenate((own[1], more % width))


def once(values: Ints) -> Ints:
    """Return each value once, ascending; sorted, because numpy's hashing is slow on codes with a pattern."""
    ordered = np.sort(values)
    new = np.ones(len(ordered), dtype=bool)
    new[1:] = ordered[1:] != ordered[:-1]
    return ordered[new]


def among(values: Ints, others: Ints) -> Flags:
    """Say which values are among others; by hashing, several times faster than `np.isin`."""
    return np.asarray(pd.Series(values).isin(others), dtype=bool)


def in_order(*keys: Ints) -> Ints:
    """Return `np.lexsort`, the first key first: one sort of one code, where that holds all keys, is much faster."""
    code, width = np.zeros(len(keys[0]), dtype=np.int64), 1
    for key in keys:
        low = int(key.min(initial=0))
        span = int(key.max(initial=0)) - low + 1
        width *= span
        if width >= _WIDEST:
            return np.lexsort(keys[::-1])
        code = code * span + (key - low)
    return np.argsort(code, kind="stable")


def without(count: int, rows: Ints) -> Ints:
    """Return the numbers from 0 to `count` - 1 that are not among `rows`."""
    left = np.ones(count, dtype=bool)
    left[rows] = False
    return np.flatnonzero(left)


def spread(low: Ints, high: Ints) -> tuple[Ints, Ints]:
    """Write out ranges: (number of the range, place within it) of every element of every `low:high`."""
    length = np.maximum(high - low, 0)
    owner = np.repeat(np.arange(len(low)), length)
    return owner, np.arange(len(owner)) + np.repeat(low - np.cumsum(length) + length, length)


def _links(names: pd.Index, said: Ints, known: Ints) -> tuple[Ints, Ints]:
    """Return (name of the bank's, party) for each that fits."""
    spelled = np.asarray(names, dtype=object)
    order = np.argsort(spelled[known], kind="stable")
    known, texts = known[order], spelled[known[order]]
    long = np.array([len(text) >= _SHORTEST_NAME for text in spelled[said]], dtype=bool)
    itself = among(said, known) | ~long
    strange = said[~itself]
    low = np.searchsorted(texts, spelled[strange])
    high = np.searchsorted(texts, np.array([text + LAST for text in spelled[strange]], dtype=object))
    few = high - low <= _MOST_PARTIES
    place, begun = spread(low[few], high[few])
    longer = strange[low == high]
    by_text = dict(zip(texts, known, strict=True)) if len(longer) else {}
    shorter = np.array([_cut(spelled[code], by_text, code) for code in longer], dtype=np.int64)
    one = np.concatenate((said[itself], strange[few][place], longer))
    return one, np.concatenate((said[itself], known[begun], shorter))


def _cut(text: str, by_text: Mapping[str, int], own: int) -> int:
    """Return the party of the longest name that begins a text, or the text's own."""
    cuts = (text[:size] for size in range(len(text) - 1, _SHORTEST_NAME - 1, -1))
    return next((by_text[cut] for cut in cuts if cut in by_text), own)


def _codes(texts: pd.Series, meant: Callable[[pd.Series], pd.Series]) -> tuple[Ints, pd.Index]:
    """Number what texts mean, each text asked once; what means nothing is -1."""
    given, spelled = pd.factorize(texts)
    said = meant(pd.Series(spelled))
    codes, unique = pd.factorize(said.where(said != "", None))
    return np.asarray(codes, dtype=np.int64)[given], pd.Index(unique)
