"""Which lines an explanation looks at: folding and comparing texts of millions of closed lines would cost too much.

All lines that are to be explained, the closed ones near them in amount and days or with their very reference, and every
so many-th line of each side, so that it is known how common things are. A side of SAMPLE lines or fewer is looked at
whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bots.reconciliation.reasons.stacked import Bools, Floats, Ints

SAMPLE: Final = 50_000
"""Lines of a side that say how common things are."""
_NEAR: Final = 3
"""Closed lines with the same amount before and after an open line's day, in its account and anywhere."""


@dataclass(frozen=True)
class Picked:
    """Lines of both sides, by their numbers within their sides, ascending."""

    rows: tuple[Ints, Ints]
    wholes: tuple[int, int]
    """How many lines each side has."""
    worth: Floats
    """For how many lines of its side each picked one stands, the bank's first."""
    sizes: Ints
    """How many lines of its side have each picked line's currency and absolute amount."""
    accounts: Ints
    """The same of its account."""


def pick(bank: pd.DataFrame, book: pd.DataFrame, wanted: tuple[Bools, Bools], near: bool = True) -> Picked:
    """Return the lines to look at.

    Args:
        bank: columns of `matched.SIDE`.
        book: the same.
        wanted: of each line of both sides, whether it is to be explained.
        near: whether closed lines near them are looked at too.
    """
    both = pd.concat([side[["account", "currency"]] for side in (bank, book)], ignore_index=True)
    amount = np.concatenate([side["amount"].to_numpy(np.int64) for side in (bank, book)])
    day = np.concatenate([_days(side) for side in (bank, book)])
    account, currency = (pd.factorize(both[name])[0].astype(np.int64) for name in ("account", "currency"))
    size = _joined(currency, np.abs(amount))
    here = np.concatenate(wanted)
    kept, which = here.copy(), np.repeat([0, 1], [len(bank), len(book)])
    for side, frame in enumerate((bank, book)):
        every = max(1, -(-len(frame) // SAMPLE))
        kept[np.flatnonzero(which == side)[::every]] = True
    if near and not kept.all():
        for key in (size, _joined(account, size)):
            for side in (0, 1):
                kept[_around(key, day, np.flatnonzero(here), np.flatnonzero((which == side) & ~here))] = True
        kept |= _referenced((bank, book), here)
    ends = (len(bank), len(book))
    worth = np.ones(len(here))
    for side, whole in enumerate(ends):
        other = (which == side) & ~here
        picked = other & kept
        worth[picked] = (whole - int((here & (which == side)).sum())) / max(1, int(picked.sum()))
    places = np.flatnonzero(kept)
    bank_rows, book_rows = places[places < len(bank)], places[places >= len(bank)] - len(bank)
    counts = (_counts(values * 2 + which)[places] for values in (size, account))
    return Picked((bank_rows, book_rows), ends, worth[places], *counts)


def _days(side: pd.DataFrame) -> Ints:
    return side["valued"].fillna(side["booked"]).to_numpy("datetime64[D]").astype(np.int64)


def _joined(first: Ints, second: Ints) -> Ints:
    codes, distinct = pd.factorize(second)
    joint: Ints = pd.factorize(first * max(1, len(distinct)) + codes)[0].astype(np.int64)
    return joint


def _counts(values: Ints) -> Ints:
    codes, distinct = pd.factorize(values)
    found: Ints = np.bincount(codes, minlength=len(distinct))[codes]
    return found


def _around(key: Ints, day: Ints, ours: Ints, pool: Ints) -> Ints:
    """Return the places of the pool's lines that have a key of ours, the nearest in days of each."""
    if not len(ours) or not len(pool):
        return pool[:0]
    wanted = np.zeros(int(key.max()) + 1, bool)
    wanted[key[ours]] = True
    pool = pool[wanted[key[pool]]]
    span = int(day.max()) - int(day.min()) + 1
    at = key * span + (day - int(day.min()))
    pool = pool[np.argsort(at[pool], kind="stable")]
    place = np.searchsorted(at[pool], at[ours])[:, None] + np.arange(-_NEAR, _NEAR)
    there = (place >= 0) & (place < len(pool))
    found: Ints = np.unique(pool[place[there]])
    return found


def _referenced(sides: tuple[pd.DataFrame, pd.DataFrame], here: Bools) -> Bools:
    """Say which lines carry the very reference or end-to-end id of one of ours."""
    found = np.zeros(len(here), bool)
    for column in ("reference", "end_to_end"):
        texts = pa.concat_arrays([_arrow(side[column]) for side in sides])
        ours = pc.unique(texts.filter(pa.array(here)))
        known = ours.filter(pc.not_equal(ours, ""))
        if len(known):
            found |= pc.is_in(texts, value_set=known).to_numpy(zero_copy_only=False)
    return found


def _arrow(texts: pd.Series[str]) -> Any:
    made = pa.array(texts, type=pa.large_string(), from_pandas=True)
    return pc.fill_null(made.combine_chunks() if isinstance(made, pa.ChunkedArray) else made, "")
