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
from engine.errors import UserError

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


def code(connection: duckdb.DuckDBPyConnection, country: str | None) -> tuple[Coded, Coded, list[str]]:
    """Code both sides; the tables `bank` and `book` have the columns of SIDE.

    Returns:
        Both sides, and the normalised names by their number.

    Raises:
        UserError: there is no calendar of that country, or a line has no day.
    """
    spelled, number = _names(connection)
    sides = []
    for table, names in zip(("bank", "book"), number, strict=True):
        columns = connection.sql(
            f"""
            SELECT hash(account, currency) AS pot, amount,
                datediff('day', DATE '1970-01-01', CAST(coalesce(valued, booked) AS DATE)) AS date,
                CASE WHEN reference = '' THEN 0 ELSE hash(account, currency, amount, reference) END AS exact
            FROM {table}
            """  # noqa: S608 (one of two fixed names)
        ).fetchnumpy()
        sides.append(
            Coded(
                columns["pot"],
                columns["amount"],
                _business(columns["date"], country),
                np.asarray(columns["date"], np.int64),
                np.asarray(columns["exact"], np.uint64),
                names,
            )
        )
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


def _business(date: NDArray[np.integer], country: str | None) -> Ints:
    """Number days (since 1970-01-01) by business days."""
    if np.ma.is_masked(date):
        raise UserError("a line has no day of booking: a reader must give every line one")
    if not len(date):
        return np.zeros(0, np.int64)
    first, last = int(date.min()), int(date.max())
    return days.ordinals(np.arange(first, last + 1).astype("datetime64[D]"), country)[
        np.asarray(date, np.int64) - first
    ]


def _names(connection: duckdb.DuckDBPyConnection) -> tuple[list[str], tuple[Ints, Ints]]:
    """Normalise each distinct name once: no accents, capitals, letters and digits, single spaces."""
    coded = []
    for table in ("bank", "book"):
        column = connection.sql(f"SELECT name FROM {table}").to_arrow_table()["name"]  # noqa: S608 (as above)
        coded.append(column.combine_chunks().dictionary_encode())
    given = pd.Series([text for one in coded for text in one.dictionary.to_pylist()], dtype="str")
    connection.register("given", pd.DataFrame({"name": given}))
    plain = connection.sql(
        r"SELECT trim(regexp_replace(upper(strip_accents(name)), '[^\p{L}\p{N}]+', ' ', 'g')) AS name FROM given"
    ).to_arrow_table()["name"]
    connection.unregister("given")
    number, spelled = pd.factorize(pd.Series(["", *plain.to_pylist()], dtype="str"))
    cut = 1 + len(coded[0].dictionary)
    parts = (number[1:cut], number[cut:])
    return list(spelled), tuple(
        np.asarray(part, np.int64)[one.indices.to_numpy()] for part, one in zip(parts, coded, strict=True)
    )
