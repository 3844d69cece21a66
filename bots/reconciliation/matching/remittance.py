"""Which reference a line goes by: banks carry it in the reference, in the end-to-end id, or in the text.

A line goes by what the other side knows: of its reference, its end-to-end id and the numbers in its text, the first
that the other side has as a reference or end-to-end id. From the text it is taken only where one such is in it, because
a text that names several is a remittance of several. Where the other side knows none, the line keeps its reference, or
goes by its end-to-end id.
"""

from __future__ import annotations

from typing import Final

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

_NOT_GIVEN: Final = "('NOTPROVIDED', 'NOT PROVIDED', 'NONREF', 'NONE')"
"""What banks write where nothing is to be written (ISO 20022, MT940 field 61)."""
_TOKEN: Final = "[A-Z0-9]+(?:[-/_.][A-Z0-9]+)*"  # noqa: S105 - a pattern
_SHORTEST: Final = 4
"""Signs of a number in a text that can name a document; shorter ones are counts, days and floors."""


def with_references(bank: pd.DataFrame, book: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return both sides (columns of SIDE) with the reference that each line goes by in `reference`.

    A line whose reference the other side knows, or of which nothing is known, stays as it is.
    """
    with duckdb.connect() as connection:
        for name, lines in (("bank", bank), ("book", book)):
            said = pa.table({column: pa.array(lines[column]) for column in ("reference", "end_to_end", "text")})
            connection.register(f"{name}_said", said.append_column("line", pa.array(np.arange(len(lines)))))
            connection.execute(
                f"""
                CREATE TEMP TABLE {name} AS
                SELECT * REPLACE (CASE WHEN upper(end_to_end) IN {_NOT_GIVEN} THEN '' ELSE end_to_end END AS end_to_end)
                FROM {name}_said;
                CREATE TEMP TABLE {name}_known AS
                SELECT reference AS known FROM {name} WHERE reference <> '' AND upper(reference) NOT IN {_NOT_GIVEN}
                UNION SELECT end_to_end FROM {name} WHERE end_to_end <> ''
                """  # noqa: S608 (fixed names)
            )
        changed = [_changed(connection, name, other) for name, other in (("bank", "book"), ("book", "bank"))]
    return _replaced(bank, changed[0]), _replaced(book, changed[1])


def _changed(connection: duckdb.DuckDBPyConnection, name: str, other: str) -> pd.DataFrame:
    """Return the lines that go by something else than their reference, and by what, spelled as the other side does."""
    return connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE strangers AS
        SELECT line, text, reference, end_to_end, end_to_end IN (FROM {other}_known) AS traced
        FROM {name} ANTI JOIN {other}_known ON reference = known;
        WITH tokens AS (
            SELECT line, unnest(list_distinct(regexp_extract_all(upper(text), '{_TOKEN}'))) AS token
            FROM strangers WHERE NOT traced AND regexp_matches(text, '[0-9]')
        ), spelled AS (SELECT upper(known) AS capital, min(known) AS known FROM {other}_known GROUP BY capital
        ), named AS (
            SELECT line, min(known) AS known
            FROM (FROM tokens WHERE length(token) >= {_SHORTEST} AND regexp_matches(token, '[0-9]'))
            JOIN spelled ON token = capital
            GROUP BY line HAVING count(*) = 1
        )
        SELECT line, CASE WHEN traced THEN end_to_end ELSE coalesce(known, end_to_end) END AS chosen
        FROM strangers LEFT JOIN named USING (line)
        WHERE traced OR known IS NOT NULL OR (reference = '' AND end_to_end <> '')
        ORDER BY line
        """  # noqa: S608 (fixed names)
    ).df()


def _replaced(lines: pd.DataFrame, changed: pd.DataFrame) -> pd.DataFrame:
    if changed.empty:
        return lines
    reference = lines["reference"].to_numpy(dtype=object).copy()
    reference[changed["line"].to_numpy()] = changed["chosen"].to_numpy()
    return lines.assign(reference=pd.Series(reference, index=lines.index, dtype="str"))
