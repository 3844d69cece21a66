"""Fits the record's logistic regression; apart from `scoring`, so that serving never loads scikit-learn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from qc_models.entry.schema import AT, PROCESS
from qc_models.entry.scoring import Adjustment, Floats, RecordScore, features, squeeze

_PRIOR_SPREAD = (0.7, 0.25, *(0.3,) * len(PROCESS))
"""How far reviews may pull: standard deviations of the normal priors on intercept, slope and signal weights."""
_UNSEEN = 0.01
"""Share of mistakes that no model sees, so that one of them does not turn everything else around."""
_ENDLESS = 1e9
_LIGHTEST, _HEAVIEST = 0.2, 5.0


def fit(cells: Floats, matrices: NDArray[np.float32], wrong: NDArray[np.bool_], expected_share: float) -> RecordScore:
    """Fit on records whose cells were scored by a model that has not seen them."""
    found = LogisticRegression(C=100.0, max_iter=2000).fit(features(cells, matrices), wrong)
    share = float(np.clip(wrong.mean(), 0.001, 0.999))
    moved = float(np.log(expected_share / (1 - expected_share)) - np.log(share / (1 - share)))
    return RecordScore(tuple(float(weight) for weight in found.coef_[0]), float(found.intercept_[0]) + moved)


def adjusted(
    score: RecordScore,
    cells: Floats,
    matrices: NDArray[np.float32],
    wrong: NDArray[np.bool_],
    weights: Floats,
    *,
    misses: float,
) -> RecordScore:
    """Move a record score by what reviewers said: the most likely straight line under a strong prior of no change.

    Args:
        score: What the history taught.
        cells: P(wrong) of the reviewed records' cells, by a model that has not seen them (n, columns).
        matrices: Their features (n, columns, features).
        wrong: What the reviewers said.
        weights: 1 / the probability of being reviewed; evened out, because one rare draw must not decide alone.
        misses: Share of wrong records that a reviewer lets pass: "right" says less than "wrong".

    Which records were reviewed may depend on the score and on nothing else; then the chance of being wrong, given the
    score, is the same among the others.
    """
    signals = _units(matrices)
    logits = score.logits(cells, matrices)
    known = signals.signals(matrices)
    usual = np.array((0.0, 1.0, *(0.0,) * len(PROCESS)))
    even = np.clip(weights / weights.mean(), _LIGHTEST, _HEAVIEST)

    def surprise(at: Floats) -> float:
        chance = _UNSEEN + (1 - 2 * _UNSEEN) * (1 - misses) * squeeze(at[0] + at[1] * logits + known @ at[2:])
        told = np.where(wrong, np.log(chance), np.log1p(-chance))
        return float(-(even * told).sum() + 0.5 * (((at - usual) / np.array(_PRIOR_SPREAD)) ** 2).sum())

    found = minimize(surprise, usual, method="L-BFGS-B", bounds=[(-3, 3), (0.3, 2), *[(-1.5, 1.5)] * len(PROCESS)])
    intercept, slope, *process = (float(value) for value in found.x)
    return replace(score, adjustment=replace(signals, intercept=intercept, slope=slope, process=tuple(process)))


def _units(matrices: NDArray[np.float32]) -> Adjustment:
    """Return the center and spread of each process signal; one that is unknown or always the same says nothing."""
    center, spread = [], []
    for name in PROCESS:
        column = matrices[:, 0, AT[name]].astype(np.float64)
        given = column[np.isfinite(column)]
        center.append(float(given.mean()) if len(given) else 0.0)
        spread.append(max(float(given.std()), 1e-9) if len(given) > 1 and given.std() > 0 else _ENDLESS)
    return Adjustment(center=tuple(center), spread=tuple(spread))


def threshold_of_recall(probabilities: Floats, wrong: NDArray[np.bool_], recall: float) -> float:
    """Return the highest threshold that still flags a share of the wrong records, halfway to the next score below."""
    order = np.argsort(-probabilities)
    ranked, falling = wrong[order], probabilities[order]
    last = np.append(np.diff(falling) < 0, True)  # ties stay on one side
    best = int(np.argmax(last & (np.cumsum(ranked) >= recall * ranked.sum())))
    below = falling[best + 1] if best + 1 < len(falling) else 0.0
    return float((falling[best] + below) / 2)
