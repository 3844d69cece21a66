"""The model card: what a model is for, what it was made of, how good it is and what it cannot do."""

from __future__ import annotations

from qc_models.artifact import Artifact


def card(artifact: Artifact) -> str:
    """Return the card of a model as Markdown, as its family writes it."""
    return artifact.family.card(artifact.metadata, artifact.metrics)
