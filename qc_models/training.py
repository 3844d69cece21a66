"""Train the entry-quality model: verified records and planted mistakes to begin with, reviewed records as they come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from engine.clock import Clock, SystemClock
from engine.errors import UserError
from engine.values import FieldSpec, Record
from qc_models import export
from qc_models.entry import fitting, scoring
from qc_models.entry.boosting import TREES
from qc_models.entry.family import ENTRY, PROFILE, REASON, score_text
from qc_models.entry.learning import EXPECTED_SHARE, Learned, Prior, learn, prepare
from qc_models.entry.profile import fingerprint
from qc_models.entry.reviewed import Reviewed
from qc_models.family import REVIEW
from qc_models.metrics import measure

LEAST_HISTORY = 200
REASON_LIMIT = 0.3
COST_OF_A_MISS = 9.0
"""A mistake let through costs as much as this many needless looks."""


def train(
    workflow_fields: Mapping[str, FieldSpec],
    history: Sequence[Record],
    *,
    seed: int,
    models_dir: Path,
    reviewed: Sequence[Reviewed] = (),
    misses: float = 0.0,
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
        reviewed: Records that people judged after the history, oldest first.
        misses: Share of wrong records that these people let pass, in [0, 1); 0 for adjudicated labels.
        name: Name of the model.
        recall: Choose the threshold for this recall on the validation split instead of by the cost of a miss.
        trees: Size of the boosting; training time grows with it.
        clock: Gives the version its date.

    Raises:
        UserError: too little history.
        ParityError: the exported graph does not agree with scikit-learn; nothing is written.
    """
    prior = study(workflow_fields, history, seed=seed, trees=trees)
    return finish(prior, reviewed, misses=misses, models_dir=models_dir, name=name, recall=recall, clock=clock)


def study(fields: Mapping[str, FieldSpec], history: Sequence[Record], *, seed: int, trees: int = TREES) -> Prior:
    """Learn what history alone teaches: the longer half of training, done once for any number of `finish`.

    Raises:
        UserError: too little history.
    """
    if len(history) < LEAST_HISTORY:
        raise UserError(
            f"training needs at least {LEAST_HISTORY} verified records, there are {len(history)}; --history adds some"
        )
    with threadpool_limits(limits=1):  # several threads on busy cores wait for each other most of the time
        return prepare(fields, history, seed=seed, trees=trees)


def finish(
    prior: Prior,
    reviewed: Sequence[Reviewed] = (),
    *,
    models_dir: Path,
    misses: float = 0.0,
    name: str = "entry-quality",
    recall: float | None = None,
    clock: Clock | None = None,
) -> export.Trained:
    """Add reviews to what history taught, export, check parity and write the model; see `train`.

    Raises:
        UserError: `misses` is no share.
        ParityError: the exported graph does not agree with scikit-learn; nothing is written.
    """
    if not 0 <= misses < 1:
        raise UserError(f"the share of wrong records that reviewers let pass is at least 0 and under 1, not {misses:g}")
    with threadpool_limits(limits=1):
        learned = learn(prior, reviewed, misses=misses)
    threshold = _threshold(prior, recall)
    profile_text = learned.profile.to_json()
    made = export.Made(
        model=learned.model,
        gates=_gates(prior, learned, threshold),
        thresholds={REVIEW: threshold, REASON: REASON_LIMIT},
        data_sha256=fingerprint(profile_text),
        metrics={
            "history_records": len(prior.history),
            "training_records": len(prior.cells),
            "reviewed_records": len(reviewed),
            "reviewed_wrong": sum(one.wrong for one in reviewed),
            "seed": prior.seed,
            "threshold": threshold,
            "expected_share": EXPECTED_SHARE,
            "validation": _validation(prior, threshold),
            "importance": list(prior.importance),
        },
        files={PROFILE: profile_text},
        own={"record_score": score_text(learned.score)},
    )
    now = (clock or SystemClock()).now()
    return export.publish(ENTRY, made, name=name, now=now, models_dir=models_dir)


def _threshold(prior: Prior, recall: float | None) -> float:
    """Return where a look costs as much as it saves (Elkan, "The foundations of cost-sensitive learning", 2001)."""
    if recall is None:
        return 1 / (1 + COST_OF_A_MISS)
    records = prior.score.probabilities(prior.probabilities, prior.cells)
    return fitting.threshold_of_recall(records, prior.wrong, recall)


def _validation(prior: Prior, threshold: float) -> dict[str, object]:
    records = prior.score.probabilities(prior.probabilities, prior.cells)
    return measure(records >= threshold, prior.wrong, list(prior.kinds)).as_dict()


def _gates(prior: Prior, learned: Learned, threshold: float) -> tuple[export.Gate, export.Gate]:
    """Compare cell by cell at the limits of a cell, and record by record at the threshold of a record."""
    width = prior.cells.shape[2]
    rng = np.random.default_rng(prior.seed)
    few = ceil(export.LEAST_ROWS / prior.cells.shape[1])
    records: NDArray[np.float32] = prior.cells[rng.choice(len(prior.cells), max(few, 200))]

    def score(cells: scoring.Floats) -> scoring.Floats:
        return learned.score.probabilities(cells.reshape(records.shape[:2]), records)

    by_cell = export.Gate(export.gate_rows(prior.cells.reshape(-1, width), prior.seed), (REASON_LIMIT, 0.5))
    return by_cell, export.Gate(records.reshape(-1, width), (threshold,), score)
