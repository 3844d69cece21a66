"""One small world for all model tests: a history, a trained model, and a batch with planted mistakes."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from engine.clock import ManualClock
from engine.values import Record, decode, parse
from fixtures.generate import write_history, write_invoices
from qc_models.export import Trained
from qc_models.training import train
from tests.qc_models.cases import FIELDS

WORLD = 42


@dataclass(frozen=True)
class World:
    """Past records, new records by reference, what is wrong with them, and the model trained on the past."""

    past: list[Record]
    fresh: dict[str, Record]
    truth: Mapping[str, Sequence[Mapping[str, str]]]
    trained: Trained
    models: Path


@pytest.fixture(scope="session")
def past(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    path = write_history(tmp_path_factory.mktemp("history") / "history.jsonl", 700, 5, world=WORLD)
    return [decode(json.loads(line), FIELDS) for line in path.open(encoding="utf-8")]


@pytest.fixture(scope="session")
def world(past: list[Record], tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    truth = write_invoices(folder, 300, 6, 0.1, world=WORLD)
    trained = train(FIELDS, past, seed=1, models_dir=folder / "models", trees=100, clock=ManualClock())
    planted = {reference: [asdict(part) for part in parts] for reference, parts in truth.planted.items()}
    return World(past, read_batch(folder), planted, trained, folder / "models")


def read_batch(folder: Path) -> dict[str, Record]:
    """Read a generated batch as typed records by reference."""
    lines: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
    with (folder / "invoice_lines.csv").open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            lines[f"{row['supplier']}/{row['invoice_no']}"].append(row)
    with (folder / "invoices.csv").open(encoding="utf-8", newline="") as handle:
        found = {f"{row['supplier']}/{row['invoice_no']}": row for row in csv.DictReader(handle)}
    return {
        reference: {name: parse(lines[reference] if name == "lines" else row[name], FIELDS[name]) for name in FIELDS}
        for reference, row in found.items()
    }
