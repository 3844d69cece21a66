"""One verdict on one output: every check of the definition is asked, any finding means review."""

from __future__ import annotations

from typing import Literal

from engine.definition import Workflow
from engine.errors import UserError
from engine.ports import Case, Finding, Score, Verdict
from qc_models.checks.model import Judge, ModelParams, judged
from qc_models.loop.shadow import Shadows
from qc_models.promise.standing import UNSEEN, Standing, Standings, Unwatched
from qc_models.registry import CHECKS

_REPLACED = Finding("model", "model_replaced", "the model was replaced while this was inspected, so a person decides")


class Countersigner:
    """The product's inspector (`engine.ports.Inspector`): read-back, rules, the model as far as it is proven."""

    def __init__(self, models: Judge, standings: Standings | None = None, shadows: Shadows | None = None) -> None:
        """Inspect with these models as far as they are proven; `shadows` score beside them and decide nothing."""
        self._models = models
        self._standings = standings or Unwatched()
        self._shadows = shadows

    def inspect(self, workflow: Workflow, case: Case) -> Verdict:
        """Run every check in the order of the definition; any finding means review.

        What the first model check stands by (scope, certificate) is what the verdict stands by.
        """
        found: list[Finding] = []
        score: Score | None = None
        beside: tuple[Score, ...] = ()
        first: Standing | None = None
        held = False
        shadowed: set[str] = set()
        for spec in workflow.checks:
            if isinstance(spec.params, ModelParams):
                standing = self._standing(workflow, spec.params, case)
                judgement = judged(spec.params, case, self._models, standing.review_at)
                found.extend(judgement.findings())
                if standing.held is not None and standing.held not in found:
                    found.append(standing.held)
                held = held or (standing.held is not None and standing.held.code != UNSEEN)
                if _another(judgement.score, standing):
                    found.append(_REPLACED)
                    standing = Standing()
                score = judgement.score if score is None else score
                if self._shadows and spec.params.name not in shadowed:  # a second check of a model hears the same
                    shadowed.add(spec.params.name)
                    beside += self._shadows.scores(spec.params, case)
                first = standing if first is None else first
            else:
                found.extend(CHECKS[spec.kind](spec.params, case, self._models))
        decision: Literal["pass", "review"] = "review" if found else "pass"
        pins, certificate = (first.pins, first.certificate) if first else (None, None)
        return Verdict(decision, tuple(found), score, pins=pins, certificate=certificate, held=held, shadows=beside)

    def _standing(self, workflow: Workflow, params: ModelParams, case: Case) -> Standing:
        try:
            return self._standings.standing(workflow, params, case)
        except UserError as error:  # no model, or no certificate, that could be trusted
            return Standing(held=Finding("model", "model_unusable", str(error)))


def _another(score: Score | None, standing: Standing) -> bool:
    """Say whether the score is of another version than what stands: one was promoted between the two questions."""
    return score is not None and standing.pins is not None and score.version != standing.pins["model_version"]
