"""One verdict on one output: every check of the definition is asked, any finding means review."""

from __future__ import annotations

from engine.definition import Workflow
from engine.ports import Case, Finding, Score, Verdict
from qc_models.checks.model import Judge, ModelParams, judged
from qc_models.registry import CHECKS


class Countersigner:
    """The product's inspector (`engine.ports.Inspector`): read-back, rules and the trained model."""

    def __init__(self, models: Judge) -> None:
        self._models = models

    def inspect(self, workflow: Workflow, case: Case) -> Verdict:
        """Run every check in the order of the definition; any finding means review."""
        found: list[Finding] = []
        score: Score | None = None
        for spec in workflow.checks:
            if isinstance(spec.params, ModelParams):
                judgement = judged(spec.params, case, self._models)
                found.extend(judgement.findings())
                score = judgement.score if score is None else score
            else:
                found.extend(CHECKS[spec.kind](spec.params, case, self._models))
        return Verdict("review" if found else "pass", tuple(found), score)
