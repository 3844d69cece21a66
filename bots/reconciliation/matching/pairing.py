"""Pairs of lines that may belong together, by reference or by amount, and what each pair has in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bots.reconciliation.matching import references
from bots.reconciliation.matching.coding import Bools, Coded, Ints
from bots.reconciliation.matching.view import in_order
from bots.reconciliation.policy import Policy

SAME, NORMALISED, SLIPPED, NONE, OTHER = range(5)
"""Grades of references: the same; the same when normalised; a few slips apart; one side has none; another one."""
FAR: Final = references.SLIPS + 1


@dataclass(frozen=True)
class Pairs:
    """Candidates of one line of the bank and one of the books, sorted by both."""

    bank: Ints
    book: Ints
    reference: Ints
    """Grade."""
    slips: Ints
    """Slips between the references, FAR where that is not known to be less."""

    def __len__(self) -> int:
        return len(self.bank)

    def where(self, wanted: Bools) -> Pairs:
        """Return some of them."""
        return Pairs(self.bank[wanted], self.book[wanted], self.reference[wanted], self.slips[wanted])


def joined(one: Pairs, other: Pairs) -> Pairs:
    """Return all, sorted; a pair that is in both is kept as `one` has it."""
    bank, book = np.r_[one.bank, other.bank], np.r_[one.book, other.book]
    order = in_order(bank, book, np.repeat((0, 1), (len(one), len(other))))
    first = np.r_[True, (np.diff(bank[order]) != 0) | (np.diff(book[order]) != 0)] if len(order) else order > 0
    kept = order[first]
    return Pairs(
        bank[kept], book[kept], np.r_[one.reference, other.reference][kept], np.r_[one.slips, other.slips][kept]
    )


def exact(connection: duckdb.DuckDBPyConnection, bank: Coded, book: Coded) -> Pairs:
    """Return the pairs of the same pot, reference and amount."""
    connection.register("bank_key", pd.DataFrame({"line": np.arange(len(bank.exact)), "key": bank.exact}))
    connection.register("book_key", pd.DataFrame({"line": np.arange(len(book.exact)), "key": book.exact}))
    found = connection.sql(
        """
        SELECT bank_key.line AS bank, book_key.line AS book
        FROM bank_key JOIN book_key ON bank_key.key = book_key.key AND bank_key.key <> 0
        """
    ).fetchnumpy()
    for side in ("bank", "book"):
        connection.unregister(f"{side}_key")
    left, right = _numbers(found["bank"]), _numbers(found["book"])
    order = np.argsort(left * len(book.exact) + right)
    return Pairs(left[order], right[order], np.full(len(order), SAME), np.zeros(len(order), np.int64))


def open_lines(
    connection: duckdb.DuckDBPyConnection,
    frames: tuple[pd.DataFrame, pd.DataFrame],
    coded: tuple[Coded, Coded],
    still: tuple[Bools, Bools],
) -> None:
    """Make the tables of the lines that are still open, with their references taken apart."""
    for table, frame, side, wanted in zip(("bank", "book"), frames, coded, still, strict=True):
        line = np.flatnonzero(wanted)
        rows = pd.DataFrame(
            {
                "line": line,
                "pot": side.pot[line],
                "amount": side.amount[line],
                "day": side.day[line],
                "reference": frame["reference"].array.take(line),
            }
        )
        connection.register("rows", rows)
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {table}_open AS SELECT * FROM rows")  # noqa: S608
        connection.unregister("rows")
    references.prepare(connection)


def by_number(connection: duckdb.DuckDBPyConnection, policy: Policy) -> Pairs:
    """Return open pairs whose references have their main number in common, of one amount or a fee apart."""
    found = connection.sql(
        rf"""
        WITH pair AS (
            SELECT bank.line AS bank, book.line AS book, bank.spaced AS left_text, book.spaced AS right_text,
                left_text = right_text AS same,
                list_has_all(bank.numbers, book.numbers) OR list_has_all(book.numbers, bank.numbers) AS counted
            FROM bank_reference AS bank JOIN book_reference AS book ON bank.key = book.key
            WHERE bank.day - book.day BETWEEN {policy.earliest} AND {policy.latest}
                AND book.amount - bank.amount BETWEEN 0
                    AND CASE WHEN book.amount = bank.amount THEN 0
                        ELSE {policy.fee_fixed} + {policy.fee_share} * abs(book.amount) END
        ), lettered AS (
            SELECT bank, book, regexp_extract_all(left_text, '[^ 0-9]+') AS left_letters,
                regexp_extract_all(right_text, '[^ 0-9]+') AS right_letters
            FROM pair WHERE counted AND NOT same
        ), agreed AS (
            SELECT bank, book FROM lettered
            WHERE len(left_letters) = 0 OR len(right_letters) = 0 OR list_has_any(left_letters, right_letters)
        )
        SELECT bank, book, same, agreed.bank IS NOT NULL AS agree
        FROM pair LEFT JOIN agreed USING (bank, book) ORDER BY bank, book
        """  # noqa: S608 (numbers of the policy)
    ).fetchnumpy()
    same, agree = np.asarray(found["same"], bool), np.asarray(found["agree"], bool)
    grade = np.where(same, SAME, np.where(agree, NORMALISED, SLIPPED))
    return Pairs(_numbers(found["bank"]), _numbers(found["book"]), grade, np.where(grade == SLIPPED, 1, 0))


def forget(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop the tables of open lines."""
    for side in ("bank", "book"):
        connection.unregister(f"{side}_still")
        for table in ("reference", "open"):
            connection.execute(f"DROP TABLE IF EXISTS {side}_{table}")


def alone(connection: duckdb.DuckDBPyConnection, still: tuple[Bools, Bools]) -> tuple[Bools, Bools]:
    """Say of the lines of both sides which share their main number with no other open line of their side."""
    found = []
    for side, lines in zip(("bank", "book"), still, strict=True):
        keys = connection.sql(f"SELECT line, key FROM {side}_reference WHERE key IS NOT NULL").fetchnumpy()  # noqa: S608
        of = lines[keys["line"]]
        _, where, count = np.unique(keys["key"][of], return_inverse=True, return_counts=True)
        single = np.zeros(len(lines), bool)
        single[keys["line"][of]] = count[where] == 1
        found.append(single)
    return found[0], found[1]


def by_amount(connection: duckdb.DuckDBPyConnection, policy: Policy, still: tuple[Bools, Bools]) -> Pairs:
    """Return open pairs of one amount within the window whose references do not contradict each other."""
    for table, wanted in zip(("bank", "book"), still, strict=True):
        connection.register(f"{table}_still", pd.DataFrame({"line": np.flatnonzero(wanted)}))
    found = connection.sql(
        f"""
        SELECT bank.line AS bank, book.line AS book
        FROM (SELECT line, day, hash(pot, amount) AS key FROM bank_open SEMI JOIN bank_still USING (line)) AS bank
        JOIN (SELECT line, day, hash(pot, amount) AS key FROM book_open SEMI JOIN book_still USING (line)) AS book
            ON bank.key = book.key
        WHERE bank.day - book.day BETWEEN {policy.earliest} AND {policy.latest}
        ORDER BY ALL
        """  # noqa: S608
    ).fetchnumpy()
    bank, book = _numbers(found["bank"]), _numbers(found["book"])
    grade, apart = np.full(len(bank), NONE), np.full(len(bank), FAR)
    both, left, right = _squeezed(connection, bank, book)
    apart[both] = references.slips(left, right)
    grade[both] = np.where(apart[both] == 0, SAME, np.where(apart[both] <= references.SLIPS, SLIPPED, OTHER))
    return Pairs(bank, book, grade, apart).where(grade != OTHER)


def _squeezed(connection: duckdb.DuckDBPyConnection, bank: Ints, book: Ints) -> tuple[Ints, list[str], list[str]]:
    """Return the pairs whose lines both have a reference, and the references without spaces."""
    connection.register("pair", pd.DataFrame({"place": np.arange(len(bank)), "bank": bank, "book": book}))
    found = connection.sql(
        """
        SELECT place, replace(one.spaced, ' ', '') AS bank, replace(other.spaced, ' ', '') AS book
        FROM pair
            JOIN bank_reference AS one ON pair.bank = one.line
            JOIN book_reference AS other ON pair.book = other.line
        WHERE one.spaced <> '' AND other.spaced <> ''
        """
    ).fetchnumpy()
    connection.unregister("pair")
    return _numbers(found["place"]), list(found["bank"]), list(found["book"])


def _numbers(column: NDArray[np.generic]) -> Ints:
    return np.asarray(column, np.int64)
