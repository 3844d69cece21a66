"""Train the match-quality model from candidates whose truth is known: reviewed ones, or of one's own making."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from engine.clock import Clock, SystemClock
from engine.errors import UserError
from qc_models import export
from qc_models.calibration import Floats, Platt, best_threshold, brier, calibration_error, log_odds
from qc_models.family import REVIEW
from qc_models.importance import importance
from qc_models.match.examples import Examples
from qc_models.match.family import MATCH, TYPICAL, typical_text
from qc_models.match.features import NAMES, Matrix, matrix
from qc_models.metrics import measure

LEAST_OF_EACH = 50
"""Right and wrong candidates without which nothing can be learned."""
EXPECTED_SHARE = 0.05
"""Share of wrong matches among those that a matcher proposes."""
TREES, FOLDS = 150, 3
HEAVIEST = 10.0
BETA = 3.0
"""The default threshold maximises F-beta: a wrong match let through costs more than a needless look."""

DIRECTION = {
    **dict.fromkeys(("amount_equal", "amount_explained", "ref_equal", "ref_contained", "end_to_end_equal"), -1),
    **dict.fromkeys(("account_equal", "name_sorted", "name_set", "margin", "history_count"), -1),
    **dict.fromkeys(("amount_off_share", "sign_flip", "decimal_shift", "digits_swapped", "one_digit_off"), 1),
    **dict.fromkeys(("ref_edits", "ref_named_elsewhere", "alternatives", "ref_copies_bank", "ref_copies_book"), 1),
}
"""Features that may only ever speak for a match (-1) or against it (1), whatever a thin history happens to show."""


@dataclass(frozen=True)
class _Fitted:
    model: HistGradientBoostingClassifier
    platt: Platt
    held_out: Floats
    """Calibrated probabilities of each candidate by a model that saw none of its bank line."""
    proposed: NDArray[np.bool_]
    """Candidates that no rival beats: those that a matcher would propose. Calibration and threshold are theirs."""
    threshold: float
    importance: list[dict[str, Any]]
    """What the model leans on, measured on candidates that it had not seen."""


def train(
    sets: Sequence[Examples],
    *,
    seed: int,
    models_dir: Path,
    name: str = MATCH.name,
    expected_share: float = EXPECTED_SHARE,
    trees: int = TREES,
    clock: Clock | None = None,
) -> export.Trained:
    """Train, export, check parity and write a model.

    Args:
        sets: Reviewed candidates, candidates of one's own making, or both; a small set weighs up to ten times as much.
        seed: Decides every draw; same seed, same data, same model.
        models_dir: Where models live; written to `<models_dir>/<name>/<version>/`.
        name: Name of the model.
        expected_share: Share of wrong ones among the matches that will be proposed: what is calibrated to.
        trees: Size of the boosting.
        clock: Gives the version its date.

    Raises:
        UserError: fewer than 50 right or 50 wrong candidates.
        ParityError: the exported graph does not agree with scikit-learn; nothing is written.
    """
    wrong = np.concatenate([one.wrong for one in sets])
    if min(wrong.sum(), (~wrong).sum()) < LEAST_OF_EACH:
        raise UserError(
            f"training needs {LEAST_OF_EACH} right and {LEAST_OF_EACH} wrong matches, "
            f"there are {int((~wrong).sum())} and {int(wrong.sum())}"
        )
    now = (clock or SystemClock()).now()
    rows = np.vstack([matrix(one.pairs, one.context) for one in sets])
    with threadpool_limits(limits=1):
        fitted = _fit(rows, wrong, sets, seed, expected_share, trees)
    kinds = [kind for one in sets for kind in one.kinds]
    made = export.Made(
        model=fitted.model,
        gates=[export.Gate(export.gate_rows(rows, seed), (fitted.threshold,), fitted.platt.probabilities)],
        thresholds={REVIEW: fitted.threshold},
        data_sha256=hashlib.sha256(rows.tobytes() + wrong.tobytes()).hexdigest(),
        metrics={
            "pairs": len(wrong),
            "wrong": int(wrong.sum()),
            "source": " and ".join(f"{len(one.pairs)} {one.source}" for one in sets),
            "seed": seed,
            "threshold": fitted.threshold,
            "expected_share": expected_share,
            **_figures(fitted, wrong, kinds, expected_share),
            "importance": fitted.importance,
        },
        files={TYPICAL: typical_text(typical(rows[~wrong]))},
        own={"platt": fitted.platt.as_text()},
    )
    return export.publish(MATCH, made, name=name, now=now, models_dir=models_dir)


def boost(
    rows: Matrix, wrong: NDArray[np.bool_], seed: int, trees: int = TREES, weights: Floats | None = None
) -> HistGradientBoostingClassifier:
    """Fit the boosting: small enough to be read by ONNX at once, deterministic by seed."""
    unknown = np.isnan(rows).all(axis=0)
    if unknown.any():  # scikit-learn cannot bin a feature that no line of this bank has
        rows = rows.copy()
        rows[0, unknown] = 0
    return HistGradientBoostingClassifier(
        max_iter=trees,
        max_leaf_nodes=16,
        learning_rate=0.08,
        min_samples_leaf=20,
        l2_regularization=1.0,
        early_stopping=False,
        monotonic_cst=[DIRECTION.get(name, 0) for name in NAMES],
        random_state=seed,
    ).fit(rows, wrong, sample_weight=weights)


def typical(right: Matrix) -> Matrix:
    """Return the middle value of each feature among right matches; NaN where most do not know it."""
    known = ~np.isnan(right)
    middle = np.full(right.shape[1], np.nan, dtype=np.float32)
    for place in np.flatnonzero(known.mean(axis=0) > 0.5):  # noqa: PLR2004 - most know it
        middle[place] = np.median(right[known[:, place], place])
    return middle


def _fit(
    rows: Matrix, wrong: NDArray[np.bool_], sets: Sequence[Examples], seed: int, expected: float, trees: int
) -> _Fitted:
    groups = [pair.bank.lines[0].id for one in sets for pair in one.pairs]
    most = max(len(one.pairs) for one in sets)
    weights = np.concatenate([np.full(len(one.pairs), min(HEAVIEST, most / len(one.pairs))) for one in sets])
    raw = np.empty(len(rows))
    for seen, unseen in GroupKFold(FOLDS, shuffle=True, random_state=seed).split(rows, wrong, groups):
        model = boost(rows[seen], wrong[seen], seed, trees, weights[seen])
        raw[unseen] = model.predict_proba(rows[unseen])[:, 1]
    leans_on = importance(model, rows[unseen], wrong[unseen], NAMES, seed)
    proposed = _proposed(sets, wrong)
    line = LogisticRegression(C=1e6, max_iter=1000).fit(log_odds(raw[proposed])[:, None], wrong[proposed])
    platt = Platt(float(line.coef_[0, 0]), float(line.intercept_[0])).moved(float(wrong[proposed].mean()), expected)
    held_out = platt.probabilities(raw)
    threshold = best_threshold(held_out[proposed], wrong[proposed], expected, beta=BETA)
    return _Fitted(boost(rows, wrong, seed, trees, weights), platt, held_out, proposed, threshold, leans_on)


def _proposed(sets: Sequence[Examples], wrong: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which candidates no rival beats; all of them if that leaves too few right or wrong ones to learn from."""
    best = np.array([pair.margin is None or pair.margin >= 0 for one in sets for pair in one.pairs])
    few = min(wrong[best].sum(), (~wrong[best]).sum()) < LEAST_OF_EACH
    return np.ones(len(wrong), dtype=bool) if few else best


def _figures(fitted: _Fitted, wrong: NDArray[np.bool_], kinds: Sequence[str], expected: float) -> dict[str, Any]:
    """Return how good the held-out probabilities of proposed candidates are; calibration at the examples' own share."""
    found, truth = fitted.held_out[fitted.proposed], wrong[fitted.proposed]
    back = Platt().moved(expected, float(truth.mean())).probabilities(found)
    named = [kind for kind, kept in zip(kinds, fitted.proposed, strict=True) if kept]
    return {
        "proposed": len(truth),
        "auc": float(roc_auc_score(truth, found)),
        "brier": brier(back, truth),
        "calibration_error": calibration_error(back, truth),
        "validation": measure(found >= fitted.threshold, truth, named).as_dict(),
    }
