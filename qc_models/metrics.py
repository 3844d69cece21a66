"""How often the model is right, with exact intervals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.intervals import clopper_pearson


@dataclass(frozen=True)
class Share:
    """k of n, with its exact 95 % interval (Clopper-Pearson)."""

    k: int
    n: int

    @property
    def value(self) -> float:
        """Return k / n; NaN for nothing of nothing."""
        return self.k / self.n if self.n else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Return the exact two-sided 95 % interval; everything is possible after nothing."""
        return clopper_pearson(self.k, self.n) or (0.0, 1.0)

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON; a share of nothing is null."""
        return {"k": self.k, "n": self.n, "value": self.value if self.n else None, "interval": list(self.interval)}

    def __str__(self) -> str:
        if not self.n:
            return "none"
        low, high = self.interval
        return f"{self.value:.1%} ({self.k} of {self.n}; 95 % between {low:.1%} and {high:.1%})"


@dataclass(frozen=True)
class Metrics:
    """Record-level quality of the flags, and whether their reasons named a field that was wrong."""

    recall: Share
    precision: Share
    accuracy: Share
    reason_hits: Share
    by_kind: dict[str, Share]

    @property
    def f1(self) -> float:
        """Return the harmonic mean of precision and recall; NaN without a caught record."""
        found = self.recall.k
        return 2 * found / (self.recall.n + self.precision.n) if found else float("nan")

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        shares = {name: getattr(self, name).as_dict() for name in ("recall", "precision", "accuracy", "reason_hits")}
        kinds = {kind: share.as_dict() for kind, share in sorted(self.by_kind.items())}
        return {**shares, "f1": self.f1 if self.recall.k else None, "by_kind": kinds}


def measure(
    flagged: NDArray[np.bool_], wrong: NDArray[np.bool_], kinds: Sequence[str], hits: Sequence[bool] | None = None
) -> Metrics:
    """Count; `kinds` names the mistake of each wrong record, `hits` says whether the reasons named a wrong field."""
    caught = flagged & wrong
    by_kind: defaultdict[str, list[bool]] = defaultdict(list)
    for is_wrong, is_flagged, kind in zip(wrong, flagged, kinds, strict=True):
        if is_wrong:
            by_kind[kind].append(bool(is_flagged))
    named = [hit for hit, found in zip(hits, caught, strict=True) if found] if hits is not None else []
    return Metrics(
        recall=Share(int(caught.sum()), int(wrong.sum())),
        precision=Share(int(caught.sum()), int(flagged.sum())),
        accuracy=Share(int((flagged == wrong).sum()), len(wrong)),
        reason_hits=Share(sum(named), len(named)),
        by_kind={kind: Share(sum(found), len(found)) for kind, found in by_kind.items()},
    )
