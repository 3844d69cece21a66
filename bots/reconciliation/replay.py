"""What a changed definition would do to the history of a reconciliation: every line that stands, matched twice.

Matches of people stay whatever a definition says; they are named where the definitions would not agree with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bots.reconciliation.gate import Evidence, own_evidence
from bots.reconciliation.matched import BANK, BOOK, SIDE
from bots.reconciliation.ports import OpenItems
from bots.reconciliation.reading import Side, Sides
from bots.reconciliation.sides import ORIGIN
from bots.reconciliation.what_if import Lines
from engine.errors import UserError
from engine.open_items import PAST


@dataclass(frozen=True)
class History:
    """The past of a reconciliation, as two sides."""

    sides: Sides
    """Every line that stands, by day."""
    confirmed: list[Lines]
    """The lines of each closed match that a person made or accepted."""
    refused: list[Lines]
    """The lines of each match that a person rejected or undid, if all stand: it is not made again by any definition."""
    evidence: list[Evidence]
    """What those say of kinds of evidence, as in daily use."""


def history(items: OpenItems) -> History:
    """Return the past of a reconciliation.

    Raises:
        UserError: it has no lines yet.
    """
    with items.past() as past:
        parts = [_part(part) for part in past.lines]
    if not parts:
        raise UserError(f"{items.name} has no lines yet: take in a delivery with `runner.py reconciliation receive`")
    lines = pd.concat(parts, ignore_index=True)
    day = lines["valued"].fillna(lines["booked"]).to_numpy()
    lines = lines.iloc[np.lexsort((lines["id"].to_numpy(), day))].reset_index(drop=True)
    lines["line"] = lines.groupby("side").cumcount()
    bank, book = (Side((), _side(lines[lines["side"] == side]), ()) for side in (BANK, BOOK))
    said = f"{items.name}: {len(bank.lines):,} lines of the bank and {len(book.lines):,} of the books, matched twice"
    own = own_evidence(items.reviewed())
    return History(
        sides=Sides(bank, book, (said,)),
        confirmed=_sets(lines[lines["match_id"].isin(past.confirmed)]),
        refused=_placed(lines, past.refused),
        evidence=own,
    )


def _part(columns: Sequence[Sequence[Any]]) -> pd.DataFrame:
    """Return lines as a frame: columns of PAST, as SIDE has them; a line in no match has match 0."""
    found = dict(zip(PAST, columns, strict=True)) | {"match_id": [of or 0 for of in columns[PAST.index("match_id")]]}
    return pd.DataFrame({name: pd.Series(found[name], dtype=SIDE.get(name, "int64")) for name in PAST})


def _sets(lines: pd.DataFrame) -> list[Lines]:
    """Return side and line of each, by match."""
    found: dict[int, set[tuple[int, int]]] = {}
    for match, *one in zip(*(lines[name].tolist() for name in ("match_id", "side", "line")), strict=True):
        found.setdefault(int(match), set()).add((one[0], one[1]))
    return [frozenset(found[match]) for match in sorted(found)]


def _placed(lines: pd.DataFrame, of: Sequence[tuple[int, ...]]) -> list[Lines]:
    """Return side and line of sets of line ids, of those that stand whole."""
    wanted = {one for ids in of for one in ids}
    mine = lines[lines["id"].isin(wanted)]
    rows = zip(*(mine[name].tolist() for name in ("id", "side", "line")), strict=True)
    place = {one: (side, line) for one, side, line in rows}
    return [frozenset(place[one] for one in ids) for ids in of if place.keys() >= set(ids)]


def _side(lines: pd.DataFrame) -> pd.DataFrame:
    """Return columns of SIDE and ORIGIN; what a delivery said of its file is not kept with its lines."""
    delivery = lines["delivery"].astype("category")
    names = delivery.cat.categories.astype("str")
    told = lines.assign(
        file=delivery.cat.rename_categories([f"delivery {name}" for name in names]).astype("str"),
        sha256=pd.Series("", lines.index, dtype="str"),
        statement=lines["delivery"],
        own_account=lines["account"],
    )
    return told[[*SIDE, *ORIGIN]].reset_index(drop=True)
