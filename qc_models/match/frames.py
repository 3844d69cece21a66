"""Judge matches that come as tables: lines of two sides, candidates and their members, in columns.

It fits the port of the reconciliation (`Judge`) by its shape. What the judge is served with is what it was trained
with: scores, rivals and margins are worked out anew from the rules, over the candidates and their rivals together, and
single-line candidates name no kinds, as none of the first day's examples does.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qc_models.match.candidates import ranked
from qc_models.match.context import Context
from qc_models.match.judge import MatchJudge
from qc_models.match.pair import Line, Pair, Side

BANK, BOOK = 0, 1
"""How members name the sides."""


class FrameJudge:
    """A MatchJudge over tables."""

    def __init__(self, judge: MatchJudge) -> None:
        self._judge = judge

    @property
    def versions(self) -> dict[str, str]:
        """Return which model speaks (`MatchJudge.versions`)."""
        return self._judge.versions

    def __call__(
        self,
        bank: pd.DataFrame,
        book: pd.DataFrame,
        candidates: pd.DataFrame,
        members: pd.DataFrame,
        rivals: pd.DataFrame,
        rival_members: pd.DataFrame,
    ) -> NDArray[np.float64]:
        """Return P(wrong) of each candidate, shape (candidates,); NaN for those that have lines on one side only.

        Args:
            bank: one row a line, the position names it: account, currency, amount (minor units, money in positive),
                booked, valued (NaT where unknown), reference, end_to_end, text, name, counter_account.
            book: the same.
            candidates: one row a candidate; column alternatives.
            members: columns match (row of candidates), side (BANK or BOOK), line.
            rivals: candidates that want one of the same lines.
            rival_members: their lines.
        """
        sides = lines_of(bank, "B"), lines_of(book, "L")
        own, places = pairs_of(sides, candidates, members)
        others, _ = pairs_of(sides, rivals, rival_members)
        context = Context.of(*sides)
        found = np.full(len(candidates), np.nan)
        if own:
            seen = ranked([*own, *others], context)[: len(own)]
            found[places] = self._judge.judge_all(seen, context).probability_wrong
        return found


def lines_of(side: pd.DataFrame, prefix: str) -> list[Line]:
    """Return the lines of a side; their ids are the prefix and the position."""
    columns = (side[name].tolist() for name in ("currency", "amount", "reference", "end_to_end", "text", "name"))
    days = (_days(side["booked"]), _days(side["valued"]))
    return [
        Line(
            f"{prefix}{number}",
            int(amount),
            currency,
            booked=booked,
            valued=valued,
            structured=(reference,) if reference else (),
            end_to_end=end_to_end,
            remittance=text,
            name=name,
            account=account,
        )
        for number, (currency, amount, reference, end_to_end, text, name, booked, valued, account) in enumerate(
            zip(*columns, *days, side["counter_account"].tolist(), strict=True)
        )
    ]


def pairs_of(
    sides: tuple[Sequence[Line], Sequence[Line]], candidates: pd.DataFrame, members: pd.DataFrame
) -> tuple[list[Pair], list[int]]:
    """Return the candidates that have lines of one currency on either side, and which rows they are."""
    lines: list[tuple[list[Line], list[Line]]] = [([], []) for _ in range(len(candidates))]
    for match, side, line in zip(*(members[name].tolist() for name in ("match", "side", "line")), strict=True):
        lines[match][side].append(sides[side][line])
    pairs, places = [], []
    for place, ((theirs, ours), alternatives) in enumerate(
        zip(lines, candidates["alternatives"].tolist(), strict=True)
    ):
        if _one_currency(theirs) and _one_currency(ours):
            pairs.append(_pair(theirs, ours, int(alternatives)))
            places.append(place)
    return pairs, places


def _pair(bank: list[Line], book: list[Line], alternatives: int) -> Pair:
    sides = Side(tuple(bank)), Side(tuple(book))
    if len(bank) == len(book) == 1:
        return Pair(*sides)
    shared = len(bank) > 1 and all(line.keys for line in bank)
    return Pair(*sides, frozenset({"shared_reference" if shared else "subset_sum"}), alternatives=alternatives)


def _one_currency(lines: list[Line]) -> bool:
    return len({line.currency for line in lines}) == 1


def _days(column: pd.Series) -> list[date | None]:
    values: list[Any] = column.to_numpy("datetime64[D]").tolist()
    return values
