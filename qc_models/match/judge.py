"""The judge of candidate matches: P(this match is wrong), with reasons; by stated rules while there is no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.ports import Finding
from qc_models.artifact import Artifact
from qc_models.match import reasons, rules
from qc_models.match.context import Context
from qc_models.match.family import match_parts
from qc_models.match.features import Matrix, matrix
from qc_models.match.pair import Pair

Floats = NDArray[np.float64]
RULES_THRESHOLD = 0.5
"""Without a model: what the rules find more likely wrong than right is flagged."""


@dataclass(frozen=True)
class MatchOpinion:
    """What is thought of one candidate."""

    probability_wrong: float
    threshold: float
    """A person looks at this probability or over it."""
    reasons: tuple[Finding, ...]
    """What speaks against the match, strongest first; also for candidates under the threshold."""
    decision: Literal["close", "suggest"]
    """`close` only under a limit proven from audited labels; everything else is a suggestion to a person."""
    model: str | None
    """Version of the model; None while the rules speak."""


@dataclass(frozen=True)
class Opinions:
    """What is thought of many candidates, in their order."""

    probability_wrong: Floats
    threshold: float
    may_close: NDArray[np.bool_]
    rows: Matrix


class MatchJudge:
    """Judges candidates by a model, or by the rules without one."""

    def __init__(self, artifact: Artifact | None = None, *, proven: float | None = None) -> None:
        """Serve one model.

        Args:
            artifact: A verified match-quality model (`ModelStore.get`), or None for the rules of the first day.
            proven: The limit under which audited labels prove the promised residual error; None: nothing closes.

        Raises:
            UserError: the model is of another family.
        """
        self._artifact = artifact
        self._parts = None if artifact is None else match_parts(artifact)
        self._proven = None if artifact is None else proven
        suggested = RULES_THRESHOLD if artifact is None else artifact.threshold
        self.threshold = suggested if self._proven is None else self._proven

    @property
    def versions(self) -> dict[str, str]:
        """Return name and version of the model to the SHA-256 of its artifact; nothing for the rules."""
        of = self._artifact
        return {} if of is None else {f"{of.name} {of.version}": of.sha256}

    def judge(self, pair: Pair, context: Context) -> MatchOpinion:
        """Return the opinion of one candidate, with its reasons in words."""
        rows = matrix([pair], context)
        probability = float(self._score(rows)[0])
        found = tuple(reasons.findings(pair, rows[0], context, self.against(rows)))
        close = self._proven is not None and probability < self._proven
        version = self._artifact.version if self._artifact else None
        return MatchOpinion(probability, self.threshold, found, "close" if close else "suggest", version)

    def judge_all(self, pairs: Sequence[Pair], context: Context) -> Opinions:
        """Return the opinions of many candidates as arrays, in their order; `judge` tells the reasons of one."""
        rows = matrix(pairs, context)
        probabilities = self._score(rows)
        limit = -1.0 if self._proven is None else self._proven
        return Opinions(probabilities, self.threshold, probabilities < limit, rows)

    def against(self, rows: Matrix) -> dict[str, float]:
        """Return how much each group of features speaks against one candidate, in log-odds; only what does.

        With a model it is measured against a typical right match (`reasons.weights`); without one, it is the weights of
        the rules that apply.
        """
        if self._artifact is None or self._parts is None:
            found: dict[str, float] = {}
            for rule in rules.applying(rows[0]):
                found[rule.group] = found.get(rule.group, 0.0) + rule.weight
            return found
        return reasons.weights(rows[0], self._parts.typical, self._score)

    def _score(self, rows: Matrix) -> Floats:
        if self._artifact is None or self._parts is None:
            return rules.wrong(rows)
        if not len(rows):
            return np.empty(0)
        return self._parts.platt.probabilities(self._artifact.session.probabilities(rows))
