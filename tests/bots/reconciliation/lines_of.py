"""Sides for tests: a few lines, of which only what matters is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from bots.reconciliation.matched import BANK, SIDE
from bots.reconciliation.matching.candidates import Candidates
from bots.reconciliation.matching.groups import group_candidates
from bots.reconciliation.policy import Policy

_USUAL = {"account": "A", "currency": "EUR", "valued": pd.NaT, "booked": "2025-03-03", "reversal": False}


def side(*lines: Mapping[str, object]) -> pd.DataFrame:
    """Return a side with columns of SIDE; a line says what differs from the usual."""
    given = [{**dict.fromkeys(SIDE, ""), **_USUAL, **line} for line in lines]
    return pd.DataFrame(given, columns=list(SIDE)).astype(SIDE)


def candidates(
    bank: Sequence[Mapping[str, object]], book: Sequence[Mapping[str, object]], policy: Policy | None = None
) -> Candidates:
    """Return the candidates of two sides of which every line is open."""
    everything = np.arange(len(bank)), np.arange(len(book))
    return group_candidates(side(*bank), side(*book), *everything, policy or Policy())


def found(of: Candidates, kind: str) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Return the lines of each candidate of a kind: the bank's, and the books'."""
    groups = []
    for row in of.rows.index[of.rows["kind"] == kind]:
        held = of.members[of.members["candidate"] == row]
        ours = held["side"] == BANK
        groups.append((tuple(held.loc[ours, "line"]), tuple(held.loc[~ours, "line"])))
    return groups
