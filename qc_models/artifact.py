"""The trained model as files: exported to ONNX behind a parity gate, verified in full before the first score.

`<models_dir>/<name>/<version>/` holds model.onnx (trees or a linear model, nothing else: text, calibration and
pipelines are where converters go silently wrong), metrics.json, card.md and the files that the model's family adds.
Everything that a score depends on is tied together by hashes in the graph's own metadata (`qc_models.family`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import UserError
from qc_models.families import FAMILIES
from qc_models.family import REVIEW, Family, NotOurs, thresholds_of, verify

if TYPE_CHECKING:
    from qc_models.session import Session


@dataclass(frozen=True)
class Artifact:
    """A verified model, ready to score."""

    name: str
    version: str
    family: Family
    folder: Path
    sha256: str
    """Of model.onnx: what the ledger registers."""
    metadata: Mapping[str, str]
    metrics: Mapping[str, Any]
    thresholds: Mapping[str, float]
    session: Session
    parts: Any
    """What the family adds; each family has a function that returns it typed (`entry_parts`, `match_parts`)."""

    @property
    def threshold(self) -> float:
        """Return the probability at which a person looks."""
        return self.thresholds[REVIEW]


def load(folder: Path) -> Artifact:
    """Read and verify a model.

    Raises:
        UserError: a file is missing or was changed, or the model is of another family, format or feature schema.
    """
    from qc_models.session import DAMAGED, Session  # noqa: PLC0415 - most commands score nothing

    model, metrics = _read(folder)
    try:
        session = Session(model)
        meta = session.metadata
        family = _family(meta)
        files = {name: _text(folder / name) for name in family.files}
        verify(family, meta, metrics, files)
        _fits(session, family, meta, folder)
        thresholds, parts = thresholds_of(meta), family.parts(meta, files)
        name = meta["name"]
    except DAMAGED as error:
        raise UserError(f"{folder}: model.onnx is damaged ({error}); train it again") from error
    except NotOurs as error:
        raise UserError(f"{folder}: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{folder}: the model cannot be read ({error!r}); train it again") from error
    return Artifact(name, folder.name, family, folder, sealed(model), meta, metrics, thresholds, session, parts)


def sealed(model: bytes) -> str:
    """Return the SHA-256 of a graph file."""
    return hashlib.sha256(model).hexdigest()


def _family(meta: Mapping[str, str]) -> Family:
    family = FAMILIES.get(meta.get("family", ""))
    if family is None:
        served = ", ".join(FAMILIES)
        raise NotOurs(f"a foreign model (family {meta.get('family')!r}, this program serves {served})")
    return family


def _fits(session: Session, family: Family, meta: Mapping[str, str], folder: Path) -> None:
    if session.width != len(family.features):
        raise NotOurs(f"the graph takes {session.width} features, {family.name} has {len(family.features)}")
    if meta.get("version") != folder.name:
        raise NotOurs(f"the model is version {meta.get('version')}, its folder says {folder.name}")


def _read(folder: Path) -> tuple[bytes, dict[str, Any]]:
    text = _text(folder / "metrics.json")
    try:
        model = (folder / "model.onnx").read_bytes()
        metrics = json.loads(text)
    except FileNotFoundError as error:
        raise UserError(f"{folder} is not a complete model: model.onnx is missing") from error
    except OSError as error:
        raise UserError(f"{folder}: model.onnx cannot be read ({error})") from error
    except json.JSONDecodeError as error:
        raise UserError(f"{folder}: a file of the model is damaged ({error}); train it again") from error
    if not isinstance(metrics, dict) or metrics.get("model_sha256") != sealed(model):
        raise UserError(f"{folder}: model.onnx is not the file that was trained (its SHA-256 differs); train it again")
    return model, metrics


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError(f"{path.parent} is not a complete model: {path.name} is missing") from error
    except OSError as error:
        raise UserError(f"{path.parent}: {path.name} cannot be read ({error})") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path.parent}: a file of the model is damaged ({error}); train it again") from error
