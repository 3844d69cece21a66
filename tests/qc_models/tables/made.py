"""A table of deliveries that a test can read at a glance, with the errors that it names."""

from __future__ import annotations

from pathlib import Path

from qc_models.tables.table import Table

CITIES = {"35233": "Birmingham", "36067": "Prattville", "35903": "Gadsden", "36360": "Ozark"}
COLUMNS = ("id", "zip", "city", "date", "amount")


def clean(rows: int = 80) -> list[list[str]]:
    """Return rows without an error: the zip decides the city, amounts lie between 10 and 50."""
    zips = list(CITIES)
    return [
        [
            f"D-{number:04}",
            zips[number % 4],
            CITIES[zips[number % 4]],
            f"2026-01-{number % 27 + 1:02}",
            f"{10 + number * 7 % 41}.{number * 13 % 97:02}",
        ]
        for number in range(rows)
    ]


def table(rows: list[list[str]]) -> Table:
    """Return rows as a table."""
    return Table(COLUMNS, tuple(tuple(row) for row in rows))


def write(path: Path, rows: list[list[str]], columns: tuple[str, ...] = COLUMNS, sign: str = ",") -> Path:
    """Write rows as a CSV file; return its path."""
    path.write_text("\n".join(sign.join(row) for row in [list(columns), *rows]) + "\n", encoding="utf-8")
    return path
