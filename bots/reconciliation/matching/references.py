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
_TIDY: Final = "[A-Z0-9]+([- ][A-Z0-9]+)*"
"""What most references look like: to find that out costs a third of what putting it in order does."""
SLIPS: Final = 2
"""Most slips between two references that may still be the same."""


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Make `bank_reference` and `book_reference` of `bank_open` and `book_open` (line, pot, amount, day, reference).

    They hold the lines that have a reference. spaced: capitals and digits, single spaces for all else; O, I and L among
    digits read as the digits they look like. numbers: its runs of digits without leading zeros. main: the number that
    names the document, the longest that is not common in the books (in a SAMPLE of them); empty if there is none. key:
    hash of pot and main, NULL without one.
    """
    sample = f"SELECT * FROM book_open WHERE reference <> '' ORDER BY line LIMIT {SAMPLE}"  # noqa: S608
    connection.execute(
        f"""
        SET VARIABLE common = (SELECT coalesce(list(number), []) FROM (
            SELECT number FROM (SELECT spaced, unnest(numbers) AS number FROM ({_numbered(sample)}))
            GROUP BY number
            HAVING count(DISTINCT spaced) > 2 + {COMMON} * (SELECT count(*) FROM ({sample}))))
        """  # noqa: S608 (numbers and fixed names)
    )
    for table in ("bank", "book"):
        connection.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE {table}_reference AS
            SELECT *, CASE WHEN main <> '' THEN hash(pot, main) END AS key FROM (
                SELECT *, list_reduce(list_filter(numbers, lambda number:
                        NOT list_contains(getvariable('common'), number)),
                    lambda best, other: CASE WHEN length(other) > length(best) THEN other ELSE best END, '') AS main
                FROM ({_numbered(f"SELECT * FROM {table}_open WHERE reference <> ''")}))
            """  # noqa: S608 (fixed names)
        )


def _numbered(rows: str) -> str:
    """Return the query that takes the references of some rows apart."""
    return rf"""
        SELECT *, regexp_extract_all(spaced, '[1-9][0-9]*') AS numbers
        FROM (
            SELECT * EXCLUDE (plain), CASE WHEN regexp_matches(plain, '[0-9][OIL]|[OIL][0-9]')
                THEN array_to_string(list_transform(string_split(plain, ' '),
                    lambda part: CASE WHEN regexp_matches(part, '^[0-9OIL]*[0-9][0-9OIL]*$')
                        THEN translate(part, 'OIL', '011') ELSE part END), ' ')
                ELSE plain END AS spaced
            FROM (SELECT * EXCLUDE (reference), CASE WHEN regexp_full_match(reference, '{_TIDY}')
                    THEN replace(reference, '-', ' ')
                    ELSE trim(regexp_replace(upper(reference), '[^\p{{L}}\p{{N}}]+', ' ', 'g')) END AS plain
                FROM ({rows})))
        """  # noqa: S608 (fixed texts)


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
