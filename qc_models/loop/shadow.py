"""Challengers scored on every inspected case beside the champion: what they would have said, without any say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from loguru import logger

from engine.errors import UserError
from engine.ledger import models as registry
from engine.ledger.database import Database
from engine.ports import Case, Score
from qc_models.checks.model import ModelParams
from qc_models.store import ModelStore


def _faults() -> tuple[type[Exception], ...]:
    """Return what a challenger may do wrong unnoticed by the verdict: its files, fields, features, graph."""
    from qc_models.session import ERRORS  # noqa: PLC0415 - most commands score nothing

    return (UserError, ArithmeticError, LookupError, OSError, RuntimeError, TypeError, ValueError, *ERRORS)


class Shadows:
    """The challengers in shadow; one that fails is left out until it leaves the shadow, and said once."""

    def __init__(
        self,
        models: ModelStore,
        versions: Callable[[str], Sequence[str]],
        failed: Callable[[str, str, str], None],
    ) -> None:
        """Score challengers.

        Args:
            models: the store of artifacts.
            versions: versions in shadow, by name of the model; asked for every case, so that a change takes effect.
            failed: told name, version and reason, once for each version that cannot be scored.
        """
        self._models = models
        self._versions = versions
        self._failed = failed
        self._out: set[tuple[str, str]] = set()

    def scores(self, params: ModelParams, case: Case) -> tuple[Score, ...]:
        """Return each challenger's opinion of a case; never raises for what a challenger does wrong."""
        found = []
        versions = self._versions(params.name)
        self._out = {one for one in self._out if one[0] != params.name or one[1] in versions}
        for version in versions:
            if (params.name, version) in self._out:
                continue
            try:
                found.append(self._score(params, version, case))
            except _faults() as error:
                self._out.add((params.name, version))
                logger.bind(event="shadow.failed").warning("{} {} in shadow: {}", params.name, version, error)
                self._failed(params.name, version, str(error))
        return tuple(found)

    def _score(self, params: ModelParams, version: str, case: Case) -> Score:
        probability = self._models.probability(params.name, version, case)
        if not 0 <= probability <= 1:
            raise ValueError(f"{probability} is no probability")
        artifact = self._models.get(params.name, version)
        threshold = artifact.threshold if params.threshold is None else params.threshold
        return Score(params.name, version, probability, threshold)


def shadows_of(models: ModelStore, database: Database) -> Shadows:
    """Return the challengers that the ledger has in shadow; it is told of those that cannot be scored."""
    return Shadows(models, partial(registry.in_shadow, database), partial(registry.shadow_failed, database))
