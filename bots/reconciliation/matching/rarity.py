"""How many lines would fit by chance: the measure of what a piece of evidence is worth.

A candidate's evidence is worth ln(m / u): how often true pairs show it over how often lines show it that have nothing
to do with each other (Fellegi and Sunter 1969). u is counted in the books themselves: an amount that many lines have,
or a name that many lines carry, says little. What remains is `expected`: how many unrelated lines of the books one bank
line would meet that agree with it as well as this one does.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BAND: Final = 0.25
"""Amounts this much smaller or larger count as an amount's neighbours."""


def amounts(wanted: Ints, ordered: Ints) -> Floats:
    """Estimate for each amount how likely an unrelated line of the books has it.

    The share of the other lines that have this very amount, and on top the density of its neighbours: an amount that no
    other line has is as likely as amounts of its size are, not impossible. `ordered` are the amounts of the books.
    """
    distinct, where = np.unique(wanted, return_inverse=True)
    same = np.searchsorted(ordered, distinct, "right") - np.searchsorted(ordered, distinct, "left")
    reach = np.maximum(np.abs(distinct) * BAND, 1).astype(np.int64)
    near = np.searchsorted(ordered, distinct + reach, "right") - np.searchsorted(ordered, distinct - reach, "left")
    shares = np.maximum(same - 1, 0) + (near + 1) / (2 * reach + 1)
    return np.asarray(shares[where] / (len(ordered) + 1))


def short(wanted: Ints, most: Ints, ordered: Ints) -> Floats:
    """Estimate for each amount how likely an unrelated line is no more than `most` above it."""
    inside = np.searchsorted(ordered, wanted + most, "right") - np.searchsorted(ordered, wanted, "left")
    return np.asarray((inside + 1) / (len(ordered) + 1))


def slipped(slips: Ints, references: int) -> Floats:
    """Estimate how likely an unrelated reference lies within so many slips, in a dense series of numbers.

    A number of d digits has about 11 d neighbours at one slip (9 d others, d - 1 swaps, d shorter ones, some longer),
    and half that squared at two.
    """
    digits = np.log10(max(references, 10))
    around = np.array([1.0, 11 * digits, (11 * digits) ** 2 / 2])
    return np.asarray(np.minimum(around[np.minimum(slips, 2)] / max(references, 1), 1.0))


def usual_days(days: Ints, earliest: int, latest: int) -> Floats:
    """Estimate how likely each gap from `earliest` to `latest` is, from the gaps of pairs that are certain.

    One pair is added to each gap of the window (Laplace), so that few certain pairs leave the window open.
    """
    inside = days[(days >= earliest) & (days <= latest)] - earliest
    counts = np.bincount(inside, minlength=latest - earliest + 1) + 1
    return np.asarray(counts / counts.sum())
