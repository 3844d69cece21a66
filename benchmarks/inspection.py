"""How long one look of the entry-quality model takes: `python -m benchmarks.inspection [--quick] [--json]`.

One record is twelve header fields and its lines, with its read-back: features from the typed record, then the ONNX
graph, then the record's probability. `speedup` compares scikit-learn's `predict_proba` with ONNX on the same feature
matrix of one record, one thread each; `total_to_feature_ratio` says what a look costs beyond its features; `batch`
scores many records in one pass.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from engine.ports import Case
from engine.values import FieldSpec, Record, decode
from fixtures.generate import write_history
from qc_models import artifact as artifacts
from qc_models import training
from qc_models.entry.boosting import boost
from qc_models.entry.cells import Extractor
from qc_models.entry.examples import make
from qc_models.entry.schema import NAMES
from qc_models.store import Served

_TYPES = {
    "supplier": "text",
    "invoice_no": "text",
    "invoice_date": "date",
    "due_date": "date",
    "currency": "choice",
    "purchase_order": "text",
    "iban": "text",
    "cost_center": "choice",
    "net": "money",
    "tax_rate": "choice",
    "tax": "money",
    "total": "money",
}
_COLUMNS = {"description": "text", "quantity": "decimal", "unit_price": "money", "amount": "money"}
_SEED = 11


@dataclass(frozen=True)
class Timing:
    """Times of single calls, in milliseconds; `cpu_p99` leaves out what other processes took of the machine."""

    p50: float
    p99: float
    mean: float
    cpu_p99: float


def contract() -> dict[str, FieldSpec]:
    """Return the twelve header fields of an invoice and its lines."""
    columns = {name: {"type": kind} for name, kind in _COLUMNS.items()}
    plain = {name: FieldSpec.model_validate({"type": kind}) for name, kind in _TYPES.items()}
    return {**plain, "lines": FieldSpec.model_validate({"type": "table", "columns": columns})}


def main() -> None:
    """Train on a generated history, then time single records that the model has not seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smaller history and fewer records")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    history, records = (600, 300) if options.quick else (2_500, 2_000)
    result = run(history, records)
    for name, value in result.items():
        print(f"{name:>20}  {value:.4g}")
    if options.json:
        print(json.dumps(result))


def run(history: int, count: int) -> dict[str, float]:
    """Return p50_ms, p99_ms, speedup, records_per_s and the parts they are made of."""
    fields = contract()
    with tempfile.TemporaryDirectory() as folder:
        past = _read(write_history(Path(folder) / "past.jsonl", history, _SEED), fields)
        fresh = _read(write_history(Path(folder) / "fresh.jsonl", count, _SEED + 1), fields)
        started = time.perf_counter()
        trained = training.train(fields, past, seed=1, models_dir=Path(folder) / "models")
        seconds = time.perf_counter() - started
        served = Served(artifacts.load(trained.folder))
    cases = [Case("", str(place), record, record, fields) for place, record in enumerate(fresh)]
    for case in cases[:50]:
        served.opinion(case)
    looks = _time(served.opinion, cases)
    features = _time(Extractor(served.parts.profile()).matrix, cases)
    matrices = [opinion.matrix for opinion in served.opinions(cases[: min(200, count)])]
    rows = [matrix[:1] for matrix in matrices]
    graph = _time(served.artifact.session.probabilities, matrices)
    graph_row = _time(served.artifact.session.probabilities, rows)
    with threadpool_limits(limits=1):
        same = _same_model(fields, past)
        sklearn, sklearn_row = _time(same.predict_proba, matrices), _time(same.predict_proba, rows)
    started = time.perf_counter()
    served.opinions(cases)
    batch = time.perf_counter() - started
    return {
        "p50_ms": looks.p50,
        "p99_ms": looks.p99,
        "cpu_p99_ms": looks.cpu_p99,
        "speedup": sklearn.p50 / graph.p50,
        "speedup_one_cell": sklearn_row.p50 / graph_row.p50,
        "records_per_s": 1000 / looks.mean,
        "batch_records_per_s": count / batch,
        "feature_p50_ms": features.p50,
        "feature_p99_ms": features.p99,
        "total_to_feature_ratio": looks.p50 / features.p50,
        "onnx_p50_ms": graph.p50,
        "sklearn_p50_ms": sklearn.p50,
        "cells": float(matrices[0].shape[0]),
        "features": float(len(NAMES)),
        "train_s": seconds,
    }


def _same_model(fields: dict[str, FieldSpec], past: list[Record]) -> Any:
    """Train a boosting of the same size, which scikit-learn then serves."""
    half = len(past) // 2
    examples = make(fields, past[:half], past[half : half + 150], random.Random(1))  # noqa: S311
    return boost(*examples.flat, seed=1)


def _time(call: Callable[[Any], object], inputs: list[Any]) -> Timing:
    taken, busy = [], []
    for given in inputs:
        before, worked = time.perf_counter(), time.thread_time()
        call(given)
        taken.append((time.perf_counter() - before) * 1000)
        busy.append((time.thread_time() - worked) * 1000)
    p50, p99 = np.percentile(taken, (50, 99))
    return Timing(float(p50), float(p99), float(np.mean(taken)), float(np.percentile(busy, 99)))


def _read(path: Path, fields: dict[str, FieldSpec]) -> list[Record]:
    with path.open(encoding="utf-8") as handle:
        return [decode(json.loads(line), fields) for line in handle]


if __name__ == "__main__":
    main()
