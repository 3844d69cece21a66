"""What reviewers said so far: of which lines of the bank, and with which lines of the books they belong."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bots.reconciliation.matched import BANK, BOOK, SIDE
from bots.reconciliation.ports import OpenItems
from engine.open_items import MatchRow, OpenLine

Ints = NDArray[np.int64]
_SUGGEST, _OF = 3, 8
"""Three decisions in eight suggest and five test: three that agree suggest a rule, five are needed to prove that it is
right more often than wrong (bound under 0.5 at 95 %)."""


@dataclass(frozen=True)
class Case:
    """What reviewers said of one line of the bank."""

    bank: int
    """Its position, as all positions in the sides of the history."""
    partner: int | None
    """The line of the books that a person found it to belong with; None while nobody did."""
    refused: frozenset[int]
    """Lines of the books with which a person found it not to belong."""
    suggests: bool
    """Whether it may suggest rules; the others are what rules are tested on."""


@dataclass(frozen=True)
class History:
    """All lines that stand, and what was said of them."""

    bank: pd.DataFrame
    """Columns of SIDE."""
    book: pd.DataFrame
    free: Ints
    """Lines of the books that matching did not close by itself: what a rule has to choose among."""
    cases: tuple[Case, ...]
    decisions: int
    """Decided matches, those of several lines included, which teach nothing here."""


def history(items: OpenItems) -> History:
    """Return what reviewers said of matches of one line with one line.

    Closed matches that a person made or accepted are right; rejected and undone ones are wrong. Where a line of the
    bank was matched anew after a rejection, both are kept.
    """
    standing = items.lines(everything=True)
    sides: list[list[OpenLine]] = [[one for one in standing if one.side == side] for side in (BANK, BOOK)]
    place = {one.id: at for side in sides for at, one in enumerate(side)}
    closed = items.matches(["closed"])
    decided = [one for one in closed if one.manual], items.matches(["rejected", "undone"])
    partner = dict(_pairs(decided[0], place))
    refused: dict[int, set[int]] = defaultdict(set)
    for one, other in _pairs(decided[1], place):
        refused[one].add(other)
    cases = [
        Case(at, partner.get(at), frozenset(refused[at]) - {partner.get(at, -1)}, _suggests(sides[BANK][at]))
        for at in sorted(partner.keys() | refused.keys())
    ]
    alone = {one.id for one in closed if not one.manual}
    free = [at for at, one in enumerate(sides[BOOK]) if one.match_id not in alone]
    bank, book = (
        pd.DataFrame([{name: getattr(one.facts, name) for name in SIDE} for one in side], columns=list(SIDE))
        for side in sides
    )
    count = sum(map(len, decided))
    return History(bank.astype(SIDE), book.astype(SIDE), np.array(free, np.int64), tuple(cases), count)


def _pairs(rows: Sequence[MatchRow], place: Mapping[int, int]) -> list[tuple[int, int]]:
    """Return the lines of matches of one line with one line, oldest first, as far as they still stand."""
    found = []
    for row in reversed(rows):
        of = [[one.id for one in row.lines if one.side == side and one.id in place] for side in (BANK, BOOK)]
        if len(of[0]) == len(of[1]) == 1 and len(row.lines) == 2:  # noqa: PLR2004 - a pair
            found.append((place[of[0][0]], place[of[1][0]]))
    return found


def _suggests(line: OpenLine) -> bool:
    """Say, by a hash of what a line says, whether it is of the part that suggests: the same on every machine."""
    return hashlib.sha256(f"{line.facts} {line.occurrence}".encode()).digest()[0] % _OF < _SUGGEST
