"""The trained model's opinion: P(this output is wrong), and the fields that make it think so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from pydantic import Field

from engine.definition import Frozen
from engine.errors import UserError
from engine.ports import Case, Finding, Score


class ModelParams(Frozen):
    """Which model looks at the output, and the error it may let through."""

    shorthand: ClassVar[str | None] = "name"

    name: str = Field(description="Name of the model, e.g. entry-quality.")
    max_residual_error: float = Field(0.0001, gt=0, lt=1, description="Largest share of wrong outputs among passes.")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Confidence with which that must hold.")
    until_proven: Literal["review", "model"] = Field(
        "review",
        description="What decides while that is not proven: a person (of everything), or the model's threshold.",
    )
    threshold: float | None = Field(
        None, ge=0, le=1, description="Review at or over this probability, proven or not; default: what is proven."
    )

    def named(self) -> tuple[str, ...]:
        """Return no fields: a model looks at all of them."""
        return ()


@dataclass(frozen=True)
class Judgement:
    """A score and the reasons for it, strongest first."""

    score: Score | None
    reasons: tuple[Finding, ...]

    def findings(self) -> list[Finding]:
        """Return the reasons if the score asks for review; none if it passes."""
        if self.score is not None and self.score.probability < self.score.threshold:
            return []
        return list(self.reasons) or [
            Finding("model", "unlike_the_rest", "the record as a whole is unlike earlier ones")
        ]


class Judge(Protocol):
    """Who can score a case: the store of trained models."""

    def judge(self, params: ModelParams, case: Case, review_at: float | None = None) -> Judgement:
        """Score one case against a threshold; by default the definition's, or else the model's own.

        Raises UserError if there is no model or it cannot be trusted.
        """
        ...

    def first_look(self, case: Case) -> tuple[Finding, ...]:
        """Say what is odd about a case without a model, most suspicious first."""
        ...


def judged(params: ModelParams, case: Case, models: Judge, review_at: float | None = None) -> Judgement:
    """Score one case; without a usable model the answer is review, never pass, and where to look first."""
    try:
        return models.judge(params, case, review_at)
    except UserError as error:
        return Judgement(None, (Finding("model", "model_unusable", str(error)), *models.first_look(case)))


def model(params: ModelParams, case: Case, models: Judge) -> list[Finding]:
    """Ask the model; its reasons are the findings, by field."""
    return judged(params, case, models).findings()
