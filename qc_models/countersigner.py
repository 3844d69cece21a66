"""One verdict on one output: every check of the definition is asked, any finding means review."""

from __future__ import annotations

from engine.definition import Workflow
from engine.ports import Case, Finding, Score, Verdict
from qc_models.checks.model import Judge, ModelParams, judged
from qc_models.loop.shadow import Shadows
from qc_models.registry import CHECKS


class Countersigner:
    """The product's inspector (`engine.ports.Inspector`): read-back, rules and the trained model."""

    def __init__(self, models: Judge, shadows: Shadows | None = None) -> None:
        """Inspect with these models; `shadows` scores challengers beside them, and decides nothing."""
        self._models = models
        self._shadows = shadows

    def inspect(self, workflow: Workflow, case: Case) -> Verdict:
        """Run every check in the order of the definition; any finding means review."""
        found: list[Finding] = []
        score: Score | None = None
        beside: tuple[Score, ...] = ()
        for spec in workflow.checks:
            if isinstance(spec.params, ModelParams):
                judgement = judged(spec.params, case, self._models)
                found.extend(judgement.findings())
                score = judgement.score if score is None else score
                beside += self._shadows.scores(spec.params, case) if self._shadows else ()
            else:
                found.extend(CHECKS[spec.kind](spec.params, case, self._models))
        return Verdict("review" if found else "pass", tuple(found), score, shadows=beside)
