"""The trained model as files: exported to ONNX behind a parity gate, verified in full before the first score.

`<models_dir>/<name>/<version>/` holds model.onnx (a gradient boosting, nothing else: text, calibration and pipelines
are where converters go silently wrong), profile.json (the verified records that new ones are compared with),
metrics.json and card.md. Everything that a score depends on is tied together by hashes in the graph's own metadata.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as onnx_errors

from engine.errors import UserError
from qc_models.entry.cells import NAMES, schema_hash
from qc_models.entry.profile import Profile, fingerprint
from qc_models.entry.scoring import RecordScore

FORMAT = "1"
FAMILY = "entry-quality"
LABELS = ("right", "wrong")
Floats = NDArray[np.float64]
_FAULTS = (onnx_errors.InvalidProtobuf, onnx_errors.InvalidGraph, onnx_errors.Fail, onnx_errors.InvalidArgument)


class Session:
    """One ONNX graph, one thread: the probability of the second label for each row of features."""

    def __init__(self, model: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[1].name

    @property
    def metadata(self) -> dict[str, str]:
        """Return what the graph says about itself."""
        return dict(self._session.get_modelmeta().custom_metadata_map)

    def probabilities(self, rows: NDArray[np.float32]) -> Floats:
        """Return P(wrong) a row."""
        found = self._session.run([self._output], {self._input: rows})[0]
        return np.asarray(found[:, 1], dtype=np.float64)


@dataclass(frozen=True)
class Artifact:
    """A verified model, ready to score."""

    name: str
    version: str
    folder: Path
    metadata: Mapping[str, str]
    metrics: Mapping[str, Any]
    threshold: float
    reason_limit: float
    """A cell whose probability reaches this is named as a reason."""
    score: RecordScore
    session: Session
    profile_text: str

    def profile(self) -> Profile:
        """Return a fresh profile; whoever serves owns one, because it takes note of what passes through."""
        return Profile.from_json(self.profile_text)


def load(folder: Path) -> Artifact:
    """Read and verify a model.

    Raises:
        UserError: a file is missing or was changed, or the model is of another family, format or feature schema.
    """
    model, profile_text, metrics = _read(folder)
    session = _session(model, folder)
    meta = session.metadata
    _expect(meta, folder, profile_text)
    try:
        weights = json.loads(meta["record_score"])
        score = RecordScore(tuple(weights["weights"]), float(weights["intercept"]))
        numbers = float(meta["threshold"]), float(meta["reason_limit"])
    except (KeyError, ValueError) as error:
        raise UserError(f"{folder}: the model cannot be read ({error}); train it again") from error
    return Artifact(meta["name"], folder.name, folder, meta, metrics, *numbers, score, session, profile_text)


def sealed(model: bytes) -> str:
    """Return the SHA-256 of a graph file."""
    return hashlib.sha256(model).hexdigest()


def _read(folder: Path) -> tuple[bytes, str, dict[str, Any]]:
    try:
        model = (folder / "model.onnx").read_bytes()
        profile_text = (folder / "profile.json").read_text(encoding="utf-8")
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{folder} is not a complete model: {Path(error.filename).name} is missing") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(f"{folder}: a file of the model is damaged ({error}); train it again") from error
    if not isinstance(metrics, dict) or metrics.get("model_sha256") != sealed(model):
        raise UserError(f"{folder}: model.onnx is not the file that was trained (its SHA-256 differs); train it again")
    return model, profile_text, metrics


def _session(model: bytes, folder: Path) -> Session:
    try:
        return Session(model)
    except _FAULTS as error:
        raise UserError(f"{folder}: model.onnx is damaged ({error}); train it again") from error


def _expect(meta: Mapping[str, str], folder: Path, profile_text: str) -> None:
    if meta.get("family") != FAMILY:
        raise UserError(f"{folder}: a foreign model (family {meta.get('family')!r}, this program serves {FAMILY!r})")
    if meta.get("format") != FORMAT:
        raise UserError(f"{folder}: model format {meta.get('format')}, this program reads {FORMAT}; train it again")
    if meta.get("feature_schema_sha256") != schema_hash():
        raise UserError(f"{folder}: trained on other features than this program computes; train it again")
    if meta.get("labels") != ",".join(LABELS) or meta.get("features") != ",".join(NAMES):
        raise UserError(f"{folder}: its labels or features stand in another order; train it again")
    if meta.get("profile_sha256") != fingerprint(profile_text):
        raise UserError(f"{folder}: profile.json is not the one the model was trained with; train it again")
