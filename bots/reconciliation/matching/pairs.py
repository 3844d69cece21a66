"""Pairs of lines that share a block (a party, a key, an amount) and lie near in time: one sort and two searches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from bots.reconciliation.matching.view import Ints, View, once, spread
from bots.reconciliation.policy import Policy

CROWD = 64
"""Lines of a block within a window that may be paired with one line."""


@dataclass(frozen=True)
class Blocks:
    """Which block each line is in: (row of the view, code) of both sides; a line may be in several."""

    left: tuple[Ints, Ints]
    right: tuple[Ints, Ints]


def combined(*codes: tuple[Ints, Ints]) -> tuple[Ints, Ints]:
    """Return one code for several, for both sides alike; each argument is (codes of the left, codes of the right)."""
    left, right = codes[0]
    for one, other in codes[1:]:
        width = 2 + max(int(one.max(initial=0)), int(other.max(initial=0)))
        left, right = left * width + one + 1, right * width + other + 1
    return left, right


def numbered(own: Ints, amount: Ints, theirs: Ints, other: Ints) -> tuple[Ints, Ints]:
    """Return one code for (code, amount) of both sides, equal where both are."""
    code, _ = pd.factorize(np.concatenate((own, theirs)))
    size, sizes = pd.factorize(np.concatenate((amount, other)))
    both = code.astype(np.int64) * (len(sizes) + 1) + size
    return both[: len(own)], both[len(own) :]


def distinct(left: Ints, right: Ints) -> tuple[Ints, Ints]:
    """Return the pairs of two columns of rows, each once, ascending."""
    width = 1 + int(right.max(initial=0))
    pairs = once(left * width + right)
    return pairs // width, pairs % width


def between(left: View, right: View, blocks: Blocks, low: int, high: int, most: int) -> tuple[Ints, Ints, Ints]:
    """Return (place in blocks.left, row of the left, row of the right), right's day minus left's in low..high.

    A place with more than `most` lines of the right is left out: work must not grow with the square of a block.
    """
    start, end, order = ranges(left, right, blocks, low, high)
    end = np.where(end - start > most, start, end)
    place, found = spread(start, end)
    return place, blocks.left[0][place], blocks.right[0][order][found]


def counted(left: View, right: View, blocks: Blocks, low: int, high: int) -> Ints:
    """Return for each line of the left how many lines of the right `between` would pair it with."""
    start, end, _ = ranges(left, right, blocks, low, high)
    found = np.zeros(len(left), dtype=np.int64)
    np.add.at(found, blocks.left[0], end - start)
    return found


def near(bank: View, book: View, blocks: Blocks, policy: Policy) -> tuple[Ints, Ints]:
    """Return (row of the bank, row of the books) of the pairs within the policy's window, each once.

    Lines of the bank with more than CROWD lines of their block in it are left out: such a block says too little.
    """
    _, row, other = between(bank, book, blocks, -policy.latest, -policy.earliest, CROWD)
    return distinct(row, other)


def seek(there: Ints, wanted: Ints, side: Literal["left", "right"] = "left") -> Ints:
    """Return `np.searchsorted`, with what is wanted in order: on millions of values memory is what takes the time."""
    order = np.argsort(wanted)
    found = np.empty(len(wanted), dtype=np.int64)
    found[order] = np.searchsorted(there, wanted[order], side=side)
    return found


def ranges(left: View, right: View, blocks: Blocks, low: int, high: int) -> tuple[Ints, Ints, Ints]:
    """Return for each place in blocks.left where its lines begin and end in an order of blocks.right, and the order."""
    base = min(int(view.day.min(initial=1 << 40)) for view in (left, right)) + min(low, 0)
    span = 1 + max(int(view.day.max(initial=0)) for view in (left, right)) + max(high, 0) - base
    (row, code), (other, other_code) = blocks.left, blocks.right
    when = other_code * span + right.day[other] - base
    order = np.argsort(when, kind="stable")
    start, there = code * span + left.day[row] - base, when[order]
    by = np.argsort(start)
    asked = start[by]
    first, last = np.empty(len(by), dtype=np.int64), np.empty(len(by), dtype=np.int64)
    first[by], last[by] = np.searchsorted(there, asked + low), np.searchsorted(there, asked + high, "right")
    return first, last, order
