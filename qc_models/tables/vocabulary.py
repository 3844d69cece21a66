"""What a misspelt value was probably meant to be: another value of its column, or its own words spelt as elsewhere.

A candidate's chance is its share of all that the value may have been meant to be: a word with one neighbour is a safe
guess, a number with one digit illegible is none. Digits are never changed, for one number is as good as its neighbour.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from qc_models.tables.columns import Column, Floats

_WORD = re.compile(r"[^\W\d_]+")
_SHARE = 0.2
_SHORTEST = 4
_MOST_EDITS = 6
_RARER = 2.0
_Key = TypeVar("_Key", bound=Hashable)


@dataclass(frozen=True)
class Meant:
    """What a value was probably meant to be, how likely, how many edits away, and in how many rows it stands."""

    value: str
    chance: float
    edits: int
    rows: int


class Vocabulary:
    """The values and words of one column; `trust` weighs its rows, one number each."""

    def __init__(self, column: Column, trust: Floats) -> None:
        self._column = column
        self._weight = np.bincount(column.codes, weights=trust, minlength=len(column.distinct))

    def value(self, code: int) -> Meant | None:
        """Return the value that a distinct value is a misspelling of."""
        one = self._column
        own = one.distinct[code]
        found = {
            index: int(distance)
            for _, distance, index in process.extract(
                own, one.distinct, scorer=Levenshtein.distance, score_cutoff=_cutoff(own), limit=None
            )
            if index != code and not one.missing[index]
        }
        best = _best({index: (distance, float(self._weight[index])) for index, distance in found.items()})
        if best is None or _digits(one.distinct[best[0]]) != _digits(own) or self._weight[code] * _RARER > best[1]:
            return None
        index, weight, share = best
        return Meant(one.distinct[index], share * weight / (weight + 1.0), found[index], int(one.counts[index]))

    def words(self, code: int) -> Meant | None:
        """Return a value with its misspelt words mended, if any is misspelt and all can be."""
        own = self._column.distinct[code]
        chance, edits, rows = 1.0, 0, self._column.size

        def mend(match: re.Match[str]) -> str:
            nonlocal chance, edits, rows
            word = match[0]
            found = self._mended(word)
            if found is None:
                return word
            chance, edits, rows = chance * found.chance, edits + found.edits, min(rows, found.rows)
            return found.value

        mended = _WORD.sub(mend, own)
        return Meant(mended, chance, edits, rows) if mended != own else None

    def _mended(self, word: str) -> Meant | None:
        if len(word) < _SHORTEST:
            return None
        own = self._words.get(word, 0.0)
        found = {
            other: (int(distance), self._words[other])
            for other, distance, _ in process.extract(
                word, self._words.keys(), scorer=Levenshtein.distance, score_cutoff=_cutoff(word), limit=None
            )
            if other != word and len(other) >= _SHORTEST
        }
        best = _best(found)
        if best is None or own * _RARER > best[1]:
            return None
        other, weight, share = best
        return Meant(other, share * weight / (weight + 1.0), found[other][0], round(weight))

    @cached_property
    def _words(self) -> dict[str, float]:
        words: dict[str, float] = defaultdict(float)
        for value, weight in zip(self._column.distinct, self._weight, strict=True):
            for word in set(_WORD.findall(value)):
                words[word] += float(weight)
        return dict(words)


def _best(found: Mapping[_Key, tuple[int, float]]) -> tuple[_Key, float, float] | None:
    """Return the heaviest of the nearest with its weight and its share of the weight of all the nearest."""
    if not found:
        return None
    least = min(edits for edits, _ in found.values())
    nearest = {key: weight for key, (edits, weight) in found.items() if edits == least}
    best = max(nearest, key=nearest.__getitem__)
    total = sum(nearest.values())
    return (best, nearest[best], nearest[best] / total) if total > 0 else None


def _cutoff(value: str) -> int:
    return max(1, min(int(_SHARE * len(value)), _MOST_EDITS))


def _digits(value: str) -> str:
    return "".join(character for character in value if character.isdigit())
