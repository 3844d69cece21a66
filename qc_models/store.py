"""The trained models of a folder: verified once, then served from memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.errors import UserError
from engine.ports import Case, Finding, Score
from engine.values import FieldSpec
from qc_models.artifact import Artifact, load
from qc_models.checks.model import Judgement, ModelParams
from qc_models.entry.cells import Extractor, Matrix
from qc_models.entry.cold_start import ColdStart
from qc_models.entry.columns import Column, columns
from qc_models.entry.family import entry_parts
from qc_models.entry.reasons import Reasons

_SEEN = 20_000
"""References of a model that are remembered: a worker that runs for weeks must not grow."""


@dataclass(frozen=True)
class Opinion:
    """What the model thinks of one record: P(wrong), P(wrong) by column, and what it looked at."""

    probability: float
    cells: NDArray[np.float64]
    matrix: Matrix


class Served:
    """One model at work: its own profile, which takes note of the records that pass through."""

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        self.parts = entry_parts(artifact)
        self.extractor = Extractor(self.parts.profile())
        self._lock = threading.Lock()

    def opinion(self, case: Case) -> Opinion:
        """Score one case; the record of the same reference is never its own twin."""
        with self._lock:
            matrix = self.extractor.matrix(case)
        return self._opinions(matrix[None])[0]

    def opinions(self, cases: Sequence[Case], *, remember: bool = False) -> list[Opinion]:
        """Score many cases in one pass of the graph.

        Args:
            cases: In the order in which they came.
            remember: Take note of each one before the next, as in service.
        """
        matrices = []
        with self._lock:
            for case in cases:
                matrices.append(self.extractor.matrix(case))
                if remember:
                    self.extractor.profile.observe(case.payload, case.reference or None)
        return self._opinions(np.stack(matrices)) if matrices else []

    def _opinions(self, matrices: NDArray[np.float32]) -> list[Opinion]:
        count, columns_, features = matrices.shape
        found = self.artifact.session.probabilities(matrices.reshape(count * columns_, features))
        cells = found.reshape(count, columns_)
        records = self.parts.score.probabilities(cells, matrices)
        return [Opinion(float(record), *rest) for record, *rest in zip(records, cells, matrices, strict=True)]

    def reasons(self, opinion: Opinion, case: Case) -> list[Finding]:
        """Say which fields are in doubt and why, strongest first."""
        names = [column.name for column in self.extractor.profile.columns]
        probabilities = dict(zip(names, opinion.cells.tolist(), strict=True))
        with self._lock:
            writer = Reasons(self.extractor, case, opinion.matrix)
            return writer.findings(probabilities, self.parts.reason_limit)

    def observe(self, case: Case) -> None:
        """Remember a record that was inspected, so that its twin is noticed."""
        with self._lock:
            self.extractor.profile.observe(case.payload, case.reference or None)

    def expects(self, fields: Mapping[str, FieldSpec]) -> bool:
        """Say whether a contract has the columns that the model was trained on."""
        return columns(fields) == self.extractor.profile.columns


class ModelStore:
    """Models by name and version; the newest unless the caller says which one is the champion."""

    def __init__(
        self,
        models_dir: Path,
        *,
        champion: Callable[[str], str | None] | None = None,
        registered: Callable[[str, str], str | None] | None = None,
    ) -> None:
        """Look for models in a folder.

        Args:
            models_dir: `<models_dir>/<name>/<version>/`.
            champion: Version in service by name; None, or a None answer, means the newest.
            registered: SHA-256 of model.onnx in the ledger, by name and version; None if it is not registered.
        """
        self._models_dir = models_dir
        self._champion = champion
        self._registered = registered
        self._loaded: dict[tuple[str, str], Artifact] = {}
        self._served: dict[tuple[str, str], Served] = {}
        self._seen: dict[tuple[str, str], OrderedDict[str, None]] = {}
        self._cold: dict[tuple[str, tuple[Column, ...]], ColdStart] = {}

    def afresh(self) -> ModelStore:
        """Return a store of the same verified models that has seen no record yet, and whose memory is its own."""
        store = ModelStore(self._models_dir, champion=self._champion, registered=self._registered)
        store._loaded = self._loaded
        return store

    def versions(self, name: str) -> list[str]:
        """Return the versions of a model, oldest first by the time of their files."""
        folders = [path for path in (self._models_dir / name).glob("[!.]*") if (path / "model.onnx").is_file()]
        return [
            path.name for path in sorted(folders, key=lambda path: ((path / "model.onnx").stat().st_mtime_ns, path))
        ]

    def get(self, name: str, version: str | None = None) -> Artifact:
        """Return a verified model, loaded once.

        Raises:
            UserError: there is none, or it cannot be trusted.
        """
        chosen = version or (self._champion(name) if self._champion else None)
        if chosen is None:
            known = self.versions(name)
            if not known:
                raise UserError(f"no model {name!r} is trained yet, so a person looks at everything; see `model train`")
            chosen = known[-1]
        if (name, chosen) not in self._loaded:
            self._loaded[name, chosen] = self.verified(name, chosen)
        return self._loaded[name, chosen]

    def verified(self, name: str, version: str) -> Artifact:
        """Read a model's files as they are now and return it, whatever is in memory.

        Raises:
            UserError: it cannot be trusted, belongs to another model, or is not the file that the ledger registered.
        """
        artifact = load(self._models_dir / name / version)
        if artifact.name != name:
            raise UserError(f"{artifact.folder}: this is a version of {artifact.name}, not of {name}")
        digest = self._registered(name, version) if self._registered else None
        if digest is not None and digest != artifact.sha256:
            raise UserError(
                f"{artifact.folder}: model.onnx is not the file that was registered (its SHA-256 differs); "
                "restore it from a backup, or train again"
            )
        return artifact

    def serve(self, name: str, version: str | None = None) -> Served:
        """Return a model at work; raises as `get` does."""
        artifact = self.get(name, version)
        key = (name, artifact.version)
        if key not in self._served:
            self._served[key] = Served(artifact)
        return self._served[key]

    def judge(self, params: ModelParams, case: Case, review_at: float | None = None) -> Judgement:
        """Score a case, with reasons if it is in doubt. Raises UserError without a model that fits the contract.

        Args:
            params: the definition's check.
            case: the output.
            review_at: threshold that is proven, if any; a definition's own goes before it, the model's own comes last.
        """
        served = self.serve(params.name)
        artifact = served.artifact
        if not served.expects(case.fields):
            raise UserError(f"model {params.name} {artifact.version} was trained on other fields; train it again")
        opinion = served.opinion(case)
        threshold = next(one for one in (params.threshold, review_at, artifact.threshold) if one is not None)
        score = Score(params.name, artifact.version, opinion.probability, threshold)
        doubtful = opinion.probability >= score.threshold
        reasons = served.reasons(opinion, case) if doubtful else []
        self._observe(served, case)
        return Judgement(score, tuple(reasons))

    def probability(self, name: str, version: str, case: Case) -> float:
        """Return what one version says of a case, and let it take note of it; raises as `judge` does."""
        served = self.serve(name, version)
        if not served.expects(case.fields):
            raise UserError(f"model {name} {version} was trained on other fields; train it again")
        found = served.opinion(case).probability
        self._observe(served, case)
        return found

    def first_look(self, case: Case) -> tuple[Finding, ...]:
        """Say what is odd about a case among those that this process has seen without a model; see `ColdStart`."""
        key = case.workflow, columns(case.fields)
        if key not in self._cold:
            self._cold[key] = ColdStart(case.fields)
        return self._cold[key].look(case).reasons

    def _observe(self, served: Served, case: Case) -> None:
        key = (served.artifact.name, served.artifact.version)
        seen = self._seen.setdefault(key, OrderedDict())
        if case.reference not in seen:  # a second attempt is the same record
            seen[case.reference] = None
            if len(seen) > _SEEN:
                seen.popitem(last=False)
            served.observe(case)
