"""Whether two names are one: equal, cut short, misspelt, missing, or another one."""

from __future__ import annotations

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
"""Least similarity (rapidfuzz.fuzz.ratio, 0 to 100) of two spellings of one name."""
LEAST: Final = 4
"""Letters that a name cut short must still have."""


def graded(bank: Ints, book: Ints, spelled: NDArray[np.object_]) -> tuple[Ints, Ints]:
    """Grade pairs of names, given by number.

    Returns:
        The grade of each pair; and for each number of a name how many numbers of these pairs it is ALIKE to.
    """
    grade = np.where(bank == book, EQUAL, OTHER)
    grade[(bank == NO_NAME) | (book == NO_NAME)] = UNKNOWN
    unequal = np.flatnonzero(grade == OTHER)
    fitting = np.zeros(len(spelled), np.int64)
    if len(unequal):
        keys, where = np.unique(bank[unequal] * len(spelled) + book[unequal], return_inverse=True)
        left, right = keys // len(spelled), keys % len(spelled)
        alike = _alike(spelled[left], spelled[right])
        grade[unequal] = np.where(alike, ALIKE, OTHER)[where]
        np.add.at(fitting, left[alike], 1)
    return grade, fitting


def _alike(left: NDArray[np.object_], right: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Say of each pair whether one name is the beginning of the other, or a spelling of it."""
    begins = np.fromiter(
        (
            min(len(one), len(other)) >= LEAST and (one.startswith(other) or other.startswith(one))
            for one, other in zip(left, right, strict=True)
        ),
        bool,
        len(left),
    )
    similar = cpdist(list(left), list(right), scorer=fuzz.ratio, score_cutoff=MISSPELT, dtype=np.float32) > 0
    return np.asarray(begins | similar)
