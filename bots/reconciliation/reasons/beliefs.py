"""How all open lines are explained best together: each has one explanation, and two that are a pair share theirs.

A line is alone, for one reason or another, or one of a pair: with a line of the other side, or with one of its own that
it takes back. These exclude each other, so the open lines are a monomer-dimer system: the weight of a state is the
product of the weights of its pairs and its lonely lines. How likely each pair is over all states follows by belief
propagation, exact where pairs form no loops (J. Williams and R. Lau, "Approximate evaluation of marginal association
probabilities with belief propagation", IEEE Transactions on Aerospace and Electronic Systems 50 (2014), 2942-2959).

How common each cause is in these very lines is learned on the way, from the prior `COMMON`, by expectation and
maximisation (W. E. Winkler, "Using the EM algorithm for weight computation in the Fellegi-Sunter model of record
linkage", Proceedings of the Section on Survey Research Methods, ASA (1988), 667-671).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bots.reconciliation.reasons.stacked import Bools, Floats, Ints

COMMON: Final[Mapping[str, float]] = MappingProxyType(
    {
        "timing": 0.02,
        "fee": 0.05,
        "duplicate": 0.05,
        "transposed digits": 0.05,
        "wrong sign": 0.01,
        "wrong account": 0.01,
        "partial": 0.05,
        "reversal": 0.05,
        "missing on one side": 0.3,
        "FX": 0.01,
        "ambiguous": 0.3,
    }
)
"""Share of open lines with each cause, before any is seen; the names are those of `causes.CAUSES`."""
NAMES: Final = tuple(COMMON)
"""Causes by code."""
CODE: Final[Mapping[str, int]] = MappingProxyType({name: code for code, name in enumerate(NAMES)})
_PRIOR: Final = 10.0
"""Open lines that this prior is worth."""
LEAST: Final = -6.0
"""ln of odds under which a pair is left out: it would hardly count."""
_MOST: Final = 30.0
_LEARNED: Final = 12
_ROUNDS: Final = 3
"""Rounds of messages each time that the shares were learned; messages go on where they were."""


@dataclass(frozen=True)
class Pairs:
    """What may be a pair, every array of shape (pairs,); two lines may be one in two ways, as by a fee or a part."""

    one: Ints
    """Place of a line among the open ones."""
    other: Ints
    cause: Ints
    weight: Floats
    """ln of the odds that they are one, by `odds`."""


@dataclass(frozen=True)
class Beliefs:
    """How likely each explanation is."""

    pair: Floats
    """Of each pair, shape (pairs,)."""
    cause: Floats
    """Of each cause of each open line, shape (lines, causes), paired or alone."""


def believe(pairs: Pairs, second: Floats, side: Ints, late: Floats, lines: Floats) -> Beliefs:
    """Return how likely each pair and each cause is.

    Args:
        pairs: over LEAST.
        second: weight of each open line to be a second entry and to take back a closed one, shape (lines, 2).
        side: BANK or BOOK of each open line.
        late: share of partners that come later than so old a line, by `lags.Waits.later`.
        lines: how many lines each side has, shape (2,).
    """
    count, prior = len(side), np.array(list(COMMON.values()))
    size = np.exp(np.minimum(pairs.weight, _MOST))
    common, missing = np.ones(len(NAMES)), np.ones(2)
    opened = np.bincount(side, minlength=2).astype(float)
    lacking = prior[CODE["missing on one side"]] * opened / np.maximum(lines, 1.0)
    key, way = np.unique(pairs.one * count + pairs.other, return_inverse=True)
    ends, come = (key // count, key % count), np.zeros((2, len(key)))
    for _ in range(_LEARNED):
        alone = np.zeros((count, len(NAMES)))
        alone[:, CODE["missing on one side"]] = missing[side]
        waits = late * (1.0 - lacking[side]) / lacking[side]
        alone[:, CODE["timing"]] = missing[side] * waits
        for place, cause in enumerate(("duplicate", "reversal")):
            alone[:, CODE[cause]] = common[CODE[cause]] * second[:, place]
        each = size * common[pairs.cause]
        # two ways to be one pair are no two pairs: they would hide each other
        whole = np.bincount(way, each, len(key)).astype(float)
        together, come = _messages(ends, whole, alone.sum(axis=1), come)
        pair = together[way] * each / whole[way]
        paired = np.zeros((count, len(NAMES)))
        for line in (pairs.one, pairs.other):
            flat = np.bincount(line * len(NAMES) + pairs.cause, pair, count * len(NAMES))
            paired += flat.reshape(count, len(NAMES))
        left = np.clip(1.0 - paired.sum(axis=1), 0.0, 1.0) / alone.sum(axis=1)
        lonely = alone * left[:, None]
        found = paired + lonely
        seen = found.sum(axis=0)
        seen[CODE["timing"]] -= lonely[:, CODE["timing"]].sum()  # they are weighed by their age
        common = (seen + _PRIOR * prior) / (count + _PRIOR) / prior
        none = np.bincount(side, lonely[:, CODE["missing on one side"]], 2)
        lacking = (none + 0.5) / (lines + 1.0)
        ahead = prior[CODE["missing on one side"]]
        missing = (none + _PRIOR * ahead) / (opened + _PRIOR) / ahead
    return Beliefs(pair, found)


def _messages(ends: tuple[Ints, Ints], size: Floats, alone: Floats, come: Floats) -> tuple[Floats, Floats]:
    """Return how likely each pair is, and the messages: how free each end would be without the pair."""
    for _ in range(_ROUNDS):
        sums = alone + sum(np.bincount(ends[k], size * come[1 - k], len(alone)) for k in (0, 1))
        gone = [1.0 / np.maximum(sums[ends[k]] - size * come[1 - k], alone[ends[k]]) for k in (0, 1)]
        come = np.array(gone).reshape(2, len(size))
    both = size * come[0] * come[1]
    return both / (1.0 + both), come


def sure(pairs: Pairs, beliefs: Beliefs, width: int) -> tuple[Ints, Ints]:
    """Return the partner and the cause of each open line that has one: a pair likelier than not; -1 without one.

    Of no line two pairs are likelier than not, so partners are each other's.

    Args:
        pairs: what may be a pair.
        beliefs: in it.
        width: how many open lines there are.
    """
    key, place = np.unique(pairs.one * width + pairs.other, return_inverse=True)
    whole = np.bincount(place, beliefs.pair, len(key))
    order = np.lexsort((pairs.cause, -beliefs.pair, place))
    first = order[np.unique(place[order], return_index=True)[1]]
    taken: Bools = whole > 0.5  # noqa: PLR2004 - likelier than not
    partner, cause = np.full(width, -1), np.full(width, -1)
    one, other = key[taken] // width, key[taken] % width
    partner[one], partner[other] = other, one
    cause[one] = cause[other] = pairs.cause[first[taken]]
    return partner, cause


def likeliest(beliefs: Beliefs) -> NDArray[np.int64]:
    """Return the likeliest cause of each open line, by code."""
    found: Ints = beliefs.cause.argmax(axis=1).astype(np.int64)
    return found
