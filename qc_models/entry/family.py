"""What the entry-quality family adds to an artifact: the profile of verified records, and the score of a record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from engine.errors import UserError
from qc_models.entry.card import render
from qc_models.entry.cells import NAMES, schema_hash
from qc_models.entry.profile import Profile
from qc_models.entry.scoring import RecordScore
from qc_models.family import Family, thresholds_of

NAME = "entry-quality"
PROFILE = "profile.json"
REASON = "reason"
"""The threshold of a cell: from this probability on it is named as a reason."""


@dataclass(frozen=True)
class EntryParts:
    """What an entry-quality model serves with beside its graph."""

    score: RecordScore
    reason_limit: float
    profile_text: str

    def profile(self) -> Profile:
        """Return a fresh profile; whoever serves owns one, because it takes note of what passes through."""
        return Profile.from_json(self.profile_text)


class HasParts(Protocol):
    """An artifact, as far as its family's parts go."""

    @property
    def name(self) -> str:
        """Name of the model."""
        ...

    @property
    def parts(self) -> object:
        """What its family adds."""
        ...


def entry_parts(artifact: HasParts) -> EntryParts:
    """Return the parts of an entry-quality model.

    Raises:
        UserError: it is a model of another family.
    """
    if not isinstance(artifact.parts, EntryParts):
        raise UserError(f"model {artifact.name} does not inspect records; a check needs a model of the family {NAME}")
    return artifact.parts


def score_text(score: RecordScore) -> str:
    """Return the record score as the metadata carries it."""
    return json.dumps({"weights": score.weights, "intercept": score.intercept})


def _parts(meta: Mapping[str, str], files: Mapping[str, str]) -> EntryParts:
    weights = json.loads(meta["record_score"])
    score = RecordScore(tuple(weights["weights"]), float(weights["intercept"]))
    return EntryParts(score, thresholds_of(meta)[REASON], files[PROFILE])


ENTRY = Family(NAME, NAMES, schema_hash(), (PROFILE,), _parts, render)
