"""Matches, breaks and the quarantine as CSV and as one workbook, with nothing in them that a spreadsheet would run."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import IO

import pandas as pd

from bots.reconciliation.matched import BANK, BOOK
from bots.reconciliation.reading import Sides
from bots.reconciliation.reconcile import Outcome
from bots.reconciliation.wording import decimal, inert
from engine.errors import UserError
from engine.redact import replacing

MOST_ROWS = 20_000
"""Rows of a sheet: a person scrolls no further, and a workbook takes a second for each 5,000; CSV files have all."""
_SIDES = ("bank", "books")
_LINE = (
    "account",
    "currency",
    "booked",
    "valued",
    "amount",
    "name",
    "reference",
    "end_to_end",
    "text",
    "file",
    "number",
)
_AMOUNTS = frozenset({"amount", "difference", "entry"})
_BROKEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
"""Signs that XML 1.0 cannot hold."""
_EPOCH = (1980, 1, 1, 0, 0, 0)


def tables(outcome: Outcome) -> dict[str, pd.DataFrame]:
    """Return what is exported, by the name of its file: one row a line of a match, a break, a quarantined booking."""
    return {"matches": _matches(outcome), "breaks": _breaks(outcome), "quarantine": _quarantine(outcome)}


def write_tables(outcome: Outcome, folder: Path) -> list[Path]:
    """Write every table as CSV (UTF-8 with a mark, so that spreadsheets read Chinese names), and all as one workbook.

    Raises:
        UserError: a file cannot be written.
    """
    found = tables(outcome)
    written = [_written(folder / f"{name}.csv", partial(_csv, table)) for name, table in found.items()]
    return [*written, _written(folder / "reconciliation.xlsx", partial(_workbook, found))]


def write_table(table: pd.DataFrame, path: Path) -> Path:
    """Write one table as CSV; see `write_tables`."""
    return _written(path, partial(_csv, table))


def _matches(outcome: Outcome) -> pd.DataFrame:
    members, matches = outcome.matched.members, outcome.matched.matches
    of = matches.iloc[members["match"].to_numpy()].reset_index(drop=True)
    lines = line_columns(outcome.sides, members["side"], members["line"])
    told = pd.DataFrame(
        {
            "match": members["match"].to_numpy(),
            "state": of["closed"].map({True: "closed", False: "suggested"}).to_numpy(),
            "kind": of["kind"].astype("str").to_numpy(),
            "side": members["side"].map(lambda side: _SIDES[side]).to_numpy(),
            "line": members["line"].to_numpy(),
            "days": of["days"].to_numpy(),
            "score": of["score"].round(4).to_numpy(),
            "margin": of["margin"].round(4).to_numpy(),
            "rivals": of["rivals"].to_numpy(),
            "alternatives": of["alternatives"].to_numpy(),
            "probability_wrong": outcome.probability.reindex(members["match"]).round(4).to_numpy(),
        }
    )
    difference = [
        decimal(int(left), currency) for left, currency in zip(of["difference"], lines["currency"], strict=True)
    ]
    return pd.concat([told, lines, pd.DataFrame({"difference": difference}, dtype="str")], axis=1)


def _breaks(outcome: Outcome) -> pd.DataFrame:
    found = outcome.breaks.reset_index(drop=True)
    lines = line_columns(outcome.sides, found["side"], found["line"])
    told = found.assign(side=found["side"].map(lambda side: _SIDES[side]), odds=found["odds"].round(4))
    told["expected"] = told["expected"].dt.strftime("%Y-%m-%d").fillna("")
    told["entry"] = [
        decimal(int(one), currency) for one, currency in zip(found["entry"], lines["currency"], strict=True)
    ]
    return pd.concat([told, lines], axis=1)


def _quarantine(outcome: Outcome) -> pd.DataFrame:
    rows = [
        (_SIDES[at], delivery.path.name, one.number, one.field, one.value, one.problem, one.lines)
        for at, side in enumerate((outcome.sides.bank, outcome.sides.book))
        for delivery in side.deliveries
        for one in delivery.quarantined
    ]
    return pd.DataFrame(rows, columns=["side", "file", "line", "field", "value", "problem", "bookings"])


def line_columns(of: Sides, sides: pd.Series, at: pd.Series) -> pd.DataFrame:
    """Return the lines that rows are about, in their order."""
    frames = {BANK: of.bank.lines, BOOK: of.book.lines}
    parts = []
    for side, frame in frames.items():
        mine = (sides == side).to_numpy()
        part = frame.iloc[at.to_numpy()[mine]]
        amounts = [decimal(int(one), currency) for one, currency in zip(part["amount"], part["currency"], strict=True)]
        days = {name: part[name].dt.strftime("%Y-%m-%d").fillna("") for name in ("booked", "valued")}
        parts.append(
            part.assign(amount=pd.Series(amounts, index=part.index, dtype="str"), **days).set_index(mine.nonzero()[0])
        )
    lines = pd.concat(parts).sort_index()[list(_LINE)]
    return lines.rename(columns={"number": "file_line"})


def _csv(table: pd.DataFrame, to: IO[bytes]) -> None:
    safe = table.copy()
    for name in table.select_dtypes(exclude=["number", "bool"]).columns:
        if name not in _AMOUNTS:
            safe[name] = table[name].map(lambda value: inert(value) if isinstance(value, str) else value)
    safe.to_csv(to, index=False, encoding="utf-8-sig", lineterminator="\r\n")


def _workbook(found: dict[str, pd.DataFrame], to: IO[bytes]) -> None:
    from openpyxl import Workbook  # noqa: PLC0415 - slow to load

    book = Workbook(write_only=True)
    for name, table in _sheets(found):
        sheet = book.create_sheet(name.capitalize())
        sheet.freeze_panes = "A2"
        for row in _cells(table, name):
            sheet.append([_cell(sheet, value) for value in row])
    packed = io.BytesIO()
    book.save(packed)
    _repeatable(packed, to)


def _sheets(found: dict[str, pd.DataFrame]) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield what a person has to see to first, then the rest."""
    matches = found["matches"]
    yield "suggestions", matches[matches["state"] == "suggested"]
    yield "breaks", found["breaks"]
    yield "quarantine", found["quarantine"]
    yield "closed", matches[matches["state"] == "closed"]


def _cells(table: pd.DataFrame, name: str) -> Iterator[list[object]]:
    numbers = {at for at, column in enumerate(table.columns) if column in _AMOUNTS}
    yield [str(column) for column in table.columns]
    for row in table.head(MOST_ROWS).itertuples(index=False, name=None):
        yield [Decimal(value) if at in numbers else value for at, value in enumerate(row)]
    if len(table) > MOST_ROWS:
        file = "matches" if name in {"suggestions", "closed"} else name
        yield [f"and {len(table) - MOST_ROWS:,} more rows in {file}.csv"]


def _cell(sheet: object, value: object) -> object:
    """Return a cell that stays what it is: a text is never a formula, also after it was edited or saved anew."""
    from openpyxl.cell import WriteOnlyCell  # noqa: PLC0415 - slow to load

    if not isinstance(value, str):
        return value if value == value and value not in {float("inf"), float("-inf")} else None  # noqa: PLR0124 - NaN
    cell = WriteOnlyCell(sheet, value=_BROKEN.sub("\N{REPLACEMENT CHARACTER}", value))
    if cell.data_type != "s" or inert(value) != value:
        cell.data_type = "s"
        cell.quotePrefix = True
    return cell


def _repeatable(packed: IO[bytes], to: IO[bytes]) -> None:
    """Copy a workbook without the time at which it was written: the same outcome gives the same bytes."""
    with zipfile.ZipFile(packed) as source, zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "docProps/core.xml":
                data = re.sub(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*", rb"\g<1>1980-01-01T00:00:00Z", data)
            target.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)


def _written(path: Path, write: Callable[[IO[bytes]], None]) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as target:
            write(target)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); name another folder with --out") from error
    return path
