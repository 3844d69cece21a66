"""Which reference a line goes by: banks carry it in the reference, in the end-to-end id, or in the text.

A line goes by what the other side knows: of its reference, its end-to-end id and the numbers in its text, the first
that the other side has as a reference or end-to-end id. From the text it is taken only where one such is in it, because
a text that names several is a remittance of several. Where the other side knows none, the line keeps its reference, or
goes by its end-to-end id.

Where both sides carry their references in the text alone, it tells by itself which numbers are references: those of a
shape (`INV-9999`) of which most come once on either side. Amounts, days and times are no references, nor is a number
that several lines of a side have with one amount: it may be a customer's.
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
_NO_DOCUMENT: Final = r"[0-9]{1,5}|[0-9]+([-/_.][0-9]+)+|(19|20)[0-9]{6}|[0-9]{4}(19|20)[0-9]{2}|.*[0-9][-/_.]?[A-Z].*"
"""Counts, amounts, days and times (01MAR2026, 12H30): what two lines that are not the same may well share."""
_FEW: Final = 3
"""Numbers of a shape that both sides must have before it is taken for that of references."""


def with_references(bank: pd.DataFrame, book: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return both sides (columns of SIDE) with the reference that each line goes by in `reference`.

    A line whose reference the other side knows, or of which nothing is known, stays as it is.
    """
    with duckdb.connect() as connection:
        for name, lines in (("bank", bank), ("book", book)):
            said = pa.table(
                {column: pa.array(lines[column]) for column in ("reference", "end_to_end", "text", "amount")}
            )
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
        documents = _documents(connection)
        changed = [_changed(connection, name, other) for name, other in (("bank", "book"), ("book", "bank"))]
    sides = zip((bank, book), documents, changed, strict=True)
    bank, book = (_replaced(_replaced(lines, first), then) for lines, first, then in sides)
    return bank, book


def _documents(connection: duckdb.DuckDBPyConnection) -> list[pd.DataFrame]:
    """Let the lines that nothing else ties go by the one reference in their text, and return them with it."""
    for name, other in (("bank", "book"), ("book", "bank")):
        connection.execute(
            f"""
            CREATE TEMP TABLE {name}_tokens AS
            SELECT line, token, amount, regexp_replace(token, '[0-9]', '9', 'g') AS shape FROM (
                SELECT line, unnest(list_distinct(regexp_extract_all(upper(text), '{_TOKEN}'))) AS token, amount
                FROM {name}
                WHERE (reference = '' OR upper(reference) IN {_NOT_GIVEN})
                    AND end_to_end NOT IN (FROM {other}_known) AND regexp_matches(text, '[0-9]')
            ) WHERE trim(regexp_replace(token, '[^0-9]', '', 'g'), '0') <> trim(CAST(abs(amount) AS VARCHAR), '0')
                AND length(token) >= {_SHORTEST} AND regexp_matches(token, '[0-9]')
                AND NOT regexp_full_match(token, '{_NO_DOCUMENT}')
            """  # noqa: S608 (fixed names)
        )
    connection.execute(
        f"""
        CREATE TEMP TABLE shapes AS
        WITH shared AS (
            SELECT shape, count(*) AS shared
            FROM (SELECT token, min(shape) AS shape FROM bank_tokens GROUP BY token HAVING count(*) = 1)
            SEMI JOIN (SELECT token FROM book_tokens GROUP BY token HAVING count(*) = 1) USING (token)
            GROUP BY shape
        )
        SELECT shape, shared FROM shared
        JOIN (SELECT shape, count(DISTINCT line) AS lines FROM bank_tokens GROUP BY shape) AS left_side USING (shape)
        JOIN (SELECT shape, count(DISTINCT line) AS lines FROM book_tokens GROUP BY shape) AS right_side USING (shape)
        WHERE shared >= {_FEW} AND 2 * shared >= least(left_side.lines, right_side.lines)
        """  # noqa: S608 (a number)
    )
    connection.execute(
        """
        CREATE TEMP TABLE common AS
        SELECT DISTINCT token FROM (SELECT 0 AS side, * FROM bank_tokens UNION ALL SELECT 1, * FROM book_tokens)
        GROUP BY side, token, amount HAVING count(*) > 1
        """
    )
    found = []
    for name in ("bank", "book"):
        chosen = connection.execute(
            f"""
            SELECT line, min(token) AS chosen
            FROM {name}_tokens JOIN shapes USING (shape) ANTI JOIN common USING (token)
            GROUP BY line, shape, shared HAVING count(*) = 1
            QUALIFY row_number() OVER (PARTITION BY line ORDER BY shared DESC, shape) = 1 ORDER BY line
            """  # noqa: S608 (fixed names)
        ).df()
        connection.register("chosen", chosen)
        connection.execute(
            f"""
            UPDATE {name} SET reference = chosen FROM chosen WHERE {name}.line = chosen.line;
            INSERT INTO {name}_known SELECT DISTINCT chosen FROM chosen ANTI JOIN {name}_known ON chosen = known
            """  # noqa: S608 (fixed names)
        )
        connection.unregister("chosen")
        found.append(chosen)
    return found


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
