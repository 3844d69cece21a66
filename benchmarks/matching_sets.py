"""Frozen sets of the matching benchmark: a bank statement and a ledger with their truth, as Parquet in one folder.

Tables: `bank` and `ledger` (id, account, currency, date, amount_cents, reference, description, counterparty), `truth`
(a row a true pair), `breaks` (side, id, kind: lines that have no partner), `bankclass` and `ledclass` (id, class_id:
lines that look the same share a class, and either of them is a right partner).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bots.reconciliation.matched import BANK, SIDE, Matched

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Truth:
    """What is right, by line and by class of lines that look the same."""

    classes: tuple[Ints, Ints]
    """Class of each line, bank and book."""
    pairs: pd.Series
    """How many true pairs two classes have, by bank class * 2**32 + book class."""
    total: int
    broken: tuple[NDArray[np.bool_], NDArray[np.bool_]]
    """Lines that have no partner, bank and book."""


def _side(raw: pd.DataFrame, day: str) -> pd.DataFrame:
    """Return the columns of a side; texts that a set does not have are empty."""
    renamed = raw.rename(
        columns={day: "booked", "amount_cents": "amount", "description": "text", "counterparty": "name"}
    )
    columns: dict[str, Any] = {}
    for name, kind in SIDE.items():
        if name in renamed and name != "bank_id":
            columns[name] = renamed[name].astype(pd.api.types.pandas_dtype(kind))
        elif kind == "str":
            columns[name] = pd.Series(np.full(len(raw), "", dtype=object), dtype="str")
        elif kind == "bool":
            columns[name] = np.zeros(len(raw), dtype=bool)
        else:
            columns[name] = pd.Series(np.full(len(raw), "NaT", dtype=kind))
    return pd.DataFrame(columns)


def load(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read both sides of a set as the matcher wants them."""
    names = ["account", "currency", "amount_cents", "reference", "description", "counterparty"]
    bank = pd.read_parquet(folder / "bank.parquet", columns=[*names, "value_date"])
    book = pd.read_parquet(folder / "ledger.parquet", columns=[*names, "posting_date"])
    return _side(bank, "value_date"), _side(book, "posting_date")


def truth(folder: Path) -> Truth:
    """Read what is right."""
    numbers, classes, broken = [], [], []
    breaks = pd.read_parquet(folder / "breaks.parquet")
    for table, side, column, other in (
        ("bank", "bank", "bank_id", "bankclass"),
        ("ledger", "ledger", "ledger_id", "ledclass"),
    ):
        ids = pd.Index(pd.read_parquet(folder / f"{table}.parquet", columns=[column])[column])
        of = pd.read_parquet(folder / f"{other}.parquet").set_index(column).class_id.reindex(ids).to_numpy(np.int64)
        numbers.append(ids)
        classes.append(of)
        broken.append(np.asarray(ids.isin(breaks.id[breaks.side == side])))
    rows = pd.read_parquet(folder / "truth.parquet", columns=["bank_id", "ledger_id"])
    key = _key(
        classes[0][numbers[0].get_indexer(pd.Index(rows.bank_id))],
        classes[1][numbers[1].get_indexer(pd.Index(rows.ledger_id))],
    )
    return Truth((classes[0], classes[1]), pd.Series(key).value_counts(sort=False), len(rows), (broken[0], broken[1]))


def _key(bank: Ints, book: Ints) -> Ints:
    return bank * 2**32 + book


def pairs(matched: Matched) -> pd.DataFrame:
    """Return the pairs that the matches stand for: every bank line of a match with every line of its book side."""
    of_bank = matched.members.side.to_numpy() == BANK
    left = matched.members.loc[of_bank, ["match", "line"]]
    right = matched.members.loc[~of_bank, ["match", "line"]]
    both: pd.DataFrame = left.merge(right, on="match", suffixes=("_bank", "_book"))
    return both.assign(
        kind=matched.matches.kind.to_numpy()[both.match.to_numpy()],
        closed=matched.matches.closed.to_numpy()[both.match.to_numpy()],
    )


def right(bank: Ints, book: Ints, true: Truth) -> NDArray[np.bool_]:
    """Say of each pair whether it is right; of lines that look the same, as many as are true are."""
    key = pd.Series(_key(true.classes[0][bank], true.classes[1][book]))
    nth = key.groupby(key).cumcount().to_numpy()
    return np.asarray(nth < true.pairs.reindex(key).fillna(0).to_numpy())
