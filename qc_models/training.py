"""Train the entry-quality model from verified records alone: no labels needed, mistakes are planted into copies."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from engine.clock import Clock, SystemClock
from engine.errors import UserError
from engine.values import FieldSpec, Record
from qc_models import export
from qc_models.entry import fitting, scoring
from qc_models.entry.examples import Examples, make
from qc_models.entry.family import ENTRY, PROFILE, REASON, score_text
from qc_models.entry.profile import Profile, fingerprint
from qc_models.family import REVIEW
from qc_models.metrics import Metrics, measure

LEAST_HISTORY = 200
EXPECTED_SHARE = 0.05
"""Share of wrong records expected in service: what the probability is calibrated to."""
HISTORY_DIRT = 0.012
"""Share of the verified history that may be wrong unnoticed, and is left out of training where the model says so."""
REASON_LIMIT = 0.3
TREES = 200
MOST_TRAINED = 4_000
BETA = 3.0
"""The default threshold maximises F-beta: a mistake let through costs more than a needless look."""


@dataclass(frozen=True)
class _Fitted:
    model: HistGradientBoostingClassifier
    score: scoring.RecordScore
    threshold: float
    cells: NDArray[np.float32]
    validation: Metrics


def train(
    workflow_fields: Mapping[str, FieldSpec],
    history: Sequence[Record],
    *,
    seed: int,
    models_dir: Path,
    name: str = "entry-quality",
    recall: float | None = None,
    trees: int = TREES,
    clock: Clock | None = None,
) -> export.Trained:
    """Train, export, check parity and write a model.

    Args:
        workflow_fields: The record contract.
        history: Verified records of that contract, oldest first; at least 200.
        seed: Decides every draw; same seed, same data, same model.
        models_dir: Where models live; written to `<models_dir>/<name>/<version>/`.
        name: Name of the model.
        recall: Choose the threshold for this recall on the validation split instead of the best F3.
        trees: Size of the boosting; training time grows with it.
        clock: Gives the version its date.

    Raises:
        UserError: too little history.
        ParityError: the exported graph does not agree with scikit-learn; nothing is written.
    """
    if len(history) < LEAST_HISTORY:
        raise UserError(f"training needs at least {LEAST_HISTORY} verified records, there are {len(history)}")
    now = (clock or SystemClock()).now()
    with threadpool_limits(limits=1):  # several threads on busy cores wait for each other most of the time
        fitted = _fit(workflow_fields, history, seed, recall, trees)
    profile_text = Profile(workflow_fields, history).to_json()
    made = export.Made(
        model=fitted.model,
        gates=_gates(fitted, seed),
        thresholds={REVIEW: fitted.threshold, REASON: REASON_LIMIT},
        data_sha256=fingerprint(profile_text),
        metrics={
            "history_records": len(history),
            "training_records": len(fitted.cells),
            "seed": seed,
            "threshold": fitted.threshold,
            "expected_share": EXPECTED_SHARE,
            "validation": fitted.validation.as_dict(),
        },
        files={PROFILE: profile_text},
        own={"record_score": score_text(fitted.score)},
    )
    return export.publish(ENTRY, made, name=name, now=now, models_dir=models_dir)


def _gates(fitted: _Fitted, seed: int) -> tuple[export.Gate, export.Gate]:
    """Compare cell by cell at the limits of a cell, and record by record at the threshold of a record."""
    width = fitted.cells.shape[2]
    rng = np.random.default_rng(seed)
    few = ceil(export.LEAST_ROWS / fitted.cells.shape[1])
    records = fitted.cells[rng.choice(len(fitted.cells), max(few, 200))]

    def score(cells: scoring.Floats) -> scoring.Floats:
        return fitted.score.probabilities(cells.reshape(records.shape[:2]), records)

    by_cell = export.Gate(export.gate_rows(fitted.cells.reshape(-1, width), seed), (REASON_LIMIT, 0.5))
    return by_cell, export.Gate(records.reshape(-1, width), (fitted.threshold,), score)


def _fit(
    fields: Mapping[str, FieldSpec], history: Sequence[Record], seed: int, recall: float | None, trees: int
) -> _Fitted:
    first, second = _examples(fields, history, random.Random(f"train {seed}"))  # noqa: S311 - seeded, not secret
    crossed = [
        _cell_probabilities(boost(*one.flat, seed, trees), other.cells)
        for one, other in ((second, first), (first, second))
    ]
    probabilities = np.concatenate(crossed)
    cells = np.concatenate([first.cells, second.cells])
    blamed = np.concatenate([first.wrong, second.wrong])
    wrong: NDArray[np.bool_] = np.asarray(blamed.any(axis=1))
    kept = _without_dirt(
        fitting.fit(probabilities, cells, wrong, EXPECTED_SHARE).probabilities(probabilities, cells), wrong
    )
    score = fitting.fit(probabilities[kept], cells[kept], wrong[kept], EXPECTED_SHARE)
    records = score.probabilities(probabilities[kept], cells[kept])
    threshold = fitting.best_threshold(records, wrong[kept], EXPECTED_SHARE, beta=BETA, recall=recall)
    model = boost(cells[kept].reshape(-1, cells.shape[2]), blamed[kept].reshape(-1), seed, trees)
    kinds = np.array((*first.kinds, *second.kinds))[kept]
    validation = measure(records >= threshold, wrong[kept], list(kinds))
    return _Fitted(model, score, threshold, cells[kept], validation)


def _examples(
    fields: Mapping[str, FieldSpec], history: Sequence[Record], rng: random.Random
) -> tuple[Examples, Examples]:
    """Describe the newer half, in two blocks, each against what came before it."""
    recent = list(history)[-MOST_TRAINED:]
    half, three_quarters = len(recent) // 2, len(recent) * 3 // 4
    return (
        make(fields, recent[:half], recent[half:three_quarters], rng),
        make(fields, recent[:three_quarters], recent[three_quarters:], rng),
    )


def boost(
    cells: NDArray[np.float32], wrong: NDArray[np.bool_], seed: int, trees: int = TREES
) -> HistGradientBoostingClassifier:
    """Fit the boosting over cells: small enough to be read by ONNX at once, deterministic by seed."""
    unknown = np.isnan(cells).all(axis=0)
    if unknown.any():  # scikit-learn cannot bin a feature that no cell of this workflow has
        cells = cells.copy()
        cells[0, unknown] = 0
    return HistGradientBoostingClassifier(
        max_iter=trees,
        max_leaf_nodes=24,
        learning_rate=0.08,
        min_samples_leaf=10,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=seed,
    ).fit(cells, wrong)


def _cell_probabilities(model: HistGradientBoostingClassifier, cells: NDArray[np.float32]) -> NDArray[np.float64]:
    found = model.predict_proba(cells.reshape(-1, cells.shape[2]))[:, 1]
    return np.asarray(found, dtype=np.float64).reshape(cells.shape[:2])


def _without_dirt(probabilities: NDArray[np.float64], wrong: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return what to keep: all but the unspoilt records that a model which never saw them doubts most."""
    unspoilt = np.flatnonzero(~wrong)
    doubted = unspoilt[np.argsort(-probabilities[unspoilt])[: ceil(HISTORY_DIRT * len(unspoilt))]]
    kept = np.ones(len(wrong), dtype=bool)
    kept[doubted] = False
    return kept
