"""Export to ONNX behind the parity gate, and write the files of a model in one step."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import HistGradientBoostingClassifier

from engine.errors import UserError
from qc_models.artifact import Session, sealed

OPSET = {"": 21, "ai.onnx.ml": 3}
LEAST_ROWS = 2_000
TOLERANCE = 1e-5
_LIBRARIES = ("scikit-learn", "skl2onnx", "onnx", "onnxruntime", "numpy")


class ParityError(UserError):
    """The exported graph does not say what the trained model says: nothing was written."""


def to_graph(model: HistGradientBoostingClassifier, metadata: Mapping[str, str]) -> bytes:
    """Convert a trained gradient boosting to an ONNX graph that carries its metadata."""
    width = int(model.n_features_in_)
    graph = to_onnx(
        model,
        initial_types=[("cells", FloatTensorType([None, width]))],
        options={id(model): {"zipmap": False}},
        target_opset=OPSET,
    )
    onnx.helper.set_model_props(graph, dict(metadata))
    return bytes(graph.SerializeToString())


def gate_rows(cells: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Return rows to compare on: real ones, real ones with holes, all unknown, zero, and extreme values."""
    rng = np.random.default_rng(seed)
    real = cells[rng.choice(len(cells), LEAST_ROWS, replace=len(cells) < LEAST_ROWS)]
    holes = np.where(rng.random(real.shape) < 0.3, np.float32(np.nan), real)  # noqa: PLR2004 - three in ten
    width = cells.shape[1]
    odd = [np.full((1, width), value, dtype=np.float32) for value in (np.nan, 0, 1e30, -1e30, 3.4e38, -3.4e38, 1e-38)]
    mixed = rng.choice(np.array([np.nan, 0, 1, -1, 1e9, -1e9], dtype=np.float32), (500, width))
    return np.concatenate([real, holes, *odd, mixed]).astype(np.float32)


def parity(
    model: HistGradientBoostingClassifier, graph: bytes, rows: NDArray[np.float32], limits: tuple[float, ...]
) -> float:
    """Compare the graph with scikit-learn and return the largest difference.

    Raises:
        ParityError: a probability differs by more than 1e-5, a decision flips at a limit, or there are too few rows.
    """
    if len(rows) < LEAST_ROWS:
        raise ParityError(f"the parity gate needs {LEAST_ROWS} rows, it was given {len(rows)}")
    wanted = model.predict_proba(rows)[:, 1]
    served = Session(graph).probabilities(rows)
    if served.shape != wanted.shape:
        raise ParityError(f"the exported graph answers {served.shape} for {wanted.shape} rows")
    apart = float(np.max(np.abs(wanted - served)))
    if not apart <= TOLERANCE:
        raise ParityError(f"the exported graph is up to {apart:.2g} off scikit-learn; nothing was written")
    flips = sum(int(np.sum((wanted >= limit) != (served >= limit))) for limit in limits)
    if flips:
        raise ParityError(f"{flips} decisions flip between scikit-learn and the exported graph; nothing was written")
    return apart


def write(folder: Path, graph: bytes, profile_text: str, metrics: Mapping[str, Any], card: str) -> None:
    """Write all files of a model beside its place, then move them there at once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    stored = {**metrics, "model_sha256": sealed(graph)}
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder.parent) as beside:
        made = Path(beside) / folder.name
        made.mkdir()
        (made / "model.onnx").write_bytes(graph)
        (made / "profile.json").write_text(profile_text, encoding="utf-8")
        (made / "metrics.json").write_text(json.dumps(stored, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        (made / "card.md").write_text(card, encoding="utf-8")
        if not folder.exists():  # else it is the same model: a version is the hash of all it answers with
            os.replace(made, folder)  # noqa: PTH105 - a directory onto a free name, in one step


def libraries() -> dict[str, str]:
    """Return the versions that made a model."""
    return {"python": ".".join(map(str, sys.version_info[:3])), **{name: version(name) for name in _LIBRARIES}}
