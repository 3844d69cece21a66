"""How long what-if takes over kept history: `python -m benchmarks.what_if --data FOLDER [--lines N] [--json]`.

FOLDER holds `bank.parquet` and `ledger.parquet` (see `benchmarks.matching_sets`). As many lines of both sides together
as are asked for, by day, go into a SQLite ledger, all that the default definition closes as closed, one in a hundred of
those as confirmed by a person. Then a process of its own replays them under the default and under one with a shorter
window, twice; both times must give the same bytes. Printed: processor time and peak memory of one replay.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa
from rich.console import Console

from benchmarks import matching_sets as sets
from bots.reconciliation.definition import DEFAULT
from bots.reconciliation.gate import closing_under
from bots.reconciliation.matched import BANK, BOOK
from bots.reconciliation.matching.engine import match_as_read
from engine.ledger import reconciliation_tables as t
from engine.ledger import schema
from engine.ledger.database import Database
from engine.ledger.reconciliation import OpenItems

_AT = datetime(2026, 1, 1, tzinfo=UTC)
_CHANGED = "name: main\npolicy: {window: {earliest: 0, latest: 4}}\n"
_BATCH = 20_000


def main() -> None:
    """Fill a ledger, replay it in a process of its own, print, and end with one line of JSON if asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--lines", type=int, default=1_000_000, help="of both sides together")
    parser.add_argument("--replay", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    asked = parser.parse_args()
    if asked.replay is not None:
        print(json.dumps(replayed(asked.replay)))
        return
    with tempfile.TemporaryDirectory() as folder:
        told = fill(Path(folder), asked.data, asked.lines)
        command = [sys.executable, "-m", "benchmarks.what_if", "--data", str(asked.data), "--replay", folder]
        runs = [json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(2)]
    told |= runs[0] | {
        "seconds": min(one["seconds"] for one in runs),
        "same_bytes": runs[0]["sha256"] == runs[1]["sha256"],
    }
    told["cpu_seconds"] = min(one["cpu_seconds"] for one in runs)
    print(f"{told['lines']:,} lines, {told['closed']:,} matches closed: {told['cpu_seconds']:.1f} s of processor time,")
    print(f"{told['seconds']:.1f} s, {told['peak_mb']:,} MB; {told['changes']}; same bytes: {told['same_bytes']}")
    if asked.json:
        print(json.dumps(told))


def replayed(folder: Path) -> dict[str, Any]:
    """Replay the history of a ledger once, in this process."""
    from bots.reconciliation.kinds import KINDS  # noqa: PLC0415 - the work of this process begins here
    from bots.reconciliation.loading import load_one  # noqa: PLC0415
    from bots.reconciliation.session import replay  # noqa: PLC0415

    changed = folder / "changed.yaml"
    changed.write_text(_CHANGED, encoding="utf-8")
    with (folder / "told.txt").open("w", encoding="utf-8") as file:
        began, console = time.monotonic(), Console(file=file, width=120)
        items = OpenItems(Database(str(folder / "ledger.db")), "main")
        replay(items, DEFAULT, load_one(changed, KINDS), folder, console, as_json=False)
    used = resource.getrusage(resource.RUSAGE_SELF)
    table = (folder / "what-if.csv").read_bytes()
    changes = pd.read_csv(folder / "what-if.csv", usecols=["change", "what"]).drop_duplicates()
    return {
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "seconds": time.monotonic() - began,
        "peak_mb": used.ru_maxrss // 1024,
        "changes": changes["what"].value_counts().sort_index().to_dict(),
        "sha256": hashlib.sha256(table).hexdigest(),
    }


def fill(folder: Path, data: Path, lines: int) -> dict[str, int]:
    """Write both sides into a ledger, matched as the default definition does."""
    bank, book = (one.sort_values("booked", kind="stable", ignore_index=True) for one in sets.load(data))
    bank, book = bank.iloc[: lines // 2], book.iloc[: lines // 2]
    closing = closing_under(DEFAULT.file.gate)
    found = match_as_read(bank, book, DEFAULT.policy, closing)
    closed = found.matches.index[found.matches["closed"]].to_numpy()
    number = np.zeros(len(found.matches), np.int64)
    number[closed] = np.arange(1, len(closed) + 1)
    database = Database(str(folder / "ledger.db"))
    schema.prepare(database)
    with database.write() as connection:
        connection.execute(sa.insert(t.reconciliations).values(name="main", revision=0, limits={}, created_at=_AT))
        for side in (BANK, BOOK):
            told: dict[str, Any] = {
                "reconciliation_id": 1,
                "side": side,
                "name": "all",
                "sha256": "",
                "format": "csv",
                "counts": {},
            }
            connection.execute(sa.insert(t.recon_deliveries).values(**told, received_by="b", received_at=_AT))
            told = {"delivery_id": side + 1, "reconciliation_id": 1, "side": side, "account": "", "currency": "EUR"}
            connection.execute(sa.insert(t.recon_statements).values(**told, name="", lines=0, movements=0))
    _insert(database, t.recon_matches, _matches(found.matches.loc[closed]))
    taken = found.members.assign(match=number[found.members["match"].to_numpy()])
    for side, frame in ((BANK, bank), (BOOK, book)):
        own = taken[(taken["side"] == side) & (taken["match"] > 0)].set_index("line")["match"]
        _insert(database, t.recon_lines, _lines(side, frame, own.reindex(frame.index).fillna(0).astype(int)))
    return {"lines": len(bank) + len(book), "closed": len(closed)}


def _matches(matches: pd.DataFrame) -> list[dict[str, Any]]:
    same = {"reconciliation_id": 1, "key": "", "state": "closed", "amount": 0, "currency": "EUR", "made_by": "b"}
    names = ["kind", "difference", "days", "rivals", "alternatives"]
    rows: list[dict[str, Any]] = [
        {str(name): value for name, value in row.items()}
        for row in matches[names].astype({"kind": "str"}).to_dict("records")
    ]
    return [same | one | {"manual": at % 100 == 0, "made_at": _AT} for at, one in enumerate(rows)]


def _lines(side: int, frame: pd.DataFrame, match: pd.Series) -> list[dict[str, Any]]:
    days = frame["booked"].dt.date
    same = {"reconciliation_id": 1, "side": side, "content": "", "fresh": False, "how": "new", "corrections": 0}
    same |= {"statement_id": side + 1, "delivery_id": side + 1}
    rows = frame.drop(columns=["valued"]).assign(booked=days, day=days, match_id=match).to_dict("records")
    return [
        same
        | {str(name): value for name, value in one.items()}
        | {"occurrence": at, "number": at + 2, "state": "closed" if one["match_id"] else "open"}
        | {"match_id": one["match_id"] or None}
        for at, one in enumerate(rows)
    ]


def _insert(database: Database, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    for first in range(0, len(rows), _BATCH):
        with database.write() as connection:
            connection.execute(sa.insert(table), rows[first : first + _BATCH])


if __name__ == "__main__":
    main()
