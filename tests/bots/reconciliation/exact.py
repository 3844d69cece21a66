"""A small exact matcher for the tests of what surrounds matching: equal amounts, near days, one line with one line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from bots.reconciliation.matched import BANK, BOOK, MATCH, Matched
from bots.reconciliation.policy import Policy

REFERENCE, AMOUNT = "reference", "amount"
CLOSING = frozenset((REFERENCE,))


@dataclass(frozen=True)
class Edge:
    """One candidate."""

    bank: int
    book: int
    days: int
    kind: str

    @property
    def score(self) -> float:
        """Return what it is worth: an equal reference more than a near day."""
        return (20.0 if self.kind == REFERENCE else 5.0) - 0.1 * abs(self.days)


def match(bank: pd.DataFrame, book: pd.DataFrame, policy: Policy, closing: frozenset[str]) -> Matched:
    """Match equal amounts of one account within the policy's days, as calendar days; of equal lines the k-th first."""
    won: list[Edge] = []
    lost: list[Edge] = []
    rivals: dict[Edge, int] = {}
    for edges in _pots(bank, book, policy):
        chosen = _best(edges)
        for edge in edges:
            rivals[edge] = sum((edge.bank == other.bank) + (edge.book == other.book) for other in edges) - 2
            (won if edge in chosen else lost).append(edge)
    return Matched(_table(won, rivals, closing), _members(won), _table(lost, rivals, frozenset()), _members(lost))


def _pots(bank: pd.DataFrame, book: pd.DataFrame, policy: Policy) -> Iterator[list[Edge]]:
    """Yield the candidates of lines of one account and amount: no line of one pot has a candidate in another."""
    pots: dict[tuple[str, str, int], tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    sides = []
    for side, lines in ((BANK, bank), (BOOK, book)):
        days = lines["valued"].fillna(lines["booked"]).to_numpy().astype("datetime64[D]").astype(int).tolist()
        sides.append((days, lines["reference"].tolist()))
        keys = zip(lines["account"].tolist(), lines["currency"].tolist(), lines["amount"].tolist(), strict=True)
        for at, key in enumerate(keys):
            pots[key][side].append(at)
    (days, references), (others, theirs) = sides
    for of_bank, of_book in pots.values():
        yield [
            Edge(at, to, days[at] - others[to], REFERENCE if references[at] == theirs[to] != "" else AMOUNT)
            for at in of_bank
            for to in of_book
            if policy.earliest <= days[at] - others[to] <= policy.latest
        ]


def _best(edges: list[Edge]) -> set[Edge]:
    banks, books = sorted({one.bank for one in edges}), sorted({one.book for one in edges})
    gain = np.zeros((len(banks), len(books)))
    by_place = {}
    for one in edges:
        place = banks.index(one.bank), books.index(one.book)
        gain[place] = one.score - 1e-6 * abs(place[0] - place[1])
        by_place[place] = one
    places = zip(*(axis.tolist() for axis in linear_sum_assignment(gain, maximize=True)), strict=True)
    return {by_place[place] for place in places if place in by_place}


def _table(edges: Iterable[Edge], rivals: dict[Edge, int], closing: frozenset[str]) -> pd.DataFrame:
    rows = [
        {
            "kind": one.kind,
            "difference": 0,
            "days": one.days,
            "score": one.score,
            "margin": np.inf if rivals[one] == 0 else 1.0,
            "rivals": rivals[one],
            "alternatives": 0,
            "runner_up": -1,
            "closed": rivals[one] == 0 and one.kind in closing,
        }
        for one in edges
    ]
    return pd.DataFrame(rows, columns=list(MATCH)).astype(MATCH)


def _members(edges: Iterable[Edge]) -> pd.DataFrame:
    rows = [(at, side, line) for at, one in enumerate(edges) for side, line in ((BANK, one.bank), (BOOK, one.book))]
    return pd.DataFrame(rows, columns=["match", "side", "line"], dtype="int64")
