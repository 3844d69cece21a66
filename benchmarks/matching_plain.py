"""The plain way to match in SQL: four passes over what is still open, the nearest day wins where both sides agree.

Reference and amount; the reference's last number and amount; amount and name within the window; amount within the
window. It is what a careful analyst writes in an afternoon, and the yardstick of speed.
"""

from __future__ import annotations

import duckdb
import pandas as pd

WINDOW = 10
"""Days before and after."""
_PASSES = (
    "bank.reference <> '' AND bank.reference = book.reference",
    "bank.number <> '' AND bank.number = book.number",
    f"bank.party <> '' AND bank.party = book.party AND abs(bank.day - book.day) <= {WINDOW}",
    f"abs(bank.day - book.day) <= {WINDOW}",
)
_SIDE = r"""
    CREATE TEMP TABLE {side} AS
    SELECT row_number() OVER () - 1 AS line, account, currency, amount, reference,
        datediff('day', DATE '1970-01-01', CAST(booked AS DATE)) AS day,
        ltrim(regexp_extract(translate(upper(reference), 'O', '0'), '([0-9]+)[^0-9]*$', 1), '0') AS number,
        upper(name) AS party
    FROM {side}_frame
"""


def match(bank: pd.DataFrame, book: pd.DataFrame) -> pd.DataFrame:
    """Return pairs: columns bank, book (line numbers) and step (0 to 3)."""
    with duckdb.connect() as connection:
        connection.register("bank_frame", bank)
        connection.register("book_frame", book)
        for side in ("bank", "book"):
            connection.execute(_SIDE.format(side=side))
        connection.execute("CREATE TEMP TABLE pair (bank BIGINT, book BIGINT, step INTEGER)")
        for step, condition in enumerate(_PASSES):
            connection.execute(
                f"""
                INSERT INTO pair
                WITH candidate AS (
                    SELECT bank.line AS bank, book.line AS book, abs(bank.day - book.day) AS apart
                    FROM (SELECT * FROM bank ANTI JOIN pair ON bank.line = pair.bank) AS bank
                    JOIN (SELECT * FROM book ANTI JOIN pair ON book.line = pair.book) AS book
                        ON bank.account = book.account AND bank.currency = book.currency
                        AND bank.amount = book.amount AND {condition}
                ), ranked AS (
                    SELECT bank, book,
                        row_number() OVER (PARTITION BY bank ORDER BY apart, book) AS of_bank,
                        row_number() OVER (PARTITION BY book ORDER BY apart, bank) AS of_book
                    FROM candidate
                )
                SELECT bank, book, {step} FROM ranked WHERE of_bank = 1 AND of_book = 1
                """  # noqa: S608 (fixed texts)
            )
        found: pd.DataFrame = connection.sql("SELECT bank, book, step FROM pair ORDER BY bank").df()
    return found
