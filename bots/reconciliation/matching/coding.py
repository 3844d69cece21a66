"""Text to numbers, once: what lines are compared by, as columns of integers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bots.reconciliation.matched import SIDE
from bots.reconciliation.matching import days

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Hashes = NDArray[np.uint64]

NO_NAME = 0
SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)
"""An odd number by which hashes are multiplied before something is added."""


@dataclass(frozen=True)
class Coded:
    """One side in columns of integers, one value a line."""

    pot: Hashes
    """Hash of account and currency: lines of different pots never meet."""
    amount: Ints
    """Minor units."""
    day: Ints
    """Running number of the business day; a day off counts as the one before it."""
    date: Ints
    """Calendar day since 1970-01-01."""
    exact: Hashes
    """Hash of pot, amount and reference; 0 where there is no reference."""
    name: Ints
    """Number of the normalised name, the same on both sides; NO_NAME where there is none."""


def code(
    connection: duckdb.DuckDBPyConnection, frames: tuple[pd.DataFrame, pd.DataFrame], country: str | None
) -> tuple[Coded, Coded, list[str]]:
    """Code both sides, columns of SIDE; DuckDB knows them as the tables `bank` and `book`.

    Returns:
        Both sides, and the normalised names by their number.

    Raises:
        UserError: there is no calendar of that country, or a line has no day.
    """
    spelled, number = _names(connection, frames)
    sides = []
    for table, frame, names in zip(("bank", "book"), frames, number, strict=True):
        columns = connection.sql(
            f"""
            SELECT pot, CASE WHEN reference = '' THEN 0 ELSE hash(pot, amount, reference) END AS exact
            FROM (SELECT hash(account, currency) AS pot, amount, reference FROM {table})
            """  # noqa: S608 (one of two fixed names)
        ).fetchnumpy()
        date = frame["valued"].fillna(frame["booked"]).to_numpy().astype("datetime64[D]")
        exact = np.asarray(columns["exact"], np.uint64)
        ordinal = days.ordinals(date, country)
        sides.append(Coded(columns["pot"], frame["amount"].to_numpy(), ordinal, date.astype(np.int64), exact, names))
    return sides[0], sides[1], spelled


def looks(connection: duckdb.DuckDBPyConnection, frame: pd.DataFrame, coded: Coded, line: Ints) -> Hashes:
    """Hash everything that can be seen of some lines but the bank's own id: those of one look are interchangeable.

    Account, currency, amount, day and name tell most lines apart; only the others are looked at in full.
    """
    look = coded.pot[line].copy()
    for column in (coded.amount, coded.date, coded.name):
        look = look * SPREAD + column[line].astype(np.uint64)
    several = np.flatnonzero(pd.Series(look).duplicated(keep=False))
    connection.register("seen", frame.take(line[several]).drop(columns="bank_id"))
    found = connection.sql(f"SELECT hash({', '.join(name for name in SIDE if name != 'bank_id')}) AS look FROM seen")  # noqa: S608
    look[several] = found.fetchnumpy()["look"]
    connection.unregister("seen")
    return look


def _names(
    connection: duckdb.DuckDBPyConnection, frames: tuple[pd.DataFrame, pd.DataFrame]
) -> tuple[list[str], tuple[Ints, Ints]]:
    """Normalise each distinct name once: no accents, capitals, letters and digits, single spaces."""
    (left, given), (right, more) = (pd.factorize(frame["name"]) for frame in frames)
    connection.register("given", pd.DataFrame({"name": given.append(more)}))
    plain = connection.sql(
        r"SELECT trim(regexp_replace(upper(strip_accents(name)), '[^\p{L}\p{N}]+', ' ', 'g')) AS name FROM given"
    ).to_arrow_table()["name"]
    connection.unregister("given")
    number, spelled = pd.factorize(pd.Series(["", *plain.to_pylist()], dtype="str"))
    number = np.asarray(number, np.int64)
    return list(spelled), (number[1 + left], number[1 + len(given) + right])
