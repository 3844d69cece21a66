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
SLIPS: Final = 2
"""Most slips between two references that may still be the same."""


def prepare(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    """Make `{table}_reference` of `{table}` (line, reference): its parts, for lines that have a reference.

    line: as given. squeezed: letters and digits only, O, I and L between digits read as the digits they look like.
    numbers: its runs of digits without leading zeros. letters: its runs of letters. main: the number that names the
    document: the longest one that is not common on the other side; `mains` must exist for that.
    """
    connection.execute(
        rf"""
        CREATE OR REPLACE TEMP TABLE {table}_reference AS
        WITH split AS (
            SELECT line, list_transform(
                string_split(trim(regexp_replace(upper(reference), '[^\p{{L}}\p{{N}}]+', ' ', 'g')), ' '),
                lambda part: CASE WHEN regexp_matches(part, '^[0-9OIL]*[0-9][0-9OIL]*$')
                    THEN translate(part, 'OIL', '011') ELSE part END) AS parts
            FROM {table} WHERE reference <> ''
        ), joined AS (SELECT line, array_to_string(parts, ' ') AS spaced FROM split)
        SELECT line, replace(spaced, ' ', '') AS squeezed,
            list_transform(regexp_extract_all(spaced, '[0-9]+'), lambda run: ltrim(run, '0')) AS numbers,
            regexp_extract_all(spaced, '[^ 0-9]+') AS letters
        FROM joined
        """  # noqa: S608 (fixed names)
    )


def main_numbers(connection: duckdb.DuckDBPyConnection) -> None:
    """Make `bank_main` and `book_main` (line, main) of the prepared tables: the number that names the document."""
    connection.execute(
        f"""
        SET VARIABLE common = (SELECT coalesce(list(number), []) FROM (
            SELECT number FROM (SELECT squeezed, unnest(numbers) AS number FROM book_open_reference)
            GROUP BY number
            HAVING count(DISTINCT squeezed) > 2 + {COMMON} * (SELECT count(*) FROM book_open_reference)))
        """  # noqa: S608
    )
    for table in ("bank", "book"):
        connection.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE {table}_main AS
            SELECT *, hash(pot, main) AS key FROM (
                SELECT line, pot, amount, day, squeezed, numbers, letters,
                    list_reduce(list_concat([''], list_filter(numbers, lambda number:
                            NOT list_contains(getvariable('common'), number))),
                        lambda best, other: CASE WHEN length(other) > length(best) THEN other ELSE best END) AS main
                FROM {table}_open_reference JOIN {table}_open USING (line))
            WHERE main <> ''
            """  # noqa: S608
        )


def slips(left: list[str], right: list[str]) -> Ints:
    """Count the slips between texts, pair by pair: a letter too many, too few, another one, or two swapped.

    Source: optimal string alignment (Damerau 1964; Boytsov 2011). More than SLIPS count as SLIPS + 1.
    """
    return np.asarray(cpdist(left, right, scorer=OSA.distance, score_cutoff=SLIPS, dtype=np.int32), np.int64)
