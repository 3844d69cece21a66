"""Training examples: past records as they are, and the same records with a planted mistake, scored as they came in."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.values import FieldSpec, Record
from qc_models.entry.cells import Extractor
from qc_models.entry.corruption import Bench, corrupt
from qc_models.entry.profile import Profile

SPOILT_EACH = 4
_RECENT = 400


@dataclass(frozen=True)
class Examples:
    """Cell features (records, columns, features), which cells are wrong, and what was planted."""

    cells: NDArray[np.float32]
    wrong: NDArray[np.bool_]
    kinds: tuple[str, ...]

    @property
    def records_wrong(self) -> NDArray[np.bool_]:
        """Return which records are wrong."""
        return np.asarray(self.wrong.any(axis=1))

    @property
    def flat(self) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return one row a cell."""
        return self.cells.reshape(-1, self.cells.shape[2]), self.wrong.reshape(-1)


def make(
    fields: Mapping[str, FieldSpec], past: Sequence[Record], fresh: Sequence[Record], rng: random.Random
) -> Examples:
    """Describe fresh records against a profile of the past, each clean and with planted mistakes, in their order."""
    profile = Profile(fields, past)
    extractor = Extractor(profile)
    names = [column.name for column in profile.columns]
    earlier = list(past[-_RECENT:])
    cells, wrong, kinds = [], [], []
    for record in fresh:
        cells.append(extractor.matrix(record))
        wrong.append(np.zeros(len(names), dtype=bool))
        kinds.append("")
        bench = Bench(profile, earlier[-_RECENT:], rng)
        for _ in range(SPOILT_EACH):
            made = corrupt(record, bench)
            if made is not None:
                kinds.append(made[0])
                cells.append(extractor.matrix(made[1]))
                wrong.append(np.isin(names, made[2]))
        profile.observe(record)
        earlier.append(record)
    return Examples(np.stack(cells), np.stack(wrong), tuple(kinds))
