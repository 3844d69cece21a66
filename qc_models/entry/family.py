"""What the entry-quality family adds to an artifact: the profile of verified records, and the score of a record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from engine.errors import UserError
from qc_models.entry.card import render
from qc_models.entry.profile import Profile
from qc_models.entry.schema import NAMES, schema_hash
from qc_models.entry.scoring import Adjustment, RecordScore
from qc_models.family import Family, HasParts, thresholds_of

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
    return json.dumps(asdict(score))


def _parts(meta: Mapping[str, str], files: Mapping[str, str]) -> EntryParts:
    stored = json.loads(meta["record_score"])
    moved = stored["adjustment"]
    adjustment = Adjustment(
        float(moved["intercept"]),
        float(moved["slope"]),
        tuple(moved["process"]),
        tuple(moved["center"]),
        tuple(moved["spread"]),
    )
    score = RecordScore(tuple(stored["weights"]), float(stored["intercept"]), adjustment)
    return EntryParts(score, thresholds_of(meta)[REASON], files[PROFILE])


ENTRY = Family(NAME, NAMES, schema_hash(), (PROFILE,), _parts, render)
