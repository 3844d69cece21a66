"""Before there is a model: what makes a record odd among the few that came before it, ranked, without any training.

The evidence is the features' own, weighed by hand and joined as independent hints (a noisy or; Pearl, "Probabilistic
reasoning in intelligent systems", 1988). It ranks and explains; it is no probability and lets nothing pass.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from engine.ports import Case, Finding
from engine.values import FieldSpec, Record
from qc_models.entry.cells import Extractor, Matrix
from qc_models.entry.profile import Profile
from qc_models.entry.reasons import Reasons
from qc_models.entry.schema import AT
from qc_models.entry.scoring import Floats

MOST = 1_000
_GROWN = 1.2
_FEW = 30
_NAMED = 0.25
"""A cell whose suspicion reaches this is named."""


@dataclass(frozen=True)
class Look:
    """How odd a record is, in [0, 1), and why; a rank among others, never a probability."""

    rank: float
    cells: Floats
    reasons: tuple[Finding, ...]


class ColdStart:
    """Looks at the records of one contract as they come, each against those before it."""

    def __init__(self, fields: Mapping[str, FieldSpec]) -> None:
        self._fields = fields
        self._records: dict[str, Record] = {}
        self._described = 0
        self._extractor = Extractor(Profile(fields, ()))
        self._lock = threading.Lock()

    def look(self, case: Case) -> Look:
        """Rank one case and say what is odd about it, then take note of it."""
        with self._lock:
            if len(self._records) >= max(self._described + 1, int(self._described * _GROWN)):
                earlier = {known: record for known, record in self._records.items() if known != case.reference}
                profile = Profile(self._fields, list(earlier.values()), references=list(earlier))
                self._extractor = Extractor(profile)
                self._described = len(self._records)
            matrix = self._extractor.matrix(case)
            cells = suspicion(matrix, self._described)
            named = self._reasons(case, matrix, cells)
            if len(self._records) < MOST:
                self._records[case.reference] = case.payload
            return Look(float(1 - np.prod(1 - cells)), cells, named)

    def _reasons(self, case: Case, matrix: Matrix, cells: Floats) -> tuple[Finding, ...]:
        names = [column.name for column in self._extractor.profile.columns]
        if cells.max(initial=0.0) < _NAMED:
            return ()
        return tuple(
            Reasons(self._extractor, case, matrix).findings(dict(zip(names, cells.tolist(), strict=True)), _NAMED)
        )


def suspicion(matrix: Matrix, seen: int) -> Floats:
    """Return how odd each cell is, in [0, 1), from its features (columns, features) after so many earlier records."""
    right = np.ones(len(matrix))
    for hint in _hints(matrix, seen / (seen + _FEW)):
        right *= 1 - np.clip(np.nan_to_num(hint, nan=0.0), 0, 0.99)
    odd: Floats = 1 - right
    return odd


def _hints(matrix: Matrix, trust: float) -> list[Floats]:
    """Return the hints of each cell, each worth at most what it proves by itself; habits count by what was seen."""

    def of(name: str) -> Floats:
        found: Floats = matrix[:, AT[name]].astype(np.float64)
        return found

    group = np.expm1(of("group_support"))
    habit = trust * group / (group + 3)
    near = np.where(of("neighbour_distance") > 0, 1.0, 0.0) * _share(of("neighbour_count"))
    usual = np.where(np.isnan(of("missing_share_group")), of("missing_share"), of("missing_share_group"))
    far, twins = of("sequence_far"), (of("twin_equal") >= 0.75) & (of("twin_distance") <= 2)  # noqa: PLR2004
    sure = (of("told_share_1") == 0) & (of("told_confidence_1") >= 0.8)  # noqa: PLR2004 - nearly always told
    told = sure * of("told_confidence_1") * _share(of("told_support_1"))
    return [
        0.9 * of("laws_blame"),
        0.95 * of("check_digits_fail"),
        0.99 * (of("read_equal") == 0),
        0.8 * told,
        0.6 * near,
        0.5 * habit * (1 - of("mask_share_group")),
        0.5 * habit * (1 - of("value_share_group")) * (1 - of("unique_share")) * (of("value_share_group") == 0),
        0.7 * habit * (1 - usual) * (of("missing") == 1),
        0.5 * habit * np.clip((np.abs(of("size_z_group")) - 3) / 5, 0, 1),
        0.6 * np.clip((np.abs(of("size_ratio_fine")) - 0.1) / 0.5, 0, 1) * _share(of("fine_support")),
        0.4 * habit * (of("lag_share_group") == 0),
        0.4 * trust * (of("weekday_share") < 0.01),  # noqa: PLR2004 - hardly ever
        0.6 * np.clip((far - 2) / 2, 0, 1),
        0.5 * habit * (of("frame_share") == 0),
        0.9 * twins,
    ]


def _share(logged: Floats) -> Floats:
    """Return how much a count (given as log(1 + n)) is worth: half with two records, all with many."""
    count = np.expm1(np.nan_to_num(logged, nan=0.0))
    worth: Floats = count / (count + 2)
    return worth
