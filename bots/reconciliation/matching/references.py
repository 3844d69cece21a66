"""What two references have in common: their numbers, and how many slips of a hand lie between them."""

from __future__ import annotations

from typing import Final

import duckdb
import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import OSA
from rapidfuzz.process import cpdist

Ints = NDArray[np.int64]

COMMON: Final = 0.01
"""A number in more than this share of the books' references (a year, a branch) names no document."""
SAMPLE: Final = 10_000
"""References of the books by which the common numbers are told."""
SLIPS: Final = 2
"""Most slips between two references that may still be the same."""


def prepare(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    """Make `{table}_reference` of `{table}` (line, pot, amount, day, reference), for lines that have a reference.

    spaced: capitals and digits, single spaces for all else; O, I and L among digits read as the digits they look like.
    numbers: its runs of digits without leading zeros.
    """
    connection.execute(
        rf"""
        CREATE OR REPLACE TEMP TABLE {table}_reference AS
        SELECT *, list_transform(regexp_extract_all(spaced, '[0-9]+'), lambda run: ltrim(run, '0')) AS numbers
        FROM (
            SELECT * EXCLUDE (plain), CASE WHEN regexp_matches(plain, '[0-9][OIL]|[OIL][0-9]')
                THEN array_to_string(list_transform(string_split(plain, ' '),
                    lambda part: CASE WHEN regexp_matches(part, '^[0-9OIL]*[0-9][0-9OIL]*$')
                        THEN translate(part, 'OIL', '011') ELSE part END), ' ')
                ELSE plain END AS spaced
            FROM (SELECT * EXCLUDE (reference),
                    trim(regexp_replace(upper(reference), '[^\p{{L}}\p{{N}}]+', ' ', 'g')) AS plain
                FROM {table} WHERE reference <> ''))
        """  # noqa: S608 (fixed names)
    )


def main_numbers(connection: duckdb.DuckDBPyConnection) -> None:
    """Make `bank_main` and `book_main` of the prepared tables: lines with the number that names the document.

    main: the longest number that is not common in the books (in a SAMPLE of them). key: hash of pot and main.
    """
    connection.execute(
        f"""
        SET VARIABLE common = (SELECT coalesce(list(number), []) FROM (
            SELECT number FROM (SELECT spaced, unnest(numbers) AS number
                FROM (SELECT spaced, numbers FROM book_open_reference ORDER BY line LIMIT {SAMPLE}))
            GROUP BY number
            HAVING count(DISTINCT spaced) > 2 + {COMMON} * least({SAMPLE}, (SELECT count(*) FROM book_open_reference))))
        """  # noqa: S608
    )
    for table in ("bank", "book"):
        connection.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE {table}_main AS
            SELECT *, hash(pot, main) AS key FROM (
                SELECT *, list_reduce(list_concat([''], list_filter(numbers, lambda number:
                        NOT list_contains(getvariable('common'), number))),
                    lambda best, other: CASE WHEN length(other) > length(best) THEN other ELSE best END) AS main
                FROM {table}_open_reference)
            WHERE main <> ''
            """  # noqa: S608
        )


def slips(left: list[str], right: list[str]) -> Ints:
    """Count the slips between texts, pair by pair: a letter too many, too few, another one, or two swapped.

    An end of up to SLIPS signs that is cut off counts as one slip: a field that was too short cuts once.

    Source: optimal string alignment (Damerau 1964; Boytsov 2011). More than SLIPS count as SLIPS + 1.
    """
    found = np.asarray(cpdist(left, right, scorer=OSA.distance, score_cutoff=SLIPS, dtype=np.int32), np.int64)
    several = np.flatnonzero((found > 1) & (found <= SLIPS))
    cut = [left[at].startswith(right[at]) or right[at].startswith(left[at]) for at in several.tolist()]
    found[several[cut]] = 1
    return found
