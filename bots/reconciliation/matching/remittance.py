"""Which reference a line goes by: banks carry it in the reference, in the end-to-end id, or in the text.

A line goes by what the other side knows: of its reference, its end-to-end id and the numbers in its text, the first
that the other side has as a reference or end-to-end id. From the text it is taken only where one such is in it, because
a text that names several is a remittance of several. Where the other side knows none, the line keeps its reference, or
goes by its end-to-end id.
"""

from __future__ import annotations

from typing import Final

import duckdb
import pandas as pd

_NOT_GIVEN: Final = "('NOTPROVIDED', 'NONREF', 'NONE')"
"""What banks write where nothing is to be written (ISO 20022 external codes, MT940 field 61), squeezed."""
_TOKEN: Final = "[A-Z0-9]+(?:[-/_.][A-Z0-9]+)*"  # noqa: S105 - a pattern
_SHORTEST: Final = 4
"""Signs of a number in a text that can name a document; shorter ones are counts, days and floors."""


def with_references(bank: pd.DataFrame, book: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return both sides (columns of SIDE) with the reference that each line goes by in `reference`."""
    with duckdb.connect() as connection:
        for name, lines in (("bank", bank), ("book", book)):
            said = lines[["reference", "end_to_end", "text"]].assign(line=range(len(lines)))
            connection.register(f"{name}_said", said)
            _squeeze(connection, name)
        found = [_chosen(connection, name, other) for name, other in (("bank", "book"), ("book", "bank"))]
    return tuple(  # type: ignore[return-value]
        lines.assign(reference=pd.Series(chosen.to_numpy(), index=lines.index, dtype="str"))
        for lines, chosen in zip((bank, book), found, strict=True)
    )


def _squeeze(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    connection.execute(
        rf"""
        CREATE TEMP TABLE {name} AS
        SELECT line, reference, text, CASE WHEN {_squeezed("end_to_end")} IN {_NOT_GIVEN} THEN '' ELSE end_to_end END
            AS end_to_end, {_squeezed("reference")} AS plain_reference, {_squeezed("end_to_end")} AS plain_end
        FROM {name}_said;
        CREATE TEMP TABLE {name}_known AS
        SELECT DISTINCT plain FROM (
            SELECT plain_reference AS plain FROM {name} UNION ALL SELECT plain_end FROM {name})
        WHERE plain <> '' AND plain NOT IN {_NOT_GIVEN}
        """  # noqa: S608 (fixed names)
    )


def _squeezed(column: str) -> str:
    return rf"regexp_replace(upper({column}), '[^\p{{L}}\p{{N}}]+', '', 'g')"


def _chosen(connection: duckdb.DuckDBPyConnection, name: str, other: str) -> pd.Series:
    found = connection.execute(
        f"""
        WITH tokens AS (
            SELECT DISTINCT line, token, {_squeezed("token")} AS plain FROM (
                SELECT line, unnest(list_distinct(regexp_extract_all(upper(text), '{_TOKEN}'))) AS token FROM {name}
                WHERE text <> ''
                    AND plain_reference NOT IN (FROM {other}_known) AND plain_end NOT IN (FROM {other}_known))
            WHERE length(token) >= {_SHORTEST} AND regexp_matches(token, '[0-9]')
        ), named AS (
            SELECT line, min(token) AS token FROM tokens SEMI JOIN {other}_known USING (plain)
            GROUP BY line HAVING count(DISTINCT plain) = 1
        )
        SELECT CASE
            WHEN plain_reference IN (FROM {other}_known) THEN reference
            WHEN plain_end IN (FROM {other}_known) THEN end_to_end
            WHEN token IS NOT NULL THEN token
            WHEN reference <> '' THEN reference
            ELSE end_to_end END AS chosen
        FROM {name} LEFT JOIN named USING (line) ORDER BY line
        """  # noqa: S608 (fixed names)
    ).df()
    return found["chosen"]
