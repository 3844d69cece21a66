"""Whether two names are one: equal, cut short, misspelt, missing, or another one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz
from rapidfuzz.process import cpdist

from bots.reconciliation.matching.coding import NO_NAME

Ints = NDArray[np.int64]

OTHER, UNKNOWN, ALIKE, EQUAL = range(4)
"""Grades: another name; one side has none; cut short or misspelt; the same."""
MISSPELT: Final = 88
"""Least similarity of two spellings of one name, 0 to 100 (rapidfuzz.fuzz.token_set_ratio: in any order, or more)."""
LAST: Final = "\U0010ffff"
LEAST: Final = 4
"""Letters that a name cut short must still have."""


@dataclass(frozen=True)
class Names:
    """The normalised names, by their number."""

    spelled: NDArray[np.object_]
    place: Ints
    """Place of each name in the alphabet."""
    low: Ints
    """Where in the alphabet the names that begin with it begin, and where they end."""
    high: Ints

    @classmethod
    def of(cls, spelled: list[str]) -> Names:
        """Order the names; by code points, so that what begins with a name stands together."""
        texts = np.array(spelled, dtype=object)
        order = np.argsort(texts, kind="stable")
        place = np.empty(len(texts), np.int64)
        place[order] = np.arange(len(texts))
        after = np.searchsorted(texts[order], np.array([text + LAST for text in spelled], dtype=object))
        long = np.array([len(text) >= LEAST for text in spelled], dtype=bool)
        return cls(texts, place, place, np.where(long, after, place))

    def graded(self, bank: Ints, book: Ints) -> Ints:
        """Grade pairs of names, given by number."""
        grade = np.where(bank == book, EQUAL, OTHER)
        grade[(bank == NO_NAME) | (book == NO_NAME)] = UNKNOWN
        unequal = np.flatnonzero(grade == OTHER)
        left, right = bank[unequal], book[unequal]
        begins = self._begins(left, right) | self._begins(right, left)
        grade[unequal[begins]] = ALIKE
        unequal, count = unequal[~begins], len(self.spelled)
        if len(unequal):
            keys, where = np.unique(bank[unequal] * count + book[unequal], return_inverse=True)
            left, right = self.spelled[keys // count], self.spelled[keys % count]
            likeness = cpdist(left.tolist(), right.tolist(), scorer=fuzz.token_set_ratio, score_cutoff=MISSPELT)
            grade[unequal[(likeness > 0)[where]]] = ALIKE
        alike = np.flatnonzero(grade == ALIKE)
        keys, where = np.unique(bank[alike] * count + book[alike], return_inverse=True)
        told = [_numbers_agree(self.spelled[key // count], self.spelled[key % count]) for key in keys.tolist()]
        grade[alike[~np.array(told, dtype=bool)[where]]] = OTHER
        return grade

    def beginning(self, name: Ints, lines: Ints) -> Ints:
        """Count the lines whose names begin with a name; `lines` is how many lines have each name."""
        running = np.r_[0, np.cumsum(lines[np.argsort(self.place)])]
        return np.asarray(running[self.high[name]] - running[self.low[name]])

    def _begins(self, short: Ints, long: Ints) -> NDArray[np.bool_]:
        return np.asarray((self.place[long] > self.low[short]) & (self.place[long] < self.high[short]))


def _numbers_agree(one: str, other: str) -> bool:
    """Say whether no number of either name is missing from the other: shop 12 is no misspelt shop 13."""
    ours, theirs = ({word for word in name.split() if any(map(str.isdigit, word))} for name in (one, other))
    return ours <= theirs or theirs <= ours
