"""What every family of models shares: the contract that an artifact's metadata must keep before its first score.

A family (entry-quality, match-quality) adds its features, the files that lie beside the graph, what it reads from both,
and its card. It is a value, listed in the plain dict `qc_models.families.FAMILIES`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

FORMAT = "2"
LABELS = ("right", "wrong")
"""The classes of every family, in the graph's order: the second is what the probability is of."""
REVIEW = "review"
"""The threshold that every model has: a person looks at this probability or over it."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


class NotOurs(ValueError):
    """An artifact that must not score; the text says why."""


@dataclass(frozen=True)
class Family:
    """One kind of model.

    `parts` turns the metadata and the texts of `files` into what the family serves with; it may raise KeyError or
    ValueError for what it cannot read. `card` renders Markdown of metadata and metrics.
    """

    name: str
    features: tuple[str, ...]
    schema: str
    """SHA-256 of the features' version, names and order: models of another schema are foreign."""
    files: tuple[str, ...]
    parts: Callable[[Mapping[str, str], Mapping[str, str]], Any]
    card: Callable[[Mapping[str, str], Mapping[str, Any]], str]


def schema_of(version: str, names: tuple[str, ...]) -> str:
    """Return the SHA-256 of a feature list: its version, names and order."""
    return hashlib.sha256("\n".join((version, *names)).encode()).hexdigest()


def sha256_of(text: str) -> str:
    """Return the SHA-256 of a text, 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def contract(
    family: Family,
    *,
    name: str,
    version: str,
    created: str,
    thresholds: Mapping[str, float],
    data_sha256: str,
    libraries: Mapping[str, str],
    metrics: Mapping[str, Any],
    files: Mapping[str, str],
    own: Mapping[str, str],
) -> dict[str, str]:
    """Return the metadata of a new artifact, as `verify` wants to find it; `own` is what the family adds."""
    return {
        **own,
        "family": family.name,
        "format": FORMAT,
        "name": name,
        "version": version,
        "created": created,
        "labels": ",".join(LABELS),
        "features": ",".join(family.features),
        "feature_schema_sha256": family.schema,
        "thresholds": json.dumps(dict(thresholds)),
        "training_data_sha256": data_sha256,
        "libraries": json.dumps(dict(libraries)),
        "metrics": json.dumps(dict(metrics), ensure_ascii=False),
        "files": json.dumps({file: sha256_of(text) for file, text in files.items()}),
    }


def verify(family: Family, meta: Mapping[str, str], metrics: Mapping[str, Any], files: Mapping[str, str]) -> None:
    """Check a graph's metadata against this program and the files beside it.

    Raises:
        NotOurs: made in another format, over other features or labels, or a file is not the one it was trained with.
    """
    if meta.get("format") != FORMAT:
        raise NotOurs(f"model format {meta.get('format')}, this program reads {FORMAT}; train it again")
    if meta.get("feature_schema_sha256") != family.schema:
        raise NotOurs("trained on other features than this program computes; train it again")
    if meta.get("labels") != ",".join(LABELS) or meta.get("features") != ",".join(family.features):
        raise NotOurs("its labels or features stand in another order; train it again")
    if not _SHA256.fullmatch(meta.get("training_data_sha256", "")):
        raise NotOurs("it does not say which data it was trained on; train it again")
    for key in ("files", "metrics", "libraries"):
        if not isinstance(_parsed(meta, key), dict):
            raise NotOurs(f"the model cannot be read (its {key} are no JSON object); train it again")
    for file in family.files:
        if _parsed(meta, "files").get(file) != sha256_of(files[file]):
            raise NotOurs(f"{file} is not the one the model was trained with; train it again")
    if _parsed(meta, "metrics") != {key: value for key, value in metrics.items() if key != "model_sha256"}:
        raise NotOurs("metrics.json does not say what the model says of itself; train it again")


def thresholds_of(meta: Mapping[str, str]) -> dict[str, float]:
    """Return the live thresholds by name; `review` is always among them.

    Raises:
        NotOurs: there is none, or one is no probability.
    """
    found = _parsed(meta, "thresholds")
    if not isinstance(found, dict) or REVIEW not in found:
        raise NotOurs("the model cannot be read (it has no review threshold); train it again")
    if not all(isinstance(value, int | float) and 0 <= value <= 1 for value in found.values()):
        raise NotOurs("the model cannot be read (a threshold is no probability); train it again")
    return {name: float(value) for name, value in found.items()}


def _parsed(meta: Mapping[str, str], key: str) -> Any:
    try:
        return json.loads(meta.get(key, ""))
    except ValueError:
        return None
