"""Export to ONNX behind the parity gate, and write the files of a model in one step."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType

from engine.errors import UserError
from qc_models.artifact import sealed
from qc_models.family import FORMAT, Family, contract, sha256_of
from qc_models.session import Floats, Session

OPSET = {"": 21, "ai.onnx.ml": 3}
LEAST_ROWS = 2_000
TOLERANCE = 1e-5
MOVED = 1e-4
"""Largest difference of a final probability: a steep calibration magnifies what float32 loses."""
LARGEST = 3.4e38
_LIBRARIES = ("scikit-learn", "skl2onnx", "onnx", "onnxruntime", "numpy")


class ParityError(UserError):
    """The exported graph does not say what the trained model says: nothing was written."""


@dataclass(frozen=True)
class Gate:
    """What the exported graph must agree on with scikit-learn.

    `rows` are float32 features, at least 2,000; `limits` are the probabilities at which something is decided. With
    `final`, the decision is made on `final(probabilities of all rows)`: a calibration, a score of a whole record.
    """

    rows: NDArray[np.float32]
    limits: tuple[float, ...]
    final: Callable[[Floats], Floats] | None = None


@dataclass(frozen=True)
class Made:
    """What a family has trained, ready to be exported."""

    model: Any
    """A fitted scikit-learn classifier of two classes: HistGradientBoosting, LogisticRegression, or a soft vote."""
    gates: Sequence[Gate]
    thresholds: Mapping[str, float]
    data_sha256: str
    metrics: Mapping[str, Any]
    files: Mapping[str, str]
    own: Mapping[str, str]
    """What the family adds to the metadata."""


@dataclass(frozen=True)
class Trained:
    """A model that passed the parity gate and was written."""

    version: str
    folder: Path
    metrics: dict[str, Any]


def publish(family: Family, made: Made, *, name: str, now: datetime, models_dir: Path) -> Trained:
    """Export, check parity and write a model to `<models_dir>/<name>/<version>/`.

    The version names all that the model answers with (graph, thresholds, files, what the family adds), so that another
    model never hides behind a known version; its first part is the day.

    Raises:
        ParityError: the exported graph does not agree with scikit-learn; nothing is written.
    """
    graph = to_graph(made.model)
    apart = max(parity(made.model, graph, gate.rows, gate.limits, gate.final) for gate in made.gates)
    hashes = {file: sha256_of(text) for file, text in made.files.items()}
    parts = [sealed(graph), dict(made.thresholds), dict(made.own), hashes, made.data_sha256, family.schema, FORMAT]
    number = f"{now:%Y%m%d}-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8]}"
    created = now.isoformat(timespec="seconds")
    metrics = {"name": name, "version": number, "created": created, "parity_max_difference": apart, **made.metrics}
    metadata = contract(
        family,
        name=name,
        version=number,
        created=created,
        thresholds=made.thresholds,
        data_sha256=made.data_sha256,
        libraries=libraries(),
        metrics=metrics,
        files=made.files,
        own=made.own,
    )
    folder = models_dir / name / number
    write(folder, stamped(graph, metadata), made.files, metrics, family.card(metadata, metrics))
    return Trained(number, folder, metrics)


def to_graph(model: Any) -> bytes:
    """Convert a fitted classifier to an ONNX graph of float32 rows with the outputs label and probabilities.

    Only the parity gate says whether the conversion is right: several converters are silently wrong (calibration around
    a pipeline, isotonic calibration, categorical features of a gradient boosting).
    """
    _single(model)
    width = int(model.n_features_in_)
    graph = to_onnx(
        model,
        initial_types=[("cells", FloatTensorType([None, width]))],
        options={id(model): {"zipmap": False}},
        target_opset=OPSET,
    )
    return bytes(graph.SerializeToString())


def _single(model: Any) -> None:
    """Round the splits of gradient-boosted trees down to float32, in place; no decision on float32 rows changes by it.

    A split is learned halfway between two values, in float64. The converter rounds it to the nearest float32, which may
    be the upper value, and then sends that one to the other side.
    """
    for part in getattr(model, "estimators_", ()):
        _single(part)
    for (tree,) in getattr(model, "_predictors", ()):
        exact = tree.nodes["num_threshold"]
        with np.errstate(over="ignore"):
            near = exact.astype(np.float32)
        tree.nodes["num_threshold"] = np.where(near > exact, np.nextafter(near, np.float32(-np.inf)), near)


def stamped(graph: bytes, metadata: Mapping[str, str]) -> bytes:
    """Return the graph carrying its metadata."""
    model = onnx.load_from_string(graph)
    onnx.helper.set_model_props(model, dict(metadata))
    return bytes(model.SerializeToString())


def gate_rows(cells: NDArray[np.float32], seed: int, *, largest: float = LARGEST) -> NDArray[np.float32]:
    """Return rows to compare on: real ones, real ones with holes, all unknown, zero, and extreme values.

    A family that clips its features says how far they reach (`largest`): the sums of a linear model over features of
    1,000 and more lose more than the tolerance in float32.
    """
    rng = np.random.default_rng(seed)
    real = cells[rng.choice(len(cells), LEAST_ROWS, replace=len(cells) < LEAST_ROWS)]
    holes = np.where(rng.random(real.shape) < 0.3, np.float32(np.nan), real)  # noqa: PLR2004 - three in ten
    width = cells.shape[1]
    ends = (np.nan, 0, 1e30, -1e30, LARGEST, -LARGEST, 1e-38)
    odd = [np.full((1, width), np.clip(value, -largest, largest), dtype=np.float32) for value in ends]
    mixed = rng.choice(np.array([np.nan, 0, 1, -1, 1e9, -1e9], dtype=np.float32), (500, width))
    return np.concatenate([real, holes, *odd, np.clip(mixed, -largest, largest)]).astype(np.float32)


def parity(
    model: Any,
    graph: bytes,
    rows: NDArray[np.float32],
    limits: tuple[float, ...],
    final: Callable[[Floats], Floats] | None = None,
) -> float:
    """Compare the graph with scikit-learn and return the largest difference of a probability.

    Raises:
        ParityError: a probability differs by more than 1e-5, a final one by more than 1e-4, a decision flips at a
            limit, or there are too few rows.
    """
    if len(rows) < LEAST_ROWS:
        raise ParityError(f"the parity gate needs {LEAST_ROWS} rows, it was given {len(rows)}")
    wanted = np.asarray(model.predict_proba(rows)[:, 1], dtype=np.float64)
    served = Session(graph).probabilities(rows)
    if served.shape != wanted.shape:
        raise ParityError(f"the exported graph answers {served.shape} for {wanted.shape} rows")
    apart = float(np.max(np.abs(wanted - served)))
    if not apart <= TOLERANCE:
        raise ParityError(f"the exported graph is up to {apart:.2g} off scikit-learn; nothing was written")
    one, other = (final(wanted), final(served)) if final else (wanted, served)
    flips = sum(int(np.sum((one >= limit) != (other >= limit))) for limit in limits)
    if flips:
        raise ParityError(f"{flips} decisions flip between scikit-learn and the exported graph; nothing was written")
    moved = float(np.max(np.abs(one - other)))
    if not moved <= MOVED:  # certificates put a threshold anywhere, later: the gate holds between its limits too
        raise ParityError(f"the final probability is up to {moved:.2g} off scikit-learn; nothing was written")
    return apart


def write(folder: Path, graph: bytes, files: Mapping[str, str], metrics: Mapping[str, Any], card: str) -> None:
    """Write all files of a model beside its place, then move them there at once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    stored = {**metrics, "model_sha256": sealed(graph)}
    texts = {**files, "metrics.json": json.dumps(stored, ensure_ascii=False, indent=1) + "\n", "card.md": card}
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder.parent) as beside:
        made = Path(beside) / folder.name
        made.mkdir()
        (made / "model.onnx").write_bytes(graph)
        for file, text in texts.items():
            (made / file).write_text(text, encoding="utf-8", newline="\n")
        if not folder.exists():  # else it is the same model: a version is the hash of all it answers with
            os.replace(made, folder)  # noqa: PTH105 - a directory onto a free name, in one step


def libraries() -> dict[str, str]:
    """Return the versions that made a model."""
    return {"python": ".".join(map(str, sys.version_info[:3])), **{name: version(name) for name in _LIBRARIES}}
