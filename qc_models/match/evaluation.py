"""Measure a judge on candidates whose truth is known."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.intervals import clopper_pearson
from qc_models.calibration import Floats, brier, calibration_error
from qc_models.match.examples import Examples
from qc_models.match.judge import MatchJudge
from qc_models.metrics import measure


@dataclass(frozen=True)
class Closable:
    """What could close on its own, if this sample were the audit: one half chose the limit, the other half counts."""

    share: float
    """Of the matches in the second half that lie under the limit; 0 if the bound does not hold."""
    limit: float
    wrong: int
    passed: int
    bound: float
    """One-sided 95 % upper bound of the share of wrong ones among those passed (Clopper-Pearson)."""


def evaluate(judge: MatchJudge, examples: Examples, *, target: float = 1e-3) -> dict[str, Any]:
    """Return recall, precision and accuracy at the judge's threshold, ranking, calibration and what could close.

    Raises:
        UserError: the judge's model is of another family (when it was made).
    """
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415 - scikit-learn costs a second that serving must not pay

    found = judge.judge_all(examples.pairs, examples.context).probability_wrong
    wrong = examples.wrong
    both = bool(wrong.any() and not wrong.all())
    ids = [pair.bank.lines[0].id for pair in examples.pairs]
    return {
        "pairs": len(wrong),
        "wrong": int(wrong.sum()),
        "threshold": judge.threshold,
        "auc": float(roc_auc_score(wrong, found)) if both else None,
        "brier": brier(found, wrong) if len(wrong) else None,
        "calibration_error": calibration_error(found, wrong) if len(wrong) else None,
        "target": target,
        "closable": asdict(closable(found, wrong, ids, target)),
        **measure(found >= judge.threshold, wrong, examples.kinds).as_dict(),
    }


def closable(found: Floats, wrong: NDArray[np.bool_], ids: list[str], target: float) -> Closable:
    """Choose the largest limit that the exact bound allows on one half of the bank lines, and count on the other.

    The halves are told by a hash of the bank line, so that they are the same in every run and share no line.
    """
    second = np.array([hashlib.sha256(one.encode()).digest()[0] % 2 == 1 for one in ids], dtype=bool)
    order = np.argsort(found[~second], kind="stable")
    ranked, values = wrong[~second][order], found[~second][order]
    limit = 0.0
    for place in _ends(values):
        bound = _upper(int(ranked[:place].sum()), place)
        if bound <= target:
            limit = float(values[place - 1])
    under = second & (found <= limit) & (limit > 0)
    k, n = int(wrong[under].sum()), int(under.sum())
    bound = _upper(k, n)
    return Closable(n / max(1, int(second.sum())) if bound <= target else 0.0, limit, k, n, bound)


def _ends(values: Floats, steps: int = 400) -> list[int]:
    """Return at most 400 places at which the ranking may be cut: ends of ties, evenly spread."""
    ends = np.flatnonzero(np.append(np.diff(values) > 0, True)) + 1 if len(values) else np.array([], dtype=int)
    return [int(end) for end in ends[:: max(1, len(ends) // steps)]]


def _upper(k: int, n: int) -> float:
    interval = clopper_pearson(k, n, confidence=0.9)  # its upper end leaves 5 % above
    return interval[1] if interval else 1.0
