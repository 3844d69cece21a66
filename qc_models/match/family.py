"""What the match-quality family adds to an artifact: Platt's calibration, and what a right match usually looks like."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from engine.errors import UserError
from qc_models.calibration import Platt
from qc_models.family import Family, HasParts
from qc_models.match.card import render
from qc_models.match.features import NAMES, SCHEMA, Matrix

NAME = "match-quality"
TYPICAL = "typical.json"


@dataclass(frozen=True)
class MatchParts:
    """What a match-quality model serves with beside its graph."""

    platt: Platt
    typical: Matrix
    """The middle value of each feature among right matches, (features,): reasons are what is far from it."""


def match_parts(artifact: HasParts) -> MatchParts:
    """Return the parts of a match-quality model.

    Raises:
        UserError: it is a model of another family.
    """
    if not isinstance(artifact.parts, MatchParts):
        raise UserError(f"model {artifact.name} does not judge matches; that needs a model of the family {NAME}")
    return artifact.parts


def typical_text(typical: Matrix) -> str:
    """Return the typical values as the artifact keeps them; unknown is null."""
    known = {name: None if np.isnan(value) else float(value) for name, value in zip(NAMES, typical, strict=True)}
    return json.dumps(known, indent=1) + "\n"


def _parts(meta: Mapping[str, str], files: Mapping[str, str]) -> MatchParts:
    known = json.loads(files[TYPICAL])
    values = [float("nan") if known[name] is None else float(known[name]) for name in NAMES]
    return MatchParts(Platt.from_text(meta["platt"]), np.array(values, dtype=np.float32))


MATCH = Family(NAME, NAMES, SCHEMA, (TYPICAL,), _parts, render)
